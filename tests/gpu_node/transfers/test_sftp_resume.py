"""Any history of drops, damage and restarts ends with the right file, and nothing comes twice."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_node.client import SiteAway
from gpu_node.contracts.blobs import Blob
from gpu_node.transfers.basics import Body, Coming, Transport
from gpu_node.transfers.fetching import Fetching
from gpu_node.transfers.sftp_resume import (
    CHUNK_BYTES,
    WINDOW_CHUNKS,
    Link,
    parse,
    resume,
    windows,
)
from gpu_node.transfers.ways import Ways

DIGEST = "0123456789abcdef" * 4
PREFIX = "sftp://host.example:2222"


@dataclass
class Flaky(Ways):
    """A transport whose line breaks after so many bytes, and that damages one byte if told to.

    Each try takes the next fault; when there are none left all is well.
    """

    content: bytes
    faults: list[tuple[int, bool]]
    carried: int = 0
    damaged: int = 0

    def of(self, _: str) -> Transport:
        return self

    @contextmanager
    def fetch(self, url: str, blob: Blob, there: int) -> Iterator[Coming]:  # noqa: ARG002  # the port's
        yield Coming(resume(there, len(self.content)), self._pieces(there))

    def send(self, url: str, blob: Blob, body: Body) -> None:
        raise NotImplementedError

    def _pieces(self, there: int) -> Iterator[bytes]:
        if not self.faults:
            yield from self._said(self.content[there:])
            return
        after, damage = self.faults.pop(0)
        piece = self.content[there : there + after]
        if damage and piece:
            self.damaged += 1
            piece = bytes([piece[0] ^ 1]) + piece[1:]
        yield from self._said(piece)
        raise SiteAway("The line broke.")

    def _said(self, piece: bytes) -> Iterator[bytes]:
        for at in range(0, len(piece), 7):
            self.carried += len(piece[at : at + 7])
            yield piece[at : at + 7]


@dataclass
class Waits:
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        if seconds:
            self.seconds.append(seconds)


# Fewer damages than are borne (MOST_REFUSED).
histories = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=12).filter(
    lambda faults: sum(damage for _, damage in faults) <= 3
)


@given(st.binary(max_size=200), histories, st.integers(0, 250), st.booleans())
def test_any_history_ends_with_the_right_file(
    content: bytes, faults: list[tuple[int, bool]], left: int, ours: bool
) -> None:
    blob = Blob(digest=hashlib.sha256(content).hexdigest(), size=len(content))
    line = Flaky(content, list(faults))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "lesson"
        # What an earlier process has left: the file's beginning, or something else.
        before = content[:left] if ours else b"\xff" * left
        target.with_name("lesson.part").write_bytes(before)
        Fetching(blob, target, lambda: "sftp://", lambda: True, line).run(Waits(), lambda _: None)
        assert target.read_bytes() == content
    anew = line.damaged + (not content.startswith(before))
    assert line.carried <= len(content) * (1 + anew)
    if not anew:
        assert line.carried == len(content) - len(before)


@given(st.integers(0, 10**12) | st.none(), st.integers(0, 10**12))
def test_a_file_is_gone_on_with_from_what_is_there_or_begun_anew(
    there: int | None, size: int
) -> None:
    offset = resume(there, size)
    assert 0 <= offset <= size
    assert offset in (0, there)
    assert offset == there or there is None or there > size


@given(st.integers(0, 5 * CHUNK_BYTES * WINDOW_CHUNKS), st.integers(0, 3 * CHUNK_BYTES))
def test_requests_cover_what_is_missing_once_and_in_order(start: int, more: int) -> None:
    at = start
    for window in windows(start, start + more):
        assert 0 < len(window) <= WINDOW_CHUNKS
        for offset, length in window:
            assert offset == at
            assert 0 < length <= CHUNK_BYTES
            at += length
    assert at == start + more


def test_many_requests_are_on_their_way_but_not_all_of_a_big_file() -> None:
    assert [len(window) for window in windows(0, 3 * CHUNK_BYTES * WINDOW_CHUNKS)] == [192] * 3


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (f"{PREFIX}/out/{DIGEST}", Link("host.example", 2222, f"/out/{DIGEST}")),
        (f"sftp://10.0.0.1/in/{DIGEST}", Link("10.0.0.1", 22, f"/in/{DIGEST}")),
        (f"sftp://[::1]:22/out/{DIGEST}", Link("::1", 22, f"/out/{DIGEST}")),
        (
            f"{PREFIX}/srv/files/gpu-1/in/{DIGEST}",
            Link("host.example", 2222, f"/srv/files/gpu-1/in/{DIGEST}"),
        ),
        (f"{PREFIX}/etc/passwd", None),
        (f"{PREFIX}/out/../in/{DIGEST}", None),
        (f"{PREFIX}/./out/{DIGEST}", None),
        (f"{PREFIX}//out/{DIGEST}", None),
        (f"{PREFIX}/out/{DIGEST}?x=1", None),
        (f"{PREFIX}/out/{DIGEST}\n", None),
        (f"{PREFIX}/out/{DIGEST.upper()}", None),
        (f"{PREFIX}/out/{'f' * 64}", None),
        (f"{PREFIX}/elsewhere/{DIGEST}", None),
        (f"sftp://user:word@host/out/{DIGEST}", None),
        (f"sftp://-oProxyCommand=x/out/{DIGEST}", None),
        (f"sftp://host:70000/out/{DIGEST}", None),
        (f"sftp://host:0/out/{DIGEST}", None),
        (f"https://host/out/{DIGEST}", None),
        ("", None),
    ],
)
def test_a_link_leads_to_a_file_of_this_name_or_nowhere(url: str, link: Link | None) -> None:
    assert parse(url, DIGEST) == link


@given(st.text(max_size=80))
def test_no_text_gets_out_of_the_folder(text: str) -> None:
    for url in (text, f"{PREFIX}{text}", f"{PREFIX}/out/{text}", f"{PREFIX}/{text}/{DIGEST}"):
        link = parse(url, DIGEST)
        if link is not None:
            parts = link.path.split("/")
            assert parts[-2:] in (["in", DIGEST], ["out", DIGEST])
            assert not {".", ".."} & set(parts)
            assert "" not in parts[1:]
