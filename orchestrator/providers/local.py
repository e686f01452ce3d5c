"""The local cloud: a "server" is a folder on this machine, and its system a worker process.

This is the side that Nova's API is on: it checks a request against the server's state, writes
down the task and returns. `local_host` carries it out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import (
    Fault,
    ServerState,
    action_facts,
    action_of,
    ask_shelve,
    ask_unshelve,
    facts,
)
from orchestrator.providers.port import (
    ActionFacts,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)

Ask = Callable[[ServerState, str, datetime], ServerState]


def wall_clock() -> datetime:
    """A cloud has a clock of its own: nothing of ours is compared with it."""
    return datetime.now(UTC)


class LocalProvider:
    """Servers named in the settings, each in a folder of its name."""

    def __init__(
        self, folder: Path, servers: Sequence[str], clock: Callable[[], datetime] = wall_clock
    ) -> None:
        self._folders = {name: ServerFolder(folder / name) for name in servers}
        self._clock = clock

    def list(self) -> Sequence[ServerFacts]:
        """Every server of the fleet."""
        with _disk_errors():
            return [facts(name, folder.read()) for name, folder in self._folders.items()]

    def get(self, server_id: str) -> ServerFacts:
        """One server."""
        with _disk_errors():
            return facts(server_id, self._folder(server_id).read())

    def unshelve(self, server_id: str) -> str:
        """Ask for the server to be woken."""
        return self._ask(server_id, ask_unshelve)

    def shelve(self, server_id: str) -> str:
        """Ask for the server to be put to sleep."""
        return self._ask(server_id, ask_shelve)

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        """What was asked of the server, newest first."""
        with _disk_errors():
            return action_facts(self._folder(server_id).read())

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        """How one request stands."""
        with _disk_errors():
            return action_of(self._folder(server_id).read(), request_id)

    def check(self) -> Sequence[Complaint]:
        """Nothing: a server of this cloud begins to exist when it is named."""
        return ()

    def inject(self, server_id: str, *faults: Fault) -> None:
        """Have these go wrong, each once, after those that are still to come."""
        with _disk_errors():
            self._folder(server_id).change(
                lambda state: state.model_copy(update={"faults": (*state.faults, *faults)})
            )

    def lock(self, server_id: str, locked: bool = True) -> None:
        """Lock the server against requests, or unlock it, as an administrator of the cloud may."""
        with _disk_errors():
            self._folder(server_id).change(
                lambda state: state.model_copy(update={"locked": locked})
            )

    def _ask(self, server_id: str, ask: Ask) -> str:
        request_id = f"req-{uuid.uuid4()}"
        now = self._clock()
        with _disk_errors():
            self._folder(server_id).change(lambda state: ask(state, request_id, now))
        return request_id

    def _folder(self, server_id: str) -> ServerFolder:
        try:
            return self._folders[server_id]
        except KeyError:
            raise CloudError(
                CloudErrorKind.GONE, f"The local cloud has no server {server_id}."
            ) from None


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloudError(
            CloudErrorKind.TRANSIENT,
            f"The local cloud's folder cannot be used: {error.strerror}.",
            str(error),
        ) from error
