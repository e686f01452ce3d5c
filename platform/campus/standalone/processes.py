"""What runs on one machine, and how. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from campus.standalone.ports import LOOPBACK
from campus.standalone.redis import RedisProgram

_HALT_SECONDS = 40
"""How long the nodes' workers may take to stop when all of it stops; the rest is quick."""


@dataclass(frozen=True, slots=True)
class Process:
    """A program to be kept running.

    `command` is what `orchestrator.parent_death` is given: `-m module …` or `-- program …`.
    `tier`: lower ones are started first and stopped last, since the others need them.
    """

    name: str
    command: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: int = 5
    tier: int = 0


@dataclass(frozen=True, slots=True)
class SitePorts:
    """Where the servers listen, on the loopback only."""

    site: int
    flower: int
    redis: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A site on this machine: its folder, ports, nodes, and settings that differ from ours."""

    folder: Path
    logs: Path
    ports: SitePorts
    nodes: tuple[str, ...] = ("gpu-1",)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.site}"

    @property
    def flower_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.flower}"

    @property
    def run(self) -> Path:
        """What is written anew at every start."""
        return self.folder / "run"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def cloud(self) -> Path:
        return self.folder / "cloud"

    @property
    def redis_data(self) -> Path:
        return self.folder / "redis"

    def node_token(self, node: str) -> Path:
        """The file that a node's server keeps its token in."""
        return self.cloud / node / "token"


PASSED_ON = ("PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "USER")
"""What the programs get of the environment that the site is started from."""

_KNOBS = ("FLEET_", "LOCAL_", "VOICEOVER_", "PUBLISHING_", "NOTIFICATION_", "HOST_PROCESSING_")


def environment(layout: Layout, outside: Mapping[str, str]) -> dict[str, str]:
    """What every program of the site is told. Secrets are named by their files.

    Times and prices may be set from outside (`FLEET_IDLE_MINUTES=1 make serve`); where data and
    services are may not, so that a site on trial never meets the real one's.
    """
    return {
        **{name: outside[name] for name in PASSED_ON if name in outside},
        **{name: value for name, value in outside.items() if name.startswith(_KNOBS)},
        "LOCAL_HALT_SECONDS": str(_HALT_SECONDS),
        **layout.settings,
        "DJANGO_SETTINGS_MODULE": "campus.settings",
        "SITE_URL": layout.url,
        "SECRET_KEY_FILE": str(layout.secrets / "django-secret-key"),
        "REDIS_URL_FILE": str(layout.run / "redis-url"),
        "VAR_FOLDER": str(layout.folder),
        "BLOB_FOLDER": str(layout.folder / "blobs"),
        "HOST_FOLDER": str(layout.folder / "host"),
        "LOG_FOLDER": str(layout.logs),
        "FLEET_PROVIDER": "local",
        "FLEET_SERVERS": ",".join(layout.nodes),
        "FLEET_LOCAL_FOLDER": str(layout.cloud),
        # Whatever lies in the folder that they are started in is data, never a module.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def processes(layout: Layout, redis: RedisProgram) -> tuple[Process, ...]:
    """Everything, in the order of starting. Paths are seen from the site's folder."""
    return (
        Process(
            "redis", ("--program", redis.path, "--", redis.name, "run/redis.conf"), stop_seconds=8
        ),
        Process("web", _web(layout.ports.site), stop_seconds=8),
        Process("orchestrator", _orchestrator(), stop_seconds=10, tier=1),
        Process("beat", _beat(), stop_seconds=5, tier=1),
        Process(
            "cloud",
            ("-m", "orchestrator.providers.local_host"),
            stop_seconds=_HALT_SECONDS + 3,
            tier=1,
        ),
        Process("flower", _flower(), stop_seconds=5, tier=1),
    )


def _web(port: int) -> tuple[str, ...]:
    return (
        *("-m", "gunicorn", "campus.wsgi", "--bind", f"{LOOPBACK}:{port}"),
        # Loaded once, before the workers are forked: they share its memory.
        *("--preload", "--workers", "2", "--worker-class", "gthread", "--threads", "4"),
        *("--graceful-timeout", "5", "--no-control-socket"),
    )


def _orchestrator() -> tuple[str, ...]:
    return (
        *("-m", "celery", "-A", "campus", "worker", "-Q", "control,site", "-c", "2"),
        *("-n", "orchestrator@%h", "-l", "info", "--without-gossip", "--without-mingle"),
    )


def _beat() -> tuple[str, ...]:
    # The schedule is short and kept in memory: a file could be left damaged by a kill.
    return ("-m", "celery", "-A", "campus", "beat", "-S", "celery.beat:Scheduler", "-l", "info")


def _flower() -> tuple[str, ...]:
    return ("-m", "celery", "-A", "campus", "flower", "--conf=run/flowerconfig.py")


def flower_config(port: int, user: str, password: str) -> str:
    """Flower's own file; it holds the password, which must not be on a command line."""
    return (
        f"address = {LOOPBACK!r}\n"
        f"port = {port}\n"
        f"basic_auth = [{f'{user}:{password}'!r}]\n"
        "purge_offline_workers = 600\n"
        "max_tasks = 1000\n"
    )
