"""The demo's journey, with files that are called anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.test import Client

from campus.courses.models import TITLE_LENGTH, Course
from campus.courses.states import CourseState
from campus.standalone.travel import Travel, listed
from tests.campus.people import People


@pytest.mark.parametrize(
    "name",
    [
        'it\'s "a" $HOME & <b>.mp4',
        "two\nlines.mp4",
        "x" * 250 + ".mp4",
        "\udcff not UTF-8.mp4",
        "\n.mp4",
    ],
)
def test_a_lesson_may_be_called_anything(
    name: str, people: People, video: Path, tmp_path: Path
) -> None:
    odd = Path(shutil.copyfile(video, tmp_path / name))
    course = Travel(odd, "en", "es")._hand_in()
    assert course.lessons.get().title in course.title
    assert 0 < len(course.title) <= TITLE_LENGTH
    Course.objects.update(state=CourseState.ON_SALE)
    assert listed(course.title, Client().get("/").content.decode())


def test_what_is_not_there_is_not_listed() -> None:
    assert not listed("Rhythm & time", "<h2>Rhythm &lt; time</h2>")
    assert listed("Rhythm & time", "<h2>Rhythm &amp; time</h2>")
