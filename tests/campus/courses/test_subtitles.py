"""Subtitles that partners give with a lesson."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campus.courses.models import Lesson, LessonSubtitles
from orchestrator.blobs import open_blob
from tests.campus.conftest import Browser
from tests.campus.making import SRT, course, lesson
from tests.campus.people import People

VTT = b"WEBVTT\n\n00:00.100 --> 00:00.900\nHola.\n"


@pytest.fixture
def there(people: People, video: Path) -> Lesson:
    return lesson(course(people.partner), video)


@pytest.fixture
def client(people: People, browser: Browser) -> Client:
    return browser(people.partner)


def give(client: Client, to: Lesson, data: bytes, language: str = "en", name: str = "a.srt") -> str:
    form = {"language": language, "file": SimpleUploadedFile(name, data)}
    page = f"/courses/lessons/{to.pk}/subtitles/"
    return client.post(page, form, follow=True).content.decode()


def test_both_formats_are_taken_whatever_they_are_called(client: Client, there: Lesson) -> None:
    give(client, there, SRT, "en", "lines.txt")
    give(client, there, VTT, "es", "lines.srt")
    rows = {row.language: row for row in LessonSubtitles.objects.all()}
    assert (rows["en"].suffix, rows["es"].suffix) == (".srt", ".vtt")
    assert open_blob(rows["en"].file_id).read_bytes() == SRT
    assert rows["es"].cues == 1


def test_a_new_file_takes_the_old_ones_place(client: Client, there: Lesson) -> None:
    give(client, there, SRT)
    give(client, there, SRT.replace(b"Hello", b"Goodbye"))
    assert b"Goodbye" in open_blob(LessonSubtitles.objects.get().file_id).read_bytes()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "There are no subtitles in the file"),
        (b"just text", "has no timing line"),
        (b"\xff\xfe\xff", "UTF-8"),
        ("1\n00:00:00,1 --> 00:00:01,0\nпривет\n".encode("cp1251"), "is not text in UTF-8"),
        (b"1\n00:00:01,000 --> 00:00:00,500\nHello.\n", "does not end after it starts"),
        (b"1\n00:05:00,000 --> 00:05:01,000\nLate.\n", "the lesson ends at 0:02"),
        (b"\x00" * 100, "is not plain text"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    client: Client, there: Lesson, data: bytes, sentence: str
) -> None:
    assert sentence in give(client, there, data)
    assert not LessonSubtitles.objects.exists()


def test_a_language_nobody_offers_is_refused(client: Client, there: Lesson) -> None:
    assert "Select a valid choice." in give(client, there, SRT, "tlh")


def test_they_are_removed(client: Client, there: Lesson) -> None:
    give(client, there, SRT)
    client.post(f"/courses/lessons/{there.pk}/subtitles/en/remove/")
    assert not LessonSubtitles.objects.exists()
    again = client.post(f"/courses/lessons/{there.pk}/subtitles/en/remove/")
    assert again.status_code == 404


def test_they_are_listed_with_the_lesson(client: Client, there: Lesson) -> None:
    give(client, there, VTT, "es")
    assert b"Spanish subtitles" in client.get(f"/courses/{there.course_id}/").content
