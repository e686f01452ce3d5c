"""Files from the server, over a network that breaks."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers import fetching
from gpu_node.transfers.fetching import Fetching
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site

CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Desk:
    """Where one blob is fetched to."""

    site: Site
    folder: Path
    content: bytes = CONTENT
    waits: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    renewals: int = 0

    def __post_init__(self) -> None:
        self.blob = self.site.store(self.content, ".mp4")
        self.url = self._sign()

    @property
    def target(self) -> Path:
        return self.folder / "lesson.mp4"

    @property
    def part(self) -> Path:
        return self.folder / "lesson.mp4.part"

    def fetch(self) -> None:
        Fetching(self.blob, self.target, lambda: self.url, self.renew).run(
            self.wait, self.shares.append
        )
        assert self.target.read_bytes() == self.content
        assert not self.part.exists()

    def wait(self, seconds: float) -> None:
        if seconds:
            self.waits.append(seconds)

    def renew(self) -> bool:
        self.renewals += 1
        self.url = self._sign()
        return True

    def _sign(self) -> str:
        return self.site._sign("r", self.blob)


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    return Desk(site, tmp_path)


def asked_ranges(site: Site) -> int:
    return sum(request.startswith("GET /blobs/") for request in site.requests)


def test_a_file_is_fetched_once(desk: Desk) -> None:
    desk.fetch()
    assert asked_ranges(desk.site) == 1
    assert desk.shares == sorted(desk.shares)
    assert desk.shares[-1] == 1


def test_an_empty_file(site: Site, tmp_path: Path) -> None:
    Desk(site, tmp_path, b"").fetch()


def test_what_broke_off_is_gone_on_with(desk: Desk) -> None:
    for sent in (100_000, 70_000, 0):
        desk.site.faults.add(Fault("GET /blobs", Kind.BREAK, after_bytes=sent))
    desk.fetch()
    assert len(desk.waits) == 3
    assert asked_ranges(desk.site) == 4


def test_what_an_earlier_process_fetched_is_not_fetched_again(desk: Desk) -> None:
    desk.part.write_bytes(CONTENT[:200_000])
    desk.fetch()
    assert desk.shares[0] > 0.6


def test_a_whole_part_needs_nobody(desk: Desk) -> None:
    desk.part.write_bytes(CONTENT)
    desk.site.close()
    desk.fetch()


@pytest.mark.parametrize("left", [b"x" * 200_000, b"x" * len(CONTENT), b"x" * 400_000])
def test_a_part_of_something_else_is_thrown_away(desk: Desk, left: bytes) -> None:
    desk.part.write_bytes(left)
    desk.fetch()


def test_the_site_may_be_away_for_long(desk: Desk) -> None:
    desk.site.close()
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        if seconds:
            waits += 1
            if waits == 50:
                desk.site.open()

    Fetching(desk.blob, desk.target, lambda: desk.url, desk.renew).run(wait, lambda _: None)
    assert desk.target.read_bytes() == CONTENT


def test_errors_of_the_server_pass(desk: Desk) -> None:
    desk.site.faults.add(Fault("GET /blobs", Kind.STATUS, 503), times=30)
    desk.site.faults.add(Fault("GET /blobs", Kind.DROP))
    desk.fetch()


def test_an_expired_link_is_renewed_and_the_rest_is_fetched(desk: Desk) -> None:
    desk.site.faults.add(Fault("GET /blobs", Kind.BREAK, after_bytes=150_000))

    def wait(seconds: float) -> None:
        if seconds and not desk.renewals:
            desk.site.expire_links()

    Fetching(desk.blob, desk.target, lambda: desk.url, desk.renew).run(wait, lambda _: None)
    assert desk.renewals == 1
    assert desk.target.read_bytes() == CONTENT


def test_a_link_that_is_never_good_is_given_up(desk: Desk) -> None:
    desk.site.faults.add(Fault("GET /blobs", Kind.STATUS, 403), times=100)
    with pytest.raises(DubfleetError, match="refuses") as refused:
        desk.fetch()
    assert refused.value.reason is Reason.INTERNAL
    assert desk.renewals < 10


def test_a_link_that_cannot_be_renewed_yet_is_waited_for(desk: Desk) -> None:
    """The site is away: that is no refusal."""
    url: str | None = None
    tries = 0

    def renew() -> bool:
        nonlocal url, tries
        tries += 1
        if tries < 20:
            return False
        url = desk.url
        return True

    Fetching(desk.blob, desk.target, lambda: url, renew).run(desk.wait, lambda _: None)
    assert tries == 20


def test_a_file_that_is_gone_is_no_use_waiting_for(desk: Desk) -> None:
    del desk.site.blobs[DIGEST]
    with pytest.raises(DubfleetError, match="upload it again") as refused:
        desk.fetch()
    assert refused.value.reason is Reason.INPUT_LOST
    assert desk.waits == []


def test_a_file_that_is_damaged_there_is_tried_a_few_times(desk: Desk) -> None:
    desk.site.blobs[DIGEST] = b"y" * len(CONTENT)
    with pytest.raises(DubfleetError, match="damaged") as refused:
        desk.fetch()
    assert refused.value.reason is Reason.INPUT_LOST
    assert 1 < asked_ranges(desk.site) < 10
    assert not desk.target.exists()


def test_more_than_was_announced_is_not_written(site: Site, tmp_path: Path) -> None:
    desk = Desk(site, tmp_path)
    announced = desk.blob
    desk.blob = Blob(digest=announced.digest, size=1000)
    with pytest.raises(DubfleetError):
        desk.fetch()
    assert not desk.target.exists()


def test_the_token_is_not_sent_along(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed URLs may lead to another company's storage."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", os.fspath(netrc))
    seen: list[str | None] = []
    answer = desk.site.answer

    def look(method: str, target: str, bearer: str | None, body: bytes) -> object:
        seen.append(bearer)
        return answer(method, target, bearer, body)

    monkeypatch.setattr(desk.site._http, "_answering", look)
    desk.site.close()
    desk.site.open()
    desk.fetch()
    assert seen == [None]


def test_a_full_disk_is_said_to_be_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching.Fetching, "_write", full)
    with pytest.raises(DubfleetError) as refused:
        desk.fetch()
    assert refused.value.reason is Reason.DISK_FULL


def test_a_file_that_is_not_wanted_any_more_is_left(desk: Desk) -> None:
    class Enough(Exception): ...

    def wait(_: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        Fetching(desk.blob, desk.target, lambda: desk.url, desk.renew).run(wait, lambda _: None)
    assert not desk.target.exists()
