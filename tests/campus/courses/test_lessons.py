"""Lessons: uploaded, looked at, ordered, deleted."""

from __future__ import annotations

import errno
import gc
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client
from pytest_django import Settings

from campus.courses import arrivals, uploads
from campus.courses.models import Course, Lesson
from orchestrator.models import StoredBlob
from tests.campus.conftest import Browser
from tests.campus.films import SECONDS, film
from tests.campus.making import SRT, course, lesson
from tests.campus.people import People


@pytest.fixture
def draft(people: People) -> Course:
    return course(people.partner)


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.partner)


def send(client: Client, draft: Course, data: bytes, name: str = "one.mp4", **more: str) -> str:
    """Upload as a browser without scripts does; what the page then says."""
    form = {"title": "One", "video": SimpleUploadedFile(name, data), **more}
    page = f"/courses/{draft.pk}/lessons/new/"
    return client.post(page, form, follow=True).content.decode()


def kept() -> tuple[int, int]:
    return Lesson.objects.count(), StoredBlob.objects.count()


def test_a_video_becomes_a_lesson(client: Client, draft: Course, video: Path) -> None:
    said = send(client, draft, video.read_bytes(), "../Über \x07one.MP4")
    made = Lesson.objects.get()
    assert "“One” was added." in said
    assert made.duration == pytest.approx(SECONDS, abs=0.2)
    assert made.video.size == video.stat().st_size
    assert (made.position, made.video_suffix, made.file_name) == (1, ".mp4", "Über one.MP4")
    assert made.media["video"]["codec"] == "h264"


def test_the_pages_script_is_answered_in_its_own_way(
    client: Client, draft: Course, video: Path
) -> None:
    page = f"/courses/{draft.pk}/lessons/new/"
    asks = {"accept": "application/json"}
    form = {"title": "One", "video": SimpleUploadedFile("a.mp4", video.read_bytes())}
    done = client.post(page, form, headers=asks)
    assert done.json() == {"location": f"/courses/{draft.pk}/"}
    wrong = client.post(page, {"title": ""}, headers=asks)
    assert (wrong.status_code, wrong.json()) == (
        422,
        {"sentence": "Title: This field is required."},
    )


