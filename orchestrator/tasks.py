"""What Celery runs on the main server. A lost message only delays: the next beat does the same."""

from __future__ import annotations

import os
import time
from dataclasses import asdict

import requests
from celery import shared_task

from orchestrator import blobs, pulse, sftp_links
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.doorbell import TICK_TASK
from orchestrator.gates import Shell, no_shell
from orchestrator.node_logs import LogOf
from orchestrator.providers import marker, provider
from orchestrator.reconciler import Reconciler, TickReport
from orchestrator.settings import fleet_settings

_LOOK_TIMEOUT = 3.0

_CALLS_AT_ONCE = 8
"""A cloud is asked for so much at the same time; the SDK keeps a connection for each."""


@shared_task(name=TICK_TASK)
def tick() -> dict[str, object]:
    """One tick of the fleet."""
    return asdict(run_tick())


@shared_task(name="orchestrator.sweep")
def sweep() -> int:
    """Remove what broken uploads left."""
    return blobs.sweep()


def run_tick() -> TickReport:
    """One tick, also for the command line."""
    settings = fleet_settings()
    shell, log_of = _over_ssh()
    report = Reconciler(
        provider(settings),
        DATABASE_CLOCK,
        site_up,
        at_once=_CALLS_AT_ONCE,
        shell=shell,
        log_of=log_of,
        mark=marker(settings),
    ).tick()
    if not report.skipped:
        pulse.beat(settings.redis_url.get_secret_value())
    sftp_links.sweep(time.time())
    return report


def _over_ssh() -> tuple[Shell, LogOf | None]:
    """What can be done on the nodes over SSH: nothing where it is not set up."""
    if not os.environ.get("FLEET_SSH_KEY_FILE"):
        return no_shell, None
    # Only here: paramiko is large, and many installations do without.
    from orchestrator.ssh import FetchLog, RestartWorker, node_shell, ssh_settings

    shell = node_shell(ssh_settings())
    return (RestartWorker(shell), FetchLog(shell)) if shell else (no_shell, None)


def site_up() -> bool:
    """Whether the main server answers where nodes look for it."""
    try:
        answer = requests.get(f"{fleet_settings().site_url}/healthz", timeout=_LOOK_TIMEOUT)
    except requests.RequestException:
        return False
    return answer.status_code == 200
