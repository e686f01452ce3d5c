"""`python -m orchestrator.deadman`: one look. Exits 0 if all is well, 1 if a person has to look."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterable

from gpu_node.contracts.settings import SettingError, load
from gpu_node.contracts.watch import Busy, alone, instant
from orchestrator.deadman.cloud import CloudAway, open_cloud
from orchestrator.deadman.facts import RedisFacts
from orchestrator.deadman.pulses import read_pulses
from orchestrator.deadman.run import Switch
from orchestrator.deadman.settings import DeadmanSettings
from orchestrator.deadman.verdict import Rules

log = logging.getLogger("orchestrator.deadman")

_LONGEST_SECONDS = 240
"""Whatever hangs, the kernel ends the look then, and the timer begins the next one."""


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.deadman",
        description="Looks once at the fleet's servers and puts those to sleep that nobody minds.",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="watch and say what would be done, ask for nothing"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    signal.alarm(_LONGEST_SECONDS)
    try:
        settings = load(DeadmanSettings, os.environ)
    except SettingError as error:
        log.error("%s", error)
        return 1
    try:
        with alone(settings.deadman_state):
            return 0 if _switch(settings, dry=arguments.dry_run).look() else 1
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
