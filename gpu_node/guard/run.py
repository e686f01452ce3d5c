"""One look at the main server and at the worker, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpu_node.contracts.watch import Instant, read_memory, write_memory
from gpu_node.guard.cloud import Cloud, CloudAway
from gpu_node.guard.verdict import Memory, Sight, Verdict, observe, obstacle, verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a look is taken with. `dry`: nothing is asked of the cloud that changes anything."""

    sight: Callable[[], Sight]
    cloud: Callable[[], Cloud]
    """Opened only when the server has to sleep. Raises CloudAway."""
    state: Path
    max_uptime_seconds: float
    now: Callable[[], Instant]
    dry: bool = False

    def look(self) -> bool:
        """Look, and ask for sleep if it is time. Whether nobody needs to be told.

        Raises OSError when the memory cannot be written: nothing is asked of the cloud then.
        """
        memory, found = self._judge(read_memory(Memory, self.state))
        write_memory(self.state, memory)
        if not found.sleep:
            log.info("stays awake: %s", found.why)
            return True
        if self.dry:
            log.warning("has to sleep (a dry run: it is not asked): %s", found.why)
            return True
        try:
            return self._shelve(memory)
        except CloudAway as away:
            log.error("has to sleep, but the cloud cannot be relied on: %s", away)
            return False

    def _judge(self, before: Memory | None) -> tuple[Memory, Verdict]:
        sight, now = self.sight(), self.now()
        memory = observe(before, sight, now)
        return memory, verdict(sight, memory, now, self.max_uptime_seconds)

    def _shelve(self, memory: Memory) -> bool:
        """Ask for it, unless something stands against it. Raises CloudAway."""
        cloud = self.cloud()
        server, last = cloud.server(), cloud.last_action()
        if why_not := obstacle(server, memory, self.now()):
            log.warning("has to sleep, and is not asked: %s", why_not)
            return True
        # The cloud has taken its time: a job may have begun, the main server may be back.
        memory, found = self._judge(memory)
        if not found.sleep:
            log.info("stays awake after all: %s", found.why)
            return True
        write_memory(self.state, memory.model_copy(update={"asked_at": memory.looked}))
        log.warning("asks for its own sleep (before that: %s): %s", last, found.why)
        cloud.shelve()
        return True
