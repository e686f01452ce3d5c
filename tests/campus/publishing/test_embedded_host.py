"""The embedded video host: a folder that behaves like a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from campus.publishing.embedded_host import VIDEO
from campus.publishing.port import HostState, Upload
from tests.campus.publishing.hosting import TroubledHost


@pytest.fixture
def host(settings: Settings) -> TroubledHost:
    return TroubledHost(Path(settings.HOST_FOLDER), processing_seconds=10)


def dub(video: Path, key: str = "a.1", **subtitles: Path) -> Upload:
    return Upload(key=key, title="One", language="es", video=video, subtitles=subtitles)


def test_it_takes_a_while_and_is_then_done(host: TroubledHost, video: Path) -> None:
    host_id = host.upload(dub(video))
    host.time += 4
    status = host.status(host_id)
    assert (status.state, status.progress) == (HostState.PROCESSING, 0.4)
    host.time += 6
    assert host.status(host_id).state is HostState.DONE
    assert host.file(host_id, VIDEO).read_bytes() == video.read_bytes()
    assert host.play_url(host_id) == f"/watch/{host_id}/"


def test_the_same_key_again_stores_nothing_new(host: TroubledHost, video: Path) -> None:
    host_id = host.upload(dub(video))
    host.time += 10
    assert host.upload(dub(video)) == host_id
    assert host.status(host_id).state is HostState.DONE
    assert host.videos() == {host_id}
    assert host.upload(dub(video, "a.2")) != host_id


def test_a_key_is_found_once_it_was_taken(host: TroubledHost, video: Path) -> None:
    assert host.find("a.1") is None
    assert host.upload(dub(video)) == host.find("a.1")


def test_subtitles_lie_beside_the_video(host: TroubledHost, video: Path, tmp_path: Path) -> None:
    (tmp_path / "x.vtt").write_text("WEBVTT\n")
    host_id = host.upload(dub(video, es=tmp_path / "x.vtt"))
    about = host.about(host_id)
    assert about is not None
    assert about.subtitles == ("es",)
    assert host.file(host_id, "es.vtt").read_text() == "WEBVTT\n"


def test_what_is_no_video_is_found_wrong(host: TroubledHost, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video")
    status = host.status(host.upload(dub(tmp_path / "x.mp4")))
    assert status.state is HostState.ERROR
    assert "not a video" in status.sentence or "damaged" in status.sentence


def test_what_was_removed_is_gone_and_may_come_again(host: TroubledHost, video: Path) -> None:
    host_id = host.upload(dub(video))
    host.remove(host_id)
    host.remove(host_id)
    assert host.status(host_id).state is HostState.ERROR
    assert host.videos() | host.junk() == set()
    assert host.upload(dub(video)) == host_id
    assert host.status(host_id).state is HostState.PROCESSING


@pytest.mark.parametrize("host_id", ["", "..", "incoming", "a" * 23, "Z" * 24, "../../etc"])
def test_no_other_folder_is_ever_touched(host: TroubledHost, video: Path, host_id: str) -> None:
    kept = host.upload(dub(video))
    assert host.about(host_id) is None
    host.remove(host_id)
    with pytest.raises(FileNotFoundError):
        host.file(host_id, VIDEO)
    with pytest.raises(FileNotFoundError):
        host.file(kept, f"../{kept}/{VIDEO}")
    assert host.videos() == {kept}


def test_what_a_crash_left_is_cleared(host: TroubledHost, video: Path) -> None:
    host_id = host.upload(dub(video))
    host.remove(host_id)
    left = host._incoming / host_id
    left.mkdir()
    (left / VIDEO).write_bytes(b"half")
    host.upload(dub(video))
    assert host.file(host_id, VIDEO).read_bytes() == video.read_bytes()
    assert host.junk() == set()


def test_what_nobody_comes_back_for_is_swept(host: TroubledHost) -> None:
    (host._incoming / ("a" * 24)).mkdir(parents=True)
    host.time = (host._incoming / ("a" * 24)).stat().st_mtime
    assert host.sweep() == 0
    host.time += 90_000
    assert host.sweep() == 1
    assert host.junk() == set()
