"""A cloud whose servers follow the local provider's own rules, in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.providers import local_state
from orchestrator.providers.local_state import Fault, Order, ServerState, Timing, WorkerFacts
from orchestrator.providers.port import (
    ActionFacts,
    CloudError,
    CloudErrorKind,
    Complaint,
    ServerFacts,
)
from orchestrator.states import CloudStatus

TIMING = Timing(boot=timedelta(seconds=40), stop=timedelta(seconds=55))


@dataclass(slots=True)
class Server:
    state: ServerState = field(default_factory=ServerState)
    billed: float = 0.0
    """Seconds from the request to wake it until it was offloaded, as its owner would be charged."""
    should_run: bool = False


class SimulatedCloud:
    """A Provider. `lost_answers`: so many requests take effect although their answer is lost."""

    def __init__(self, names: Sequence[str], now: Callable[[], datetime]) -> None:
        self.servers = {name: Server() for name in names}
        self.on_shelve: Callable[[str], None] = lambda _: None
        self.lost_answers = 0
        self.away = False
        self._now = now
        self._ids = itertools.count(1)

    def list(self) -> Sequence[ServerFacts]:
        self._reachable()
        return [local_state.facts(name, one.state) for name, one in self.servers.items()]

    def get(self, server_id: str) -> ServerFacts:
        self._reachable()
        if server_id not in self.servers:
            raise CloudError(CloudErrorKind.GONE, f"There is no server {server_id}.")
        return local_state.facts(server_id, self.servers[server_id].state)

    def unshelve(self, server_id: str) -> str:
        return self._ask(server_id, local_state.ask_unshelve)

    def shelve(self, server_id: str) -> str:
        self.on_shelve(server_id)
        return self._ask(server_id, local_state.ask_shelve)

    def actions(self, server_id: str) -> Sequence[ActionFacts]:
        self._reachable()
        return local_state.action_facts(self.servers[server_id].state)

    def action(self, server_id: str, request_id: str) -> ActionFacts:
        self._reachable()
        return local_state.action_of(self.servers[server_id].state, request_id)

    def check(self) -> Sequence[Complaint]:
        return ()

    def fail(self, server_id: str, fault: Fault) -> None:
        """Have something go wrong with this server, once."""
        server = self.servers[server_id]
        server.state = server.state.model_copy(update={"faults": (*server.state.faults, fault)})

    def advance(self, server_id: str, worker: WorkerFacts) -> Order:
        """One step of the host this server runs on."""
        server = self.servers[server_id]
        server.state, order = local_state.advance(server.state, worker, TIMING, self._now())
        return order

    def bill(self, seconds: float) -> None:
        """Let so much time have passed."""
        for server in self.servers.values():
            offloaded = server.state.status is CloudStatus.SHELVED_OFFLOADED
            if not offloaded or server.state.task_state is not None:
                server.billed += seconds

    def _ask(
        self,
        server_id: str,
        ask: Callable[[ServerState, str, datetime], ServerState],
    ) -> str:
        self._reachable()
        server = self.servers[server_id]
        request_id = f"req-{next(self._ids)}"
        server.state = ask(server.state, request_id, self._now())
        if self.lost_answers:
            self.lost_answers -= 1
            raise CloudError(CloudErrorKind.TRANSIENT, "The answer was lost.")
        return request_id

    def _reachable(self) -> None:
        if self.away:
            raise CloudError(CloudErrorKind.TRANSIENT, "The cloud does not answer.")
