"""A video host that fails, or dies, when told to; the rest of it is the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from campus.publishing.embedded_host import EmbeddedHost
from campus.publishing.port import HostState, HostStatus, HostUnavailable, Upload

T = TypeVar("T")


class Killed(BaseException):
    """What SIGKILL is to a process: nothing catches it."""


class TroubledHost(EmbeddedHost):
    """`away`: refuses everything. `dies_after`: the next call of this name is the last."""

    def __init__(self, root: Path, processing_seconds: float = 0) -> None:
        self.time = 1000.0
        self.away = False
        self.dies_after = ""
        self.finds_wrong = ""
        self.uploads = 0
        super().__init__(root, processing_seconds, lambda: self.time)

    def upload(self, upload: Upload) -> str:
        self.uploads += 1
        return self._do("upload", lambda: super(TroubledHost, self).upload(upload))

    def status(self, host_id: str) -> HostStatus:
        if self.finds_wrong:
            return HostStatus(HostState.ERROR, sentence=self.finds_wrong)
        return self._do("status", lambda: super(TroubledHost, self).status(host_id))

    def remove(self, host_id: str) -> None:
        self._do("remove", lambda: super(TroubledHost, self).remove(host_id))

    def videos(self) -> set[str]:
        """What is on it."""
        return {path.name for path in self._root.glob("*/") if path != self._incoming}

    def junk(self) -> set[str]:
        """What is left half-done."""
        return {path.name for path in self._incoming.glob("*/")}

    def _do(self, what: str, act: Callable[[], T]) -> T:
        if self.away:
            raise HostUnavailable("The video host does not answer.")
        done = act()
        if self.dies_after == what:
            self.dies_after = ""
            raise Killed
        return done
