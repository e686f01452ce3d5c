"""`python -m gpu_node.guard`: one look. Exits 0 if all is well, 1 if a person has to look."""

from __future__ import annotations

import logging
import os
import sys

from gpu_node.contracts.settings import SettingError, load
from gpu_node.contracts.watch import Busy, alone, begin_look, instant
from gpu_node.guard.cloud import Cloud, open_cloud, own_server_id
from gpu_node.guard.run import Guard
from gpu_node.guard.settings import GuardSettings
from gpu_node.guard.sight import look
from gpu_node.guard.verdict import Sight

log = logging.getLogger("gpu_node.guard")


def main() -> int:
    """The exit status."""
    dry = begin_look(
        "gpu_node.guard",
        "Puts this node's server to sleep when the main server is gone for good.",
    )
    try:
        settings = load(GuardSettings, os.environ)
    except SettingError as error:
        log.error("%s", error)
        return 1
    try:
        with alone(settings.state):
            return 0 if _guard(settings, dry=dry).look() else 1
    except Busy:
        log.error("another look is being taken")
    except OSError as error:
        name = "GUARD_STATE" if settings.guard_state else "NODE_WORK_FOLDER"
        log.error("%s cannot be used: %s", name, error.strerror)
    return 1


def _guard(settings: GuardSettings, *, dry: bool) -> Guard:
    def sight() -> Sight:
        redis_url = settings.redis_url.get_secret_value()
        return look(settings.site_url, redis_url, settings.node_work_folder)

    def cloud() -> Cloud:
        server_id = settings.guard_server_id or own_server_id(settings.guard_metadata_url)
        return open_cloud(settings.guard_cloud, server_id)

    return Guard(
        sight=sight,
        cloud=cloud,
        state=settings.state,
        max_uptime_seconds=settings.fleet_max_uptime_hours * 3600,
        now=instant,
        dry=dry,
    )


if __name__ == "__main__":
    sys.exit(main())
