"""What a node sees of the main server over SFTP, and what of its files counts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.settings import SettingError, load
from orchestrator import blobs, jobs, sftp_links
from orchestrator.models import Node
from orchestrator.sftp_folders import NodeFolder
from orchestrator.sftp_settings import TransferSettings, check, transfer_settings
from tests.orchestrator.rows import ManualClock, claimed, completion, stored, submitted, uuid_of

pytestmark = pytest.mark.django_db

URL = "sftp://main.example:2222"
SIGNED = {"lesson": "https://signed"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "sftp"
    for folder in ("out", "in"):
        (root / "gpu-1" / folder).mkdir(parents=True)
    monkeypatch.setenv("TRANSFER", "sftp")
    monkeypatch.setenv("SFTP_URL", URL)
    monkeypatch.setenv("SFTP_FOLDER", str(root))
    transfer_settings.cache_clear()
    yield root
    transfer_settings.cache_clear()


def blob_of(content: bytes) -> Blob:
    return Blob(digest=hashlib.sha256(content).hexdigest(), size=len(content))


def shown(root: Path) -> set[str]:
    return {path.name for path in (root / "gpu-1" / "out").iterdir()}


def send(root: Path, content: bytes, name: str = "") -> Path:
    path = root / "gpu-1" / "in" / (name or blob_of(content).digest)
    path.write_bytes(content)
    return path


def test_over_https_links_stay_as_they_are(clock: ManualClock) -> None:
    transfer_settings.cache_clear()
    assert sftp_links.downloads("gpu-1", {"lesson": blob_of(b"x")}, SIGNED) == SIGNED
    signed = {blob_of(b"x").digest: "https://signed"}
    assert sftp_links.uploads("gpu-1", [blob_of(b"x")], signed, clock.now()) == signed
    assert sftp_links.sweep(0.0) == 0


def test_a_node_sees_the_files_of_its_job_and_no_others(root: Path, clock: ManualClock) -> None:
    mine, other = stored(b"mine", clock), stored(b"other", clock)
    links = sftp_links.downloads("gpu-1", {"lesson": other}, SIGNED)
    assert shown(root) == {other.digest}
    links = sftp_links.downloads("gpu-1", {"lesson": mine}, SIGNED)
    assert links == {"lesson": f"{URL}/out/{mine.digest}"}
    assert shown(root) == {mine.digest}
    file = root / "gpu-1" / "out" / mine.digest
    assert file.read_bytes() == b"mine"
    # No copy: a lesson of gigabytes is shown at once.
    assert file.samefile(blobs.open_blob(mine.digest))
    assert not file.stat().st_mode & 0o022


def test_a_file_that_storage_lost_is_not_shown(root: Path, clock: ManualClock) -> None:
    gone = stored(b"gone", clock)
    blobs.storage().remove(gone.digest)
    links = sftp_links.downloads("gpu-1", {"lesson": gone}, SIGNED)
    assert links == {"lesson": f"{URL}/out/{gone.digest}"}
    assert shown(root) == set()


def test_what_a_node_sent_is_taken_over(root: Path, clock: ManualClock) -> None:
    dub, other = blob_of(b"the dub"), blob_of(b"still to come")
    came = send(root, b"the dub")
    signed = dict.fromkeys([dub.digest, other.digest], "https://signed")
    links = sftp_links.uploads("gpu-1", [dub, other], signed, clock.now())
    assert links == {other.digest: f"{URL}/in/{other.digest}"}
    assert blobs.have([dub.digest]) and blobs.open_blob(dub.digest).read_bytes() == b"the dub"
    assert not came.exists()


def test_it_is_a_copy_that_the_node_cannot_write_to(root: Path, clock: ManualClock) -> None:
    dub = blob_of(b"the dub")
    came = send(root, b"the dub")
    with came.open("r+b") as still_open:
        assert NodeFolder(root, "gpu-1").adopt(dub, clock.now())
        still_open.write(b"EVIL")
    assert blobs.open_blob(dub.digest).read_bytes() == b"the dub"


@pytest.mark.parametrize("content", [b"the cub", b"the du", b"the dub!", b""])
def test_what_is_not_what_was_announced_is_thrown_away(
    root: Path, clock: ManualClock, content: bytes
) -> None:
    dub = blob_of(b"the dub")
    came = send(root, content, dub.digest)
    assert not NodeFolder(root, "gpu-1").adopt(dub, clock.now())
    assert not came.exists()
    assert not blobs.have([dub.digest])


def test_half_a_file_does_not_count(root: Path, clock: ManualClock) -> None:
    dub = blob_of(b"the dub")
    part = send(root, b"the dub", f"{dub.digest}.part")
    assert not NodeFolder(root, "gpu-1").adopt(dub, clock.now())
    assert part.exists()


def test_a_link_that_the_account_laid_is_not_followed(root: Path, clock: ManualClock) -> None:
    secret = root.parent / "secret"
    secret.write_bytes(b"the dub")
    dub = blob_of(b"the dub")
    (root / "gpu-1" / "in" / dub.digest).symlink_to(secret)
    assert not NodeFolder(root, "gpu-1").adopt(dub, clock.now())
    assert not blobs.have([dub.digest])
    assert secret.exists()


def test_a_pipe_or_a_folder_holds_nobody_up(root: Path, clock: ManualClock) -> None:
    for number, make in enumerate((os.mkfifo, os.mkdir)):
        odd = blob_of(b"%d" % number)
        make(root / "gpu-1" / "in" / odd.digest)
        assert not NodeFolder(root, "gpu-1").adopt(odd, clock.now())


@pytest.mark.django_db(transaction=True)
def test_the_second_who_asks_waits_and_copies_nothing(root: Path, clock: ManualClock) -> None:
    """A node asks again when taking over a big file takes longer than it waits for an answer."""
    dub = blob_of(b"the dub")
    # Whoever read it now would throw it away.
    came = send(root, b"the cub", dub.digest)
    said: list[bool] = []

    def adopt() -> None:
        said.append(NodeFolder(root, "gpu-1").adopt(dub, clock.now()))
        connection.close()

    second = threading.Thread(target=adopt)
    with came.open("rb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        second.join(0.3)
        assert second.is_alive()
        blobs.store_stream([b"the dub"], clock.now())
    second.join(30)
    assert said == [True]


def test_when_a_job_has_ended_its_files_are_not_shown_any_more(
    root: Path, node: Node, clock: ManualClock
) -> None:
    submitted(clock)
    job = claimed(node, clock)
    digest = job.spec.inputs["lesson"].digest
    sftp_links.downloads(node.name, job.spec.inputs, job.downloads)
    sftp_links.sweep(0.0)
    assert shown(root) == {digest}
    jobs.complete(node, uuid_of(job), completion(job, clock), clock.now())
    sftp_links.sweep(0.0)
    assert shown(root) == set()


def test_what_broken_uploads_left_is_swept_after_a_day(root: Path) -> None:
    old, new = send(root, b"old", "a.part"), send(root, b"new", "b.part")
    os.utime(old, (0, 0))
    (root / "somebody else's").mkdir()
    assert sftp_links.sweep(new.stat().st_mtime) == 1
    assert new.exists() and not old.exists()


def test_a_node_without_a_folder_gets_its_files_over_https(root: Path) -> None:
    assert sftp_links.downloads("gpu-2", {"lesson": blob_of(b"x")}, SIGNED) == SIGNED


@pytest.mark.parametrize("name", ["", ".", "..", "../gpu-1", "a/b", "a\n", "-x"])
def test_no_other_folder_can_be_named(root: Path, name: str) -> None:
    with pytest.raises(ValueError):
        NodeFolder(root, name)


@pytest.mark.parametrize(
    "given",
    [
        {"TRANSFER": "ftp"},
        {"TRANSFER": "sftp"},
        {"TRANSFER": "sftp", "SFTP_URL": URL},
        {"SFTP_URL": "https://main.example"},
        {"SFTP_URL": "sftp://user:word@main.example"},
        {"SFTP_URL": "sftp://main.example/../x"},
    ],
)
def test_settings_that_cannot_work(given: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        load(TransferSettings, given)


def test_a_folder_on_another_disk_is_refused_at_start(root: Path, tmp_path: Path) -> None:
    settings = transfer_settings()
    check(settings, tmp_path)
    with pytest.raises(SettingError, match="SFTP_FOLDER"):
        check(settings, tmp_path / "nowhere")
    with pytest.raises(SettingError, match="same disk"):
        check(settings, Path("/proc"))
