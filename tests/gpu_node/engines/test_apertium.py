"""Apertium's kept pipeline answers each question with its own answer, whatever it is asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import Utterance
from gpu_node.engines.mt import apertium
from gpu_node.engines.mt.apertium import Apertium, decode, encode, installed_pairs
from tests.gpu_node.making import stage_context

RESERVED = "[]{}^$/\\@<>"


@pytest.fixture(scope="module")
def engine() -> Iterator[Apertium]:
    made = Apertium("en", "es")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that waits for ever is found out after two attempts of ten seconds."""
    monkeypatch.setattr(apertium, "_TIMEOUT", 10.0)


def works(engine: Apertium) -> bool:
    """Answers are still in step with the questions."""
    return engine.sentence("The red house.") == "La casa roja."


def test_the_pair_is_installed() -> None:
    assert ("eng", "spa") in installed_pairs()


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("The house is red.", "La casa es roja."),
        ("The house is red", "La casa es roja"),
        ("the cat", "el gato"),
        ("The cat\nis\tblack.", "El gato es negro."),
        ("  The cat  is   black.  ", "El gato es negro."),
        ("The cat\0is black.", "El gato es negro."),
        ("The cat (black).", "El gato (negro)."),
        ("The red house?", "La casa roja?"),
        ("The cat is black…", "El gato es negro…"),
    ],
)
def test_translations(engine: Apertium, english: str, spanish: str) -> None:
    assert engine.sentence(english).casefold() == spanish.casefold()


@pytest.mark.parametrize("character", RESERVED)
def test_reserved_characters_come_back_as_they_were(engine: Apertium, character: str) -> None:
    for text in (character, character * 3, f"The cat {character} the house."):
        assert engine.sentence(text).count(character) == text.count(character)


def test_code_and_markup_survive(engine: Apertium) -> None:
    for text in ("x^2 + y^2 = z^2", "C:\\temp\\", "[[a]]", "{b}", "^c/d<n>$", "@e"):
        found = engine.sentence(text)
        assert [c for c in found if c in RESERVED] == [c for c in text if c in RESERVED]


@pytest.mark.parametrize("text", ["", " ", "\n", "\0", "\u2028"])
def test_nothing_is_nothing(engine: Apertium, text: str) -> None:
    assert engine.sentence(text) == ""


@pytest.mark.parametrize("text", ["😀", "Привет, мир", "中文。", "é", "…", "100%", "\ufeff"])
def test_what_it_does_not_know_stays(engine: Apertium, text: str) -> None:
    assert engine.sentence(text) == text


def test_a_very_long_text(engine: Apertium) -> None:
    text = "The red house is big. " * 230
    assert len(text) > 5000
    assert engine.sentence(text).count("La casa roja es grande.") == 230


def test_many_questions_get_their_answers_in_order(engine: Apertium) -> None:
    for number in range(100):
        assert engine.sentence(f"House {number}.").split()[-1] == f"{number}."


def test_threads_take_turns(engine: Apertium) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = engine.sentence(f"House {number}.")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: f"{n}." for n in range(20)} == {n: a.split()[-1] for n, a in answers.items()}


marks = st.sampled_from(RESERVED + "*#+~&|.!?…;\0\n\r\t\u200b\u2028")
characters = st.one_of(marks, st.characters())


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.one_of(characters, st.characters(categories=["Cs"])), max_size=60))
@example("[][\n]")
@example("][")
@example("a\\")
@example("^…")
@example("a ^ b …")
@example("\ud800")
def test_no_text_stops_it(engine: Apertium, text: str) -> None:
    engine.sentence(text)
    assert works(engine)


@given(st.text(st.one_of(st.sampled_from(RESERVED), st.characters(exclude_categories=["Cs"]))))
def test_the_code_loses_nothing(text: str) -> None:
    sent = encode(text)
    assert b"\0" not in sent
    letters = "".join(text.replace("\0", " ").split())
    returned = decode(sent, "A sentence.").replace(" ", "")
    assert returned in (letters, letters + ".")


# --- When the pipeline dies


def pipeline(engine: Apertium) -> list[psutil.Process]:
    child = engine._pipeline._process
    assert child is not None
    parent = psutil.Process(child.pid)
    return [parent, *parent.children(recursive=True)]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_killed_pipeline_is_started_again(part: int) -> None:
    engine = Apertium("en", "es")
    try:
        assert works(engine)
        before = pipeline(engine)
        if part == 0:
            for one in before:
                # Those after the first may have ended with it already.
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        else:
            before[part].kill()
        assert works(engine)
        assert pipeline(engine)[0].pid != before[0].pid
    finally:
        engine.close()
    # One killed alone takes its neighbours along: nobody reads, or nobody writes, any more.
    _, alive = psutil.wait_procs(before, timeout=10)
    assert alive == []


