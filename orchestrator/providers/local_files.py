"""A local server's folder: what is known of it, and the disk that survives its sleep."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from orchestrator.providers.local_state import ServerState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """One server below the local cloud's folder."""

    path: Path

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def token_file(self) -> Path:
        return self.path / "token"

    @property
    def disk(self) -> Path:
        return self.path / "disk"

    def read(self) -> ServerState:
        """What is known now. A server whose file is missing or damaged counts as asleep."""
        try:
            return self._parsed()
        except ValidationError:
            return self._mended()

    def change(self, step: Callable[[ServerState], ServerState]) -> ServerState:
        """Replace the state by what `step` makes of it, with nobody in between."""
        with self._locked():
            try:
                old = self._parsed()
            except ValidationError:
                old = ServerState()
            new = step(old)
            if new != old:
                self._write(new)
            return new

    def _parsed(self) -> ServerState:
        try:
            return ServerState.model_validate_json(self.state_file.read_bytes())
        except FileNotFoundError:
            return ServerState()

    def _mended(self) -> ServerState:
        """Replace the damaged file, unless somebody has done so meanwhile."""
        with self._locked():
            try:
                return self._parsed()
            except ValidationError:
                log.warning("%s was damaged: the server counts as asleep", self.state_file)
                self._write(ServerState())
                return ServerState()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        # The state file itself is replaced by each change, so the lock is on a file of its own.
        with (self.path / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self, state: ServerState) -> None:
        handle, name = tempfile.mkstemp(dir=self.path, prefix="state-", suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(state.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.state_file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
