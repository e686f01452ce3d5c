"""One look at the fleet, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpu_node.contracts.watch import Instant, read_memory, write_memory
from orchestrator.deadman.cloud import Cloud, CloudAway
from orchestrator.deadman.facts import RedisFacts, ServerFacts
from orchestrator.deadman.memory import Asked, Memory
from orchestrator.deadman.verdict import Decision, Outcome, Rules, Verdict, look

log = logging.getLogger(__name__)

ReadPulses = Callable[[Iterable[str]], RedisFacts | None]


@dataclass(frozen=True, slots=True)
class Switch:
    """What a look is taken with. `dry`: nothing is asked of the cloud that changes anything."""

    cloud: Cloud
    pulses: ReadPulses
    state: Path
    rules: Rules
    now: Callable[[], Instant]
    dry: bool = False

    def look(self) -> bool:
        """Look, and ask those to sleep that have to. Whether nobody needs to be told.

        Raises OSError when the memory cannot be written: nothing is asked of the cloud then.
        """
        before = read_memory(Memory, self.state)
        try:
            servers = {one.server_id: one for one in self.cloud.servers()}
        except CloudAway as away:
            log.error("the cloud cannot be asked: %s", away)
            return False
        found = self._judge(servers, before)
        write_memory(self.state, found.memory)
        well = True
        for server in servers.values():
            verdict = found.verdicts[server.server_id]
            self._say(server, verdict, before)
            well = well and not verdict.alarm
            if verdict.decision is Decision.SHELVE and not self.dry:
                well = self._shelve(server, servers) and well
        return well

    def _judge(self, servers: Mapping[str, ServerFacts], before: Memory | None) -> Outcome:
        pulses = self.pulses([one.node for one in servers.values()])
        return look(list(servers.values()), pulses, before, self.now(), self.rules)

    def _shelve(self, server: ServerFacts, servers: Mapping[str, ServerFacts]) -> bool:
        """Whether it was asked for, or need not be any more.

        Everything is looked at once more, the server's actions too: since the first look others
        were asked, a job may have begun, a person may have put a hold on it.
        """
        try:
            fresh = self.cloud.server(server.server_id)
        except CloudAway as away:
            log.error("%s: not asked to sleep, it cannot be looked at: %s", server.name, away)
            return False
        if fresh is None:
            log.info("%s: it is not ours any more", server.name)
            return True
        found = self._judge({**servers, server.server_id: fresh}, read_memory(Memory, self.state))
        verdict = found.verdicts[server.server_id]
        if verdict.decision is not Decision.SHELVE:
            self._say(fresh, verdict, None)
            return not verdict.alarm
        write_memory(self.state, _noted(found.memory, server.server_id))
        try:
            request = self.cloud.shelve(server.server_id)
        except CloudAway as away:
            log.error("%s: asked to sleep, without an answer to rely on: %s", server.name, away)
            return False
        log.warning("%s: asked to sleep (%s): %s", server.name, request, verdict.why)
        return True

    def _say(self, server: ServerFacts, verdict: Verdict, before: Memory | None) -> None:
        known = before.servers.get(server.server_id) if before is not None else None
        asked = known is not None and known.asked is not None
        why = verdict.why
        if verdict.decision is Decision.ASLEEP and asked:
            why += ", as it was asked to be"
        if verdict.decision is Decision.SHELVE and self.dry:
            why += " (a dry run: it is not asked)"
        level = logging.ERROR if verdict.alarm else logging.INFO
        log.log(level, "%s (%s): %s: %s", server.name, server.server_id, verdict.decision, why)


def _noted(memory: Memory, server_id: str) -> Memory:
    """Written before the request is sent, which may be taken although no answer comes."""
    known = memory.servers[server_id]
    asked = Asked(
        first_at=known.asked.first_at if known.asked else memory.looked,
        last_at=memory.looked,
        times=known.asked.times + 1 if known.asked else 1,
    )
    noted = known.model_copy(update={"asked": asked})
    return memory.model_copy(update={"servers": {**memory.servers, server_id: noted}})
