"""Files to the server, over a network that breaks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpu_node.artefacts import digest_file
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers.sending import Sending
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site


@dataclass
class Desk:
    """Files that the server has to get."""

    site: Site
    folder: Path
    files: dict[Blob, Path] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    asked: int = 0

    def add(self, content: bytes) -> Blob:
        path = self.folder / f"{len(self.files)}.bin"
        path.write_bytes(content)
        blob = Blob(digest=digest_file(path), size=len(content))
        self.files[blob] = path
        return blob

    def send(self) -> None:
        Sending(self.files, self.ask).run(lambda _: None, self.shares.append)
        for blob, path in self.files.items():
            assert self.site.blobs[blob.digest] == path.read_bytes()

    def ask(self, blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        self.asked += 1
        lacking = [blob for blob in blobs if blob.digest not in self.site.blobs]
        return {blob.digest: self.site._sign("w", blob) for blob in lacking}

    @property
    def puts(self) -> int:
        return sum(request.startswith("PUT") for request in self.site.requests)


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Desk:
    desk = Desk(site, tmp_path)
    desk.add(os.urandom(500_000))
    desk.add(b"WEBVTT\n")
    desk.add(b"")
    return desk


def test_what_is_missing_is_sent(desk: Desk) -> None:
    desk.send()
    assert desk.puts == 3
    assert desk.shares == sorted(desk.shares)
    assert desk.shares[-1] == 1


def test_what_the_server_has_is_not_sent(desk: Desk) -> None:
    desk.site.store(next(iter(desk.files.values())).read_bytes())
    desk.send()
    assert desk.puts == 2


def test_nothing_at_all(site: Site, tmp_path: Path) -> None:
    Desk(site, tmp_path).send()


def test_the_same_content_twice_is_sent_once(desk: Desk) -> None:
    path = next(iter(desk.files.values()))
    desk.files[Blob(digest=digest_file(path), size=500_000, suffix=".copy")] = path
    desk.send()
    assert desk.puts == 3


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.LOSE, Kind.STATUS])
def test_an_upload_that_breaks_is_made_again(desk: Desk, kind: Kind) -> None:
    desk.site.faults.add(Fault("PUT /blobs", kind, 503), times=2)
    desk.send()


def test_the_site_may_be_away_for_long(desk: Desk) -> None:
    desk.site.faults.add(Fault("PUT /blobs", Kind.STATUS, 502), times=40)
    desk.send()


def test_an_expired_link_is_asked_for_anew(desk: Desk) -> None:
    asked = desk.ask

    def ask(blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        urls = asked(blobs)
        if desk.asked == 1:
            desk.site.expire_links()
        return urls

    Sending(desk.files, ask).run(lambda _: None, desk.shares.append)
    assert desk.asked > 1
    assert {blob.digest for blob in desk.files} <= desk.site.blobs.keys()


def test_a_file_that_changed_on_disk_is_not_sent_for_ever(desk: Desk) -> None:
    next(iter(desk.files.values())).write_bytes(b"z" * 500_000)
    with pytest.raises(DubfleetError) as refused:
        desk.send()
    assert refused.value.reason is Reason.INTERNAL
    assert desk.puts < 20


def test_a_server_that_keeps_nothing_is_given_up(desk: Desk) -> None:
    def ask(blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        return {blob.digest: desk.site._sign("w", blob) for blob in blobs}

    with pytest.raises(DubfleetError, match="does not keep"):
        Sending(desk.files, ask).run(lambda _: None, lambda _: None)
    assert desk.puts < 20


def test_a_result_that_is_not_wanted_any_more_is_not_sent(desk: Desk) -> None:
    class Enough(Exception): ...

    def wait(_: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        Sending(desk.files, desk.ask).run(wait, lambda _: None)
    assert desk.site.blobs == {}
