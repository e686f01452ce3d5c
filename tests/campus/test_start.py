"""Settings: a wrong one stops the start with one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from campus.databases import database
from campus.site_settings import SiteSettings, folder_for
from gpu_node.contracts.settings import SettingError, load

ROOT = Path(__file__).resolve().parents[2]
KEY = "k" * 40
FILE = Path("/data/campus.sqlite3")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is wrong: it needs 32 random characters or more."),
        ({"SITE_URL": "campus.example"}, "SITE_URL is wrong: write it like https://"),
        ({"SITE_URL": "https://a.example/path"}, "SITE_URL is wrong"),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE is wrong: write a time zone such as UTC"),
        ({"VOICEOVER_LANGUAGES": "en-es"}, "VOICEOVER_LANGUAGES is wrong: write pairs"),
        ({"VOICEOVER_LANGUAGES": "en:"}, "VOICEOVER_LANGUAGES is wrong"),
        ({"UPLOAD_MAX_BYTES": "lots"}, "UPLOAD_MAX_BYTES is wrong"),
        ({"EMAIL_PORT": "99999"}, "EMAIL_PORT is wrong"),
        ({"DEBUG": "perhaps"}, "DEBUG is wrong"),
    ],
)
def test_a_wrong_value_is_named(environ: dict[str, str], sentence: str) -> None:
    given = {"SECRET_KEY": KEY, **environ} if environ else {}
    with pytest.raises(SettingError, match=sentence):
        load(SiteSettings, given)


def test_a_secret_is_not_shown() -> None:
    site = load(SiteSettings, {"SECRET_KEY": KEY})
    assert KEY not in repr(site)
    with pytest.raises(SettingError) as refused:
        load(SiteSettings, {"SECRET_KEY": "my-little-secret"})
    assert "my-little-secret" not in str(refused.value)


@pytest.mark.parametrize("program", [["platform/manage.py", "check"], ["-c", "import campus.wsgi"]])
def test_the_start_is_refused_without_a_traceback(program: list[str]) -> None:
    outside = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=outside,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("campus: SECRET_KEY is not set")
    assert len(done.stderr.splitlines()) == 1


def test_sqlite_waits_for_its_turn() -> None:
    made = database("", FILE)
    assert made["NAME"] == str(FILE)
    assert made["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert made["OPTIONS"]["timeout"] == 20
    assert "journal_mode=WAL" in made["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:////var/lib/a.db", {"NAME": "/var/lib/a.db"}),
        (
            "postgresql://us%40er:p%3Ass@db.example:5433/campus?sslmode=require",
            {"NAME": "campus", "USER": "us@er", "PASSWORD": "p:ss", "HOST": "db.example"},
        ),
        ("postgres:///campus", {"NAME": "campus", "HOST": "", "PORT": ""}),
    ],
)
def test_a_database_url_is_read(url: str, wanted: dict[str, Any]) -> None:
    assert database(url, FILE).items() >= wanted.items()


def test_options_of_a_database_url_are_passed_on() -> None:
    made = database("postgresql://a@b:5433/c?sslmode=require", FILE)
    assert (made["PORT"], made["OPTIONS"]["sslmode"]) == ("5433", "require")


@pytest.mark.parametrize(
    "url", ["mysql://a:hush@b/c", "sqlite://", "postgresql://a:hush@b", "postgresql://a:x@b:y/c"]
)
def test_a_wrong_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match="DATABASE_URL is wrong") as refused:
        database(url, FILE)
    assert "hush" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    site = SiteSettings(secret_key=SecretStr(KEY), var_folder=str(tmp_path / "file"))
    with pytest.raises(SettingError, match="VAR_FOLDER cannot be written to"):
        folder_for(site, "uploads")


def test_folders_follow_from_one() -> None:
    site = SiteSettings(secret_key=SecretStr(KEY), var_folder="/data")
    assert (site.var, site.hosted) == (Path("/data"), Path("/data/host"))
    assert not site.https
