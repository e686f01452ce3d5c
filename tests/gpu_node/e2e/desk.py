"""Somebody at a desk: folders of their own, and the real command run in them as a process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

import psutil

TIMEOUT = 60.0
_MARK = "DUB_TEST_DESK"
_GONE_SECONDS = 3.0
_LOOK_SECONDS = 0.01

Argument = str | Path
Listing = Mapping[str, str]


class How(TypedDict, total=False):
    """What the command is told besides its files."""

    source: str
    target: str
    output: Argument


@dataclass(frozen=True)
class Outcome:
    """How the command ended and what it said."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Desk:
    """Everything the command may touch lies under `root`, so a listing shows what it left."""

    root: Path
    prefix: tuple[str, ...] = ()
    """Words before the command: a program that runs it somewhere special."""
    environment: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for folder in (self.lessons, self.out, self.temporary, self.home):
            folder.mkdir(parents=True)
        # As on any machine where the command has run before.
        (self.cache / "dubfleet").mkdir(parents=True, mode=0o700)
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.cache),
            "TMPDIR": str(self.temporary),
            "HOME": str(self.home),
            _MARK: self.mark,
        }

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def output(self) -> Path:
        return self.out / "dub.mp4"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def put(self, name: str, content: str | bytes) -> Path:
        """A file of the user's own."""
        path = self.lessons / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def take(self, film: Path, name: str | None = None) -> Path:
        """A copy of a film that others need too."""
        return Path(shutil.copyfile(film, self.lessons / (name or film.name)))

    def start(
        self, lesson: Argument, *options: Argument, **how: Unpack[How]
    ) -> subprocess.Popen[bytes]:
        """The command, running."""
        return subprocess.Popen(
            [
                *(*self.prefix, sys.executable, "-m", "gpu_node", "-q"),
                *("--from", how.get("source", "en"), "--to", how.get("target", "es")),
                *("-o", how.get("output", self.output), *options, "--", lesson),
            ],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def dub(self, lesson: Argument, *options: Argument, **how: Unpack[How]) -> Outcome:
        """Run the command to its end."""
        return outcome_of(self.start(lesson, *options, **how))

    def done(self, lesson: Argument, *options: Argument, **how: Unpack[How]) -> Outcome:
        """Run the command, which has to succeed in silence and leave no work behind."""
        outcome = self.dub(lesson, *options, **how)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert listing(self.cache / "dubfleet") == {}
        assert listing(self.temporary) == {}
        return outcome

    def refused(
        self, lesson: Argument, *options: Argument, code: int | None, says: str, **how: Unpack[How]
    ) -> None:
        """Run the command, which has to refuse in one sentence and leave nothing behind."""
        before = self.listing()
        require_refusal(self.dub(lesson, *options, **how), code=code, says=says)
        assert self.listing() == before
        assert self.survivors() == []

    def listing(self) -> Listing:
        return listing(self.root)

    def wait_for(self, wanted: Callable[[], object], running: subprocess.Popen[bytes]) -> None:
        """Return as soon as `wanted` is true, which it has to be before the command ends."""
        deadline = time.monotonic() + TIMEOUT
        while not wanted():
            assert running.poll() is None, outcome_of(running)
            assert time.monotonic() < deadline, "what was waited for did not come"
            time.sleep(_LOOK_SECONDS)

    def survivors(self) -> list[str]:
        """Programs of this desk that still run, given a moment to be gone."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (alive := self.programs()) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return alive

    def programs(self) -> list[str]:
        """The command lines of whatever runs here."""
        found = []
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return found

    def clear(self) -> None:
        """End what a failed test has left running."""
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _processes(self) -> Iterator[psutil.Process]:
        """Whatever was started here, orphans too: all inherit the mark."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_MARK) == self.mark:
                    yield process


def outcome_of(running: subprocess.Popen[bytes], timeout: float = TIMEOUT) -> Outcome:
    """Wait for the command. One that hangs is killed, and the test fails."""
    try:
        said, complained = running.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    return Outcome(
        running.returncode, said.decode("utf-8", "replace"), complained.decode("utf-8", "replace")
    )


def require_refusal(outcome: Outcome, *, code: int | None, says: str) -> None:
    """One sentence for people in which the pattern `says` is found, that code, and nothing else.

    A code of None is any but 0.
    """
    assert outcome.code == (code or outcome.code or None), outcome
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1, outcome.stderr
    assert re.fullmatch(r"dub: \S.*[.!?]", lines[0]), lines[0]
    assert re.search(says, lines[0]), lines[0]
    assert outcome.stdout == ""


def listing(folder: Path) -> Listing:
    """Every name under a folder, and what each file holds."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found
