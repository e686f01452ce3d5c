"""What is asked of a video host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class HostState(StrEnum):
    PROCESSING = "processing"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """`progress` from 0 to 1; `sentence` says what went wrong."""

    state: HostState
    progress: float = 0.0
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A dub to be published. `key` names it for good; `subtitles` are WebVTT files by language."""

    key: str
    title: str
    language: str
    video: Path
    subtitles: Mapping[str, Path] = field(default_factory=dict)


class HostUnavailable(Exception):
    """The host did not take it, for a reason that may pass. Its text is a sentence for people."""


class VideoHost(Protocol):
    """Where approved dubs are shown to the world. Ids are the host's own."""

    def upload(self, upload: Upload) -> str:
        """Hand a dub over; its id. The same key again gives the same id and stores nothing new.

        Raises HostUnavailable.
        """
        ...

    def find(self, key: str) -> str | None:
        """The id under which a key was taken, if it was. Raises HostUnavailable."""
        ...

    def status(self, host_id: str) -> HostStatus:
        """How far the host is with it. Raises HostUnavailable."""
        ...

    def play_url(self, host_id: str) -> str:
        """Where people watch it: a path on this site, or an address."""
        ...

    def remove(self, host_id: str) -> None:
        """Take it down; fine when it is not there. Raises HostUnavailable."""
        ...
