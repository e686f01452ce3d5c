"""Settings: a wrong one stops the program in one sentence that names it, and shows no value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatterbox_service import settings
from chatterbox_service.settings import SettingError, Settings
from tests.chatterbox_service.served import environment

README = Path(settings.__file__).with_name("README.md")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TTS_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TTS_ENGINE", "festival"),
        ("TTS_PORT", "70000"),
        ("TTS_QUEUE", "many"),
        ("TTS_MOST_CHARACTERS", "5"),
        ("TTS_HALF", "perhaps"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        settings.load()
    assert str(caught.value).startswith(f"{name} is wrong: ")
    assert str(caught.value).endswith(".")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_PORT", "")
    assert settings.load().port == 8001


def test_words_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_REFERENCE_HOSTS", "media.test, private:localhost:9000,")
    assert settings.load().reference_hosts == ("media.test", "private:localhost:9000")


def test_a_host_that_others_reach_needs_a_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TTS_HOST", "0.0.0.0")  # noqa: S104  # that is what is refused
    with pytest.raises(SettingError, match="TTS_TOKEN_FILE has to be set"):
        settings.load()
    token = tmp_path / "token"
    token.write_text("long-enough-to-be-a-token")
    monkeypatch.setenv("TTS_TOKEN_FILE", str(token))
    found = settings.load().token()
    assert found is not None
    assert found.get_secret_value() == "long-enough-to-be-a-token"


@pytest.mark.parametrize("content", ["", "short", "пароль-который-длинный", None])
def test_a_token_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingError, match="TTS_TOKEN_FILE") as caught:
        Settings(token_file=file).token()
    assert not content or content not in str(caught.value)


def test_every_setting_is_in_the_readme() -> None:
    told = README.read_text(encoding="utf-8")
    missing = [name for name in Settings.model_fields if f"`TTS_{name.upper()}`" not in told]
    assert missing == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"engine": "festival"}, "TTS_ENGINE is wrong"),
        ({"reference_hosts": "10.0.0.1"}, "TTS_REFERENCE_HOSTS"),
        ({"lexicon_file": "/nowhere.json"}, "TTS_LEXICON_FILE"),
        ({"reference_folder": "/proc/nowhere"}, "folder for references"),
        ({"host": "192.0.2.1", "token_file": "/dev/null"}, "TTS_TOKEN_FILE"),
    ],
)
def test_the_program_ends_with_one_sentence(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatterbox_service"],
        env=environment(tmp_path, variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
