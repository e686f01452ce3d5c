"""The video host of the embedded profile: a folder, served by the site under /watch/.

Like a real one it takes a while over a video, and can find it broken. Each dub is a folder named by
a hash of its key, which appears by one rename; what a crash left half-copied is removed by the next
upload of the same key, and by `sweep`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from campus.publishing.port import HostState, HostStatus, HostUnavailable, Upload
from gpu_node.contracts.errors import DubfleetError
from gpu_node.media.probe import probe

VIDEO = "video.mp4"
_ABOUT = "about.json"
_ABANDONED_SECONDS = 86_400.0
_ID_LENGTH = 24
_ID = re.compile(f"[0-9a-f]{{{_ID_LENGTH}}}")


class About(BaseModel):
    """What the host knows of a video."""

    model_config = ConfigDict(frozen=True)

    title: str
    language: str
    subtitles: tuple[str, ...]
    taken_at: float
    error: str = ""


class EmbeddedHost:
    """Keeps dubs below `root`; `clock` gives Unix seconds, as this host has time of its own."""

    def __init__(
        self, root: Path, processing_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._processing_seconds = processing_seconds
        self._clock = clock

    def upload(self, upload: Upload) -> str:
        host_id = _id(upload.key)
        try:
            with self._alone(host_id):
                if not (self._root / host_id / _ABOUT).is_file():
                    self._take(upload, host_id)
        except OSError as error:
            raise HostUnavailable(f"The video host cannot store it: {error.strerror}.") from error
        return host_id

    def find(self, key: str) -> str | None:
        host_id = _id(key)
        return host_id if (self._root / host_id / _ABOUT).is_file() else None

    def status(self, host_id: str) -> HostStatus:
        about = self.about(host_id)
        if about is None:
            return HostStatus(HostState.ERROR, sentence="The video host does not have it any more.")
        if about.error:
            return HostStatus(HostState.ERROR, sentence=about.error)
        passed = self._clock() - about.taken_at
        if passed < self._processing_seconds:
            return HostStatus(HostState.PROCESSING, max(0.0, passed / self._processing_seconds))
        return HostStatus(HostState.DONE, 1.0)

    def play_url(self, host_id: str) -> str:
        return f"/watch/{host_id}/"

    def remove(self, host_id: str) -> None:
        if not _ID.fullmatch(host_id):
            return
        folder = self._folder(host_id)
        try:
            with self._alone(host_id):
                self._clear_incoming(host_id)
                # Gone by one rename: half a video must not pass for a whole one later.
                with contextlib.suppress(FileNotFoundError):
                    folder.rename(self._incoming / host_id)
                self._clear_incoming(host_id)
        except OSError as error:
            raise HostUnavailable(f"The video host cannot remove it: {error.strerror}.") from error

    def about(self, host_id: str) -> About | None:
        """What is known of a video; None when there is none."""
        try:
            said = (self._folder(host_id) / _ABOUT).read_text(encoding="utf-8")
            return About.model_validate_json(said)
        except (OSError, ValidationError):
            return None

    def file(self, host_id: str, name: str) -> Path:
        """One of a video's files. Raises FileNotFoundError."""
        path = self._folder(host_id) / name
        if name != Path(name).name or not path.is_file():
            raise FileNotFoundError(name)
        return path

    def sweep(self) -> int:
        """Remove what crashes left and nobody came back for; how many folders went."""
        removed = 0
        for folder in self._incoming.glob("*/"):
            with contextlib.suppress(OSError):
                if self._clock() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder)
                    removed += 1
        return removed

    def _take(self, upload: Upload, host_id: str) -> None:
        self._clear_incoming(host_id)
        folder = self._incoming / host_id
        folder.mkdir(parents=True)
        _copy(upload.video, folder / VIDEO)
        for language, path in upload.subtitles.items():
            _copy(path, folder / f"{language}.vtt")
        about = About(
            title=upload.title,
            language=upload.language,
            subtitles=tuple(upload.subtitles),
            taken_at=self._clock(),
            error=_fault(folder / VIDEO),
        )
        _write(folder / _ABOUT, json.dumps(about.model_dump()))
        _sync(folder)
        folder.rename(self._root / host_id)
        _sync(self._root)

    def _clear_incoming(self, host_id: str) -> None:
        shutil.rmtree(self._incoming / host_id, ignore_errors=True)

    def _folder(self, host_id: str) -> Path:
        return self._root / (host_id if _ID.fullmatch(host_id) else "no-such-video")

    @contextlib.contextmanager
    def _alone(self, host_id: str) -> Iterator[None]:
        """One process at a time per video; the lock is gone with the process."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        with (self._incoming / f"{host_id[:2]}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_ID_LENGTH]


def _fault(video: Path) -> str:
    """What the host's own look at the file finds wrong with it."""
    try:
        info = probe(video)
    except DubfleetError as error:
        return error.sentence
    return "" if info.video and info.audio else "The video has no picture or no sound."


def _copy(source: Path, target: Path) -> None:
    """The same file under another name where the disk allows it: dubs are large and stay as is."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        _sync(target)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
