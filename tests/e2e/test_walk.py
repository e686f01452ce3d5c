"""Partner → admin → button → review → approve → catalogue, by hand, in a browser.

Pictures of the pages are kept in var/screenshots; those in docs/images come from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import Browser, browser, chromium
from tests.e2e.system import System

SHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(chromium() is None, reason="Chromium is a snap here, and not installed"),
]

TOO_LONG = (
    "Esta traducción es tan larga que nadie la puede decir en el tiempo que tarda la oración "
    "original, ni siquiera hablando mucho más deprisa de lo que nadie querría escuchar."
)


@pytest.fixture(scope="module")
def page(running: System) -> Iterator[Browser]:
    with browser(running.site.layout.url, SHOTS) as opened:
        yield opened


@pytest.fixture(scope="module")
def subtitles(lesson: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The truth about the lesson as English subtitles, and a translation with one bad line."""
    folder = tmp_path_factory.mktemp("subtitles")
    lines = json.loads((lesson.parent / "lesson.json").read_text())["lines"]
    english, spanish = [], []
    for number, line in enumerate(lines, start=1):
        times = f"{stamp(line['start'])} --> {stamp(line['end'])}"
        english.append(f"{number}\n{times}\n{line['text']}\n")
        text = TOO_LONG if number == 1 else f"Esta es la línea {number}."
        spanish.append(f"{number}\n{times}\n{text}\n")
    source, target = folder / "lesson.en.srt", folder / "lesson.es.srt"
    source.write_text("\n".join(english), encoding="utf-8")
    target.write_text("\n".join(spanish), encoding="utf-8")
    return source, target


def stamp(seconds: float) -> str:
    whole, milli = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{milli:03}"


def test_from_the_upload_to_the_sale(
    running: System, page: Browser, lesson: Path, subtitles: tuple[Path, Path]
) -> None:
    logins = {login.role: login for login in running.site.logins}

    def become(role: str) -> None:
        page.log_in(logins[role].username, logins[role].password)

    become("partner")
    hand_in(page, lesson, subtitles)
    become("admin")
    accept(page)
    generate(page)
    become("reviewer")
    review(page)
    become("admin")
    page.open("/ops/")
    page.read("gpu-1")
    page.shoot("fleet")
    page.driver.delete_all_cookies()
    buy(page)
    assert page.complaints() == []


def hand_in(page: Browser, lesson: Path, subtitles: tuple[Path, Path]) -> None:
    page.open("/courses/")
    page.press("New course")
    page.fill("Title", "Reading Jane Austen")
    page.fill("Description", "Sense and Sensibility, read aloud and looked at closely.")
    page.fill("Price", "49")
    page.press("Create")
    page.press("Add a lesson")
    page.fill("Title", "The passage")
    page.fill("Video", str(lesson))
    page.press("Upload")
    page.read("lesson.mp4", 60)
    for language, file in zip(("English", "Spanish"), subtitles, strict=True):
        page.press("Add subtitles")
        page.fill("Language", language)
        page.fill("Subtitles", str(file))
        page.press("Add")
        page.read(f"{language} subtitles")
    page.shoot("partner")
    page.press("Submit for review")
    page.read("Somebody is looking at your course")


def accept(page: Browser) -> None:
    page.open("/notices/")
    page.read("New course to review: Reading Jane Austen")
    page.open("/admin/courses/course/")
    page.press("Reading Jane Austen")
    page.read("Accept")
    page.press("Accept")
    page.read("The partner is told")
    page.press("Accept")
    page.read("is now “Accepted”")


def generate(page: Browser) -> None:
    page.open("/admin/courses/lesson/")
    page.press("The passage")
    page.read("Generate voiceover")
    page.press("Generate voiceover")
    page.read("Waking a GPU node, about")
    page.shoot("generate")
    page.press("Generate voiceover")
    page.read("Spanish: asked for.")
    page.read("In production", 60)
    page.shoot("progress")
    page.read("Waiting for review", 90)


def review(page: Browser) -> None:
    page.open("/review/")
    page.read("1 line to decide")
    page.press("The passage")
    page.read("1 line could not be spoken.")
    playing = "return document.querySelector('[data-dub]').currentTime"
    page.press("Play")
    page.wait_for(lambda: page.driver.execute_script(playing) > 0.3, what="the dub plays")
    both = (
        "const o = document.querySelector('[data-original]').currentTime;"
        "const d = document.querySelector('[data-dub]').currentTime;"
        "return Math.abs(o - d)"
    )
    page.wait_for(lambda: page.driver.execute_script(both) < 0.3, what="both on one clock")
    page.shoot("review")
    approve = page.driver.find_element("xpath", "//button[normalize-space(.)='Approve']")
    assert not approve.is_enabled()
    page.press("Keep original")
    page.read("Original kept")
    page.press("Approve")
    page.read("Approved")


def buy(page: Browser) -> None:
    def on_sale() -> bool:
        page.open("/")
        return "Reading Jane Austen" in page.text()

    page.wait_for(on_sale, 60, "the course on sale")
    page.shoot("catalogue")
    page.press("Reading Jane Austen")
    page.read("49")
    page.shoot("course")