def test_closing_leaves_no_process() -> None:
    engine = Apertium("en", "es")
    assert works(engine)
    programs = pipeline(engine)
    engine.close()
    _, alive = psutil.wait_procs(programs, timeout=10)
    assert alive == []
    # It is not the end: the next question starts it again.
    assert works(engine)
    engine.close()


def test_a_pair_that_is_not_there_fails_line_by_line() -> None:
    engine = Apertium("en", "ja")
    with pytest.raises(ItemFailed) as caught:
        engine.sentence("The red house.")
    engine.close()
    assert caught.value.reason is Reason.TRANSLATION_FAILED


def test_stop_is_obeyed(engine: Apertium) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(DubfleetError) as caught:
        engine.sentence("The red house.", stop)
    assert caught.value.reason is Reason.CANCELLED
    assert works(engine)


# --- What a translation depends on


@dataclass(frozen=True)
class OwnData:
    """A copy of the pair's mode and of the data it names, and a program in front of the others."""

    mode: Path
    data: Path
    program: Path


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnData]:
    installed = apertium.mode_file("en", "es")
    theirs = apertium.data_folder() / "apertium-eng-spa"
    data = shutil.copytree(theirs, tmp_path / "data")
    mode = tmp_path / "modes" / installed.name
    mode.parent.mkdir()
    mode.write_text(installed.read_text().replace(str(theirs), str(data)))
    program = tmp_path / "bin" / "lrx-proc"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nexec /usr/bin/lrx-proc "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    apertium.version.cache_clear()
    yield OwnData(mode, data, program)
    apertium.version.cache_clear()


def fresh_version() -> str:
    """As another process would find it."""
    apertium.version.cache_clear()
    return apertium.version("en", "es")


def test_the_same_data_are_the_same_version(own_data: OwnData) -> None:
    before = fresh_version()
    for path in (own_data.mode, own_data.program, *own_data.data.iterdir()):
        os.utime(path, (0, 0))
    assert fresh_version() == before


@pytest.mark.parametrize("name", ["eng-spa.autobil.bin", "apertium-eng-spa.eng-spa.t1x"])
def test_other_data_are_another_version(own_data: OwnData, name: str) -> None:
    before = fresh_version()
    content = bytearray((own_data.data / name).read_bytes())
    content[-1] ^= 1
    (own_data.data / name).write_bytes(content)
    assert fresh_version() != before


def test_data_that_are_gone_are_another_version(own_data: OwnData) -> None:
    before = fresh_version()
    (own_data.data / "eng-spa.autolex.bin").unlink()
    assert fresh_version() != before


def test_another_mode_is_another_version(own_data: OwnData) -> None:
    before = fresh_version()
    own_data.mode.write_text(own_data.mode.read_text().replace(" -p ", " "))
    assert fresh_version() != before


def test_another_program_is_another_version(own_data: OwnData) -> None:
    before = fresh_version()
    with own_data.program.open("a") as program:
        program.write("# newer\n")
    assert fresh_version() != before


def test_the_other_directions_data_make_no_difference(own_data: OwnData) -> None:
    before = fresh_version()
    (own_data.data / "spa-eng.autobil.bin").write_bytes(b"other")
    assert fresh_version() == before


def test_the_data_are_read_once(own_data: OwnData) -> None:
    before = fresh_version()
    (own_data.data / "eng-spa.autobil.bin").write_bytes(b"other")
    assert apertium.version("en", "es") == before


@pytest.mark.parametrize("broken", ["", "lt-proc 'no end"])
def test_a_mode_that_cannot_be_read_is_explained(own_data: OwnData, broken: str) -> None:
    own_data.mode.unlink()
    if broken:
        own_data.mode.write_text(broken)
    with pytest.raises(DubfleetError, match="data for eng-spa cannot be read") as caught:
        fresh_version()
    assert caught.value.reason is Reason.ENGINE_FAILED


# --- As a stage


def utterance(text: str) -> Utterance:
    return Utterance(id="u0001", start=0.0, end=1.0, text=text)


def test_an_utterance_is_translated_to_show_and_to_say(engine: Apertium, tmp_path: Path) -> None:
    with stage_context(tmp_path) as ctx:
        found = engine.translate(ctx, utterance("[door] The red house."))
    assert found.id == "u0001"
    assert found.text == "[Puerta] La casa roja."
    assert found.spoken == "La casa roja."


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_utterance_without_words_is_an_item_that_failed(
    engine: Apertium, tmp_path: Path, text: str
) -> None:
    with stage_context(tmp_path) as ctx, pytest.raises(ItemFailed) as caught:
        engine.translate(ctx, utterance(text))
    assert caught.value.reason is Reason.TRANSLATION_FAILED