def test_what_is_not_a_lesson_is_refused_and_not_kept(
    client: Client, draft: Course, video: Path, tmp_path: Path
) -> None:
    whole = video.read_bytes()
    silent = film(tmp_path, "silent.mp4", sound=False).read_bytes()
    blind = film(tmp_path, "blind.mp4", picture=False).read_bytes()
    sentences = {
        "not a video that can be read": b"#!/bin/sh\necho hello\n" * 50,
        "is empty (0 bytes)": b"",
        "no sound, so there is nothing to translate": silent,
        "has sound but no picture": blind,
        "damaged or cut off": whole[: len(whole) // 2],
    }
    for sentence, data in sentences.items():
        said = send(client, draft, data)
        assert sentence in said, (
            sentence,
            [x for x in said.splitlines() if "message" in x or "wrong" in x],
        )
    assert kept() == (0, 0)


def lasting(folder: Path, seconds: float) -> bytes:
    """A video of two seconds whose header says that it lasts for so long."""
    data = film(folder, "long.mkv").read_bytes()
    # Matroska's Duration: its name, its size, and a float in milliseconds.
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", seconds * 1000) + data[at + 8 :]


@pytest.mark.parametrize("seconds", [9e12, 24 * 3600 + 1.0])
def test_what_claims_to_last_longer_than_a_day_is_refused(
    client: Client, draft: Course, tmp_path: Path, seconds: float
) -> None:
    assert "longer than 24 hours" in send(client, draft, lasting(tmp_path, seconds), "one.mkv")
    assert kept() == (0, 0)


def test_what_lasts_for_a_day_is_taken(client: Client, draft: Course, tmp_path: Path) -> None:
    send(client, draft, lasting(tmp_path, 24 * 3600.0), "one.mkv")
    assert Lesson.objects.get().duration == 24 * 3600


def test_an_upload_that_broke_off_is_refused(client: Client, draft: Course, video: Path) -> None:
    said = send(client, draft, video.read_bytes(), whole_size="999999999")
    assert "Only a part of the file arrived." in said
    assert kept() == (0, 0)


def test_a_file_that_is_too_big_is_refused(
    client: Client, draft: Course, video: Path, settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    assert "too big: up to 1 kB are taken" in send(client, draft, video.read_bytes())
    assert kept() == (0, 0)


def test_a_body_that_is_too_big_is_not_even_read(
    client: Client, draft: Course, settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    page = f"/courses/{draft.pk}/lessons/new/"
    response = client.post(page, {"title": "x" * 2_000_000})
    assert response.status_code == 413
    assert b"too big" in response.content


def test_a_full_disk_is_no_fault_of_the_partner(
    client: Client, draft: Course, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("campus.courses.uploads.blobs.store_stream", full)
    assert uploads.NO_ROOM in send(client, draft, video.read_bytes())
    assert kept() == (0, 0)


@pytest.mark.parametrize(
    ("title", "sentence"),
    [
        ("", "This field is required."),
        ("x" * 201, "at most 200 characters"),
        ("a\x00b", "Null characters are not allowed."),
        ("a\u2066b", "Leave out control characters"),
    ],
)
def test_a_wrong_title_is_named(
    client: Client, draft: Course, video: Path, title: str, sentence: str
) -> None:
    assert sentence in send(client, draft, video.read_bytes(), title=title)
    assert kept() == (0, 0)


def test_without_a_file_the_form_says_so(client: Client, draft: Course) -> None:
    said = client.post(f"/courses/{draft.pk}/lessons/new/", {"title": "One"})
    assert b"Choose the lesson&#x27;s video." in said.content


def test_a_long_file_name_is_shortened(client: Client, draft: Course, video: Path) -> None:
    send(client, draft, video.read_bytes(), "x" * 400 + ".mp4")
    assert len(Lesson.objects.get().file_name) <= 255


def test_a_forged_request_is_refused(people: People, draft: Course, video: Path) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.partner)
    form = {"title": "One", "video": SimpleUploadedFile("a.mp4", video.read_bytes())}
    assert strict.post(f"/courses/{draft.pk}/lessons/new/", form).status_code == 403
    assert kept() == (0, 0)


def test_a_title_changes_without_another_upload(client: Client, draft: Course, video: Path) -> None:
    one = lesson(draft, video)
    client.post(f"/courses/lessons/{one.pk}/", {"title": "Better"})
    changed = Lesson.objects.get()
    assert (changed.title, changed.video_id) == ("Better", one.video_id)


def test_a_video_is_replaced(client: Client, draft: Course, video: Path, tmp_path: Path) -> None:
    one = lesson(draft, video)
    other = SimpleUploadedFile("b.mp4", film(tmp_path).read_bytes() + b"\0" * 8)
    client.post(f"/courses/lessons/{one.pk}/", {"title": "One", "video": other})
    assert Lesson.objects.get().file_name == "b.mp4"


def test_lessons_are_put_in_order(client: Client, draft: Course, video: Path) -> None:
    a, b, c = (lesson(draft, video, title) for title in "abc")
    client.post(f"/courses/lessons/{c.pk}/up/")
    client.post(f"/courses/lessons/{a.pk}/down/")
    client.post(f"/courses/lessons/{c.pk}/up/")
    client.post(f"/courses/lessons/{c.pk}/up/")
    assert [one.title for one in draft.lessons.all()] == ["c", "a", "b"]
    client.post(f"/courses/lessons/{b.pk}/down/")
    assert [one.position for one in draft.lessons.all()] == [1, 2, 3]


def test_a_lesson_is_deleted_after_a_question(client: Client, draft: Course, video: Path) -> None:
    one = lesson(draft, video)
    page = f"/courses/lessons/{one.pk}/delete/"
    assert b"This cannot be undone." in client.get(page).content
    client.post(page)
    assert not Lesson.objects.exists()


def test_a_partner_watches_their_own_lesson(client: Client, draft: Course, video: Path) -> None:
    one = lesson(draft, video)
    page = f"/review/lessons/{one.pk}/video"
    whole = client.get(page)
    assert whole.getvalue() == video.read_bytes()
    assert whole["Content-Type"] == "video/mp4"
    part = client.get(page, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.getvalue()) == (206, video.read_bytes()[10:20])


@pytest.mark.parametrize("title", ["\u200b", "\u00ad\u200d", "\ufb2c" * 150])
def test_a_title_nobody_can_see_or_that_grows_is_refused(
    client: Client, draft: Course, video: Path, title: str
) -> None:
    said = send(client, draft, video.read_bytes(), title=title)
    assert "can be seen" in said or "at most 200 characters" in said
    assert kept() == (0, 0)


@pytest.fixture
def goes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Course | Lesson], None]:
    """Have something deleted in another window while its upload is looked at."""

    def arrange(what: Course | Lesson) -> None:
        for name in ("look_at_video", "look_at_subtitles"):
            look = getattr(arrivals, name)

            def looked(*args: object, look: Callable[..., object] = look) -> object:
                type(what).objects.filter(pk=what.pk).delete()
                return look(*args)

            monkeypatch.setattr(arrivals, name, looked)

    return arrange


def test_a_course_deleted_while_its_lesson_arrives_says_so(
    client: Client,
    draft: Course,
    video: Path,
    goes_meanwhile: Callable[[Course | Lesson], None],
) -> None:
    goes_meanwhile(draft)
    assert "This course was deleted meanwhile." in send(client, draft, video.read_bytes())


def test_a_lesson_deleted_while_something_for_it_arrives_says_so(
    client: Client,
    draft: Course,
    video: Path,
    goes_meanwhile: Callable[[Course | Lesson], None],
) -> None:
    one, two = lesson(draft, video), lesson(draft, video)
    goes_meanwhile(one)
    form = {"title": "One", "video": SimpleUploadedFile("a.mp4", video.read_bytes())}
    said = client.post(f"/courses/lessons/{one.pk}/", form)
    assert (said.status_code, b"deleted meanwhile" in said.content) == (422, True)
    goes_meanwhile(two)
    lines = {"language": "en", "file": SimpleUploadedFile("a.srt", SRT)}
    said = client.post(f"/courses/lessons/{two.pk}/subtitles/", lines)
    assert (said.status_code, b"deleted meanwhile" in said.content) == (422, True)


@pytest.fixture
def arriving(settings: Settings, tmp_path: Path) -> Path:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    return tmp_path


def test_a_disk_that_fills_up_on_the_way_is_not_left_full(
    client: Client, draft: Course, video: Path, arriving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TemporaryFileUploadHandler.receive_data_chunk

    def full(self: TemporaryFileUploadHandler, data: bytes, start: int) -> None:
        real(self, data, start)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    assert uploads.NO_ROOM in send(client, draft, video.read_bytes())
    assert not list(arriving.glob("*.upload*"))


def test_half_an_upload_leaves_nothing(client: Client, draft: Course, arriving: Path) -> None:
    head = '--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    page = f"/courses/{draft.pk}/lessons/new/"
    form = "multipart/form-data; boundary=x"
    gc.disable()
    try:
        said = client.post(page, head.encode() + b"x" * 9999, content_type=form)
        assert (said.status_code, list(arriving.glob("*.upload*"))) == (422, [])
    finally:
        gc.enable()


def test_what_a_killed_server_was_receiving_goes_in_time(arriving: Path) -> None:
    old, new, folder = arriving / "old.upload", arriving / "new.upload", arriving / "looked-at"
    for file in (old, new, folder / "lesson"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    for left in (old, folder):
        os.utime(left, (0, 0))
    assert uploads.sweep() == 2
    assert sorted(arriving.glob("*")) == [new]
