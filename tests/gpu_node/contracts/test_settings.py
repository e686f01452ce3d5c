"""Settings: a variable or a file; one sentence when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from gpu_node.contracts.settings import SettingError, Settings, Words, load


class Toy(Settings):
    token: SecretStr
    minutes: float = Field(default=15.0, ge=0)
    names: Words = ()


def test_values_and_defaults() -> None:
    toy = load(Toy, {"TOKEN": "secret", "NAMES": " a, b,,c ", "OTHER": "ignored", "MINUTES": ""})
    assert toy.token.get_secret_value() == "secret"
    assert (toy.minutes, toy.names) == (15.0, ("a", "b", "c"))


def test_a_file_holds_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert load(Toy, {"TOKEN_FILE": str(file)}).token.get_secret_value() == "from the file"


def wrong(tmp_path: Path) -> dict[str, tuple[dict[str, str], str]]:
    folder, latin = tmp_path / "folder", tmp_path / "latin"
    folder.mkdir()
    latin.write_bytes(b"\xff")
    return {
        "missing": ({}, "TOKEN is not set (nor TOKEN_FILE): the program cannot start without it."),
        "both": (
            {"TOKEN": "a", "TOKEN_FILE": "b"},
            "TOKEN and TOKEN_FILE are both set: keep one of them.",
        ),
        "no file": (
            {"TOKEN_FILE": str(tmp_path / "none")},
            "TOKEN_FILE names a file that cannot be read: No such file or directory.",
        ),
        "a folder": (
            {"TOKEN_FILE": str(folder)},
            "TOKEN_FILE names a file that cannot be read: Is a directory.",
        ),
        "not text": (
            {"TOKEN_FILE": str(latin)},
            "TOKEN_FILE names a file that cannot be read: it is not UTF-8.",
        ),
        "negative": (
            {"TOKEN": "a", "MINUTES": "-1"},
            "MINUTES is wrong: input should be greater than or equal to 0.",
        ),
        "endless": (
            {"TOKEN": "a", "MINUTES": "inf"},
            "MINUTES is wrong: input should be a finite number.",
        ),
    }


@pytest.mark.parametrize(
    "case", ["missing", "both", "no file", "a folder", "not text", "negative", "endless"]
)
def test_a_wrong_value_is_one_sentence(tmp_path: Path, case: str) -> None:
    environment, sentence = wrong(tmp_path)[case]
    with pytest.raises(SettingError) as refused:
        load(Toy, environment)
    assert str(refused.value) == sentence


def test_a_secret_is_never_repeated() -> None:
    with pytest.raises(SettingError) as refused:
        load(Toy, {"TOKEN": "hunter2", "MINUTES": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(load(Toy, {"TOKEN": "hunter2"}))
