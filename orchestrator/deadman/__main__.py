"""`python -m orchestrator.deadman`: one look. Exits 0 if all is well, 1 if a person has to look."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable

from gpu_node.contracts.settings import SettingError, load
from gpu_node.contracts.watch import Busy, alone, begin_look, instant
from orchestrator.deadman.cloud import CloudAway, open_cloud
from orchestrator.deadman.facts import RedisFacts
from orchestrator.deadman.pulses import read_pulses
from orchestrator.deadman.run import Switch
from orchestrator.deadman.settings import DeadmanSettings
from orchestrator.deadman.verdict import Rules

log = logging.getLogger("orchestrator.deadman")


def main() -> int:
    """The exit status."""
    dry = begin_look(
        "orchestrator.deadman",
        "Looks once at the fleet's servers and puts those to sleep that nobody minds.",
    )
    try:
        settings = load(DeadmanSettings, os.environ)
    except SettingError as error:
        log.error("%s", error)
        return 1
    try:
        with alone(settings.deadman_state):
            return 0 if _switch(settings, dry=dry).look() else 1
    except CloudAway as away:
        log.error("the cloud cannot be asked: %s", away)
    except Busy:
        log.error("another look is being taken")
    except OSError as error:
        log.error("DEADMAN_STATE cannot be used: %s", error.strerror)
    return 1


def _switch(settings: DeadmanSettings, *, dry: bool) -> Switch:
    url = settings.redis_url.get_secret_value()

    def pulses(nodes: Iterable[str]) -> RedisFacts | None:
        return read_pulses(url, nodes)

    return Switch(
        cloud=open_cloud(settings.deadman_cloud, settings.tag),
        pulses=pulses,
        state=settings.deadman_state,
        rules=Rules(settings.fleet_max_uptime_hours * 3600),
        now=instant,
        dry=dry,
    )


if __name__ == "__main__":
    sys.exit(main())
