"""The command's surface: options, exit codes, sentences. What it makes is tested in e2e."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gpu_node import __version__
from gpu_node.cli import Exit, dub, exit_code, shown
from gpu_node.contracts.errors import Reason


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(dub, arguments)
    return result.exit_code, result.output


def test_version() -> None:
    assert invoke("--version") == (0, f"dub, version {__version__}\n")


def test_help_documents_every_exit_code() -> None:
    code, text = invoke("--help")
    assert code == 0
    assert all(f" {int(code)} " in text for code in Exit)


@pytest.mark.parametrize("missing", ["--from", "--to", "-o"])
def test_a_missing_option_is_named(missing: str) -> None:
    given = {"--from": "en", "--to": "es", "-o": "x.mp4"}
    del given[missing]
    code, text = invoke("lesson.mp4", *(word for pair in given.items() for word in pair))
    assert code == Exit.USAGE
    assert missing in text


NO_LANGUAGES = (
    *("xx-nonsense-language", "", "englisch", "English (US)", "x-private", "../..", "e", "💃"),
    "a\nb\x1b[31m\u2028c",
)


@pytest.mark.parametrize("language", NO_LANGUAGES)
def test_an_unknown_language_is_one_sentence(language: str) -> None:
    code, text = invoke("lesson.mp4", "--from", language, "--to", "es", "-o", "x.mp4")
    assert code == Exit.USAGE
    assert text.startswith("dub: ")
    assert "is not a language code" in text
    assert len(text.splitlines()) == 1
    assert text.rstrip("\n").isprintable()


def test_every_reason_has_an_exit_code() -> None:
    codes = {reason: exit_code(reason) for reason in Reason}
    assert codes[Reason.INPUT_NO_AUDIO] is Exit.INPUT
    assert codes[Reason.DISK_FULL] is Exit.MACHINE
    assert codes[Reason.BUSY] is Exit.BUSY
    assert codes[Reason.PAIR_UNSUPPORTED] is Exit.USAGE
    assert codes[Reason.INTERNAL] is Exit.BUG
    assert Exit.DONE not in codes.values()


def test_a_name_that_is_not_utf8_can_be_shown() -> None:
    assert shown(Path(os.fsdecode(b"/caf\xe9.mp4"))) == "/caf?.mp4"


@pytest.mark.parametrize(
    ("asked", "quoted"),
    [
        ("deepl", "deepl"),
        ("a\nb", "a b"),
        ("a\r\tb\x1b[2J\x7f", "a  b [2J "),
        ("a\u2028b\u202ec\x85", "a b c "),
        ("дипл", "дипл"),
    ],
)
def test_an_unknown_engine_names_the_known_ones(tmp_path: Path, asked: str, quoted: str) -> None:
    lesson = tmp_path / "lesson.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=d=1:r=5:s=64x64"]
    command += ["-f", "lavfi", "-i", "sine=d=1", str(lesson)]
    subprocess.run(command, check=True)
    out = str(tmp_path / "out.mp4")
    code, text = invoke(str(lesson), "--from", "en", "--to", "es", "-o", out, "--mt", asked, "-q")
    assert code == Exit.USAGE
    known = "choose from apertium, provided"
    assert text == f'dub: There is no translator called "{quoted}": {known}.\n'


def test_importing_the_command_loads_no_engine() -> None:
    code = (
        "import sys, gpu_node.cli\n"
        "heavy = {'torch', 'pocketsphinx', 'whisperx', 'PIL', 'django'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
