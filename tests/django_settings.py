"""The main server's settings for tests: a key, folders of this run's own, and cheap passwords."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_VAR = Path(__file__).resolve().parent.parent / "var" / "tests"
_VAR.mkdir(parents=True, exist_ok=True)
_folder = tempfile.mkdtemp(prefix="site-", dir=_VAR)
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

os.environ["SECRET_KEY"] = "-".join(["for tests", "known to everybody", "and so no secret"])
os.environ["VAR_FOLDER"] = _folder
# WhiteNoise looks for it when it starts.
Path(_folder, "static").mkdir()

from campus.settings import *  # noqa: E402, F403  after the environment they are read from
from campus.settings import DATABASES, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file: threads cannot race on a database in memory.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/test.sqlite3"}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
