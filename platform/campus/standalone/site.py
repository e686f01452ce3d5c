"""The whole system, running on this machine for as long as a block lasts."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from campus.standalone import redis
from campus.standalone.errors import StandaloneError
from campus.standalone.instance import only_instance
from campus.standalone.ports import Ports
from campus.standalone.processes import (
    PASSED_ON,
    Layout,
    SitePorts,
    environment,
    flower_config,
    processes,
)
from campus.standalone.ready import Check, http_answers, wait_until_ready
from campus.standalone.secrets import kept, password, write_private
from campus.standalone.stopping import not_interrupted
from campus.standalone.supervisord import Supervision
from orchestrator.leftovers import kill_marked
from orchestrator.providers.local_worker import DISK_VARIABLE

READY_SECONDS = 90.0
STOP_SECONDS = 58.0

FLOWER_USER = "flower"

_RUN_MARK = "DUBFLEET_RUN"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Wish:
    """What kind of site is wanted, and where. Ports that are taken are passed over."""

    folder: Path
    logs: Path
    site_port: int = 8000
    flower_port: int = 5555
    redis_port: int = 16379
    nodes: tuple[str, ...] = ("gpu-1",)
    settings: Mapping[str, str] = field(default_factory=dict)
    demo_logins: bool = False
    what: str = "site"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody to log in as."""

    role: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site that runs. `environment` is what its programs were told, for one more of them."""

    layout: Layout
    environment: Mapping[str, str]
    supervision: Supervision
    logins: tuple[Login, ...]
    flower_password: str

    def watch(self) -> None:
        """Return never; raise StandaloneError when the site has ended by itself."""
        while self.supervision.alive():
            time.sleep(_LOOK_SECONDS)
        raise StandaloneError(
            f"The supervisor ended, and the site with it; see {self.layout.logs}/supervisord.log."
        )


@contextmanager
def running_site(wish: Wish) -> Iterator[Site]:
    """Run the whole system; at the end of the block nothing of it is left.

    Raises StandaloneError. Call it from the main thread.
    """
    program = redis.find()
    with only_instance(wish.folder.absolute(), wish.what) as instance, Ports() as ports:
        layout = Layout(
            folder=wish.folder.absolute(),
            logs=wish.logs.absolute(),
            ports=SitePorts(
                site=ports.choose(wish.site_port),
                flower=ports.choose(wish.flower_port),
                redis=ports.choose(wish.redis_port),
            ),
            nodes=wish.nodes,
            settings=wish.settings,
        )
        instance.announce(layout.url)
        mark = secrets.token_hex(16)
        told = {**environment(layout, os.environ), _RUN_MARK: mark}
        redis_password, flower_password = _write_files(layout, told)
        supervision = Supervision(layout.folder, layout.logs, processes(layout, program), told)
        try:
            logins = _prepare(layout, told, wish.demo_logins)
            supervision.start()
            wait_until_ready(
                _checks(layout.ports, redis_password),
                supervision.alive,
                str(layout.logs),
                READY_SECONDS,
            )
            yield Site(layout, told, supervision, logins, flower_password)
        finally:
            with not_interrupted() as hurry:
                supervision.stop(STOP_SECONDS, hurry)
                kill_marked(_RUN_MARK, mark)
                for node in layout.nodes:
                    kill_marked(DISK_VARIABLE, str(layout.node_token(node).with_name("disk")))


def _write_files(layout: Layout, told: Mapping[str, str]) -> tuple[str, str]:
    """Secrets, made once, and what is derived from them and the ports. The two passwords."""
    redis_password = kept(layout.secrets / "redis-password")
    flower_password = kept(layout.secrets / "flower-password", password)
    kept(layout.secrets / "django-secret-key")
    for node in layout.nodes:
        kept(layout.node_token(node))
    layout.redis_data.mkdir(exist_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)

    port = layout.ports.redis
    data = layout.redis_data.relative_to(layout.folder)
    write_private(layout.run / "redis.conf", redis.config(port, redis_password, str(data)))
    write_private(layout.run / "redis-url", redis.url(port, redis_password))
    flower = flower_config(layout.ports.flower, FLOWER_USER, flower_password)
    write_private(layout.run / "flowerconfig.py", flower)
    write_private(layout.run / "environment.sh", _exports(told))
    return redis_password, flower_password


def _exports(told: Mapping[str, str]) -> str:
    """For an operator's shell: `. run/environment.sh`, then any of manage.py's commands."""
    lines: list[str] = []
    for name, value in told.items():
        if name in (*PASSED_ON, _RUN_MARK) or name.startswith("PYTHON"):
            continue
        if name.endswith("_FILE"):
            lines.append(f"unset {name.removesuffix('_FILE')}")
        lines.append(f"export {name}={shlex.quote(value)}")
    return "\n".join((*lines, ""))


def _prepare(layout: Layout, told: Mapping[str, str], demo_logins: bool) -> tuple[Login, ...]:
    options: tuple[str, ...] = ()
    secret = ""
    if demo_logins:
        file = layout.secrets / "demo-password"
        secret = kept(file, password)
        options = ("--demo-password-file", str(file))
    log = layout.logs / "prepare.log"
    with log.open("wb") as errors:
        child = subprocess.Popen(
            (
                *(sys.executable, "-m", "orchestrator.parent_death", "--parent", str(os.getpid())),
                *("-m", "campus.standalone.prepare", *options),
            ),
            cwd=layout.folder,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            said, _ = child.communicate()
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        words = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
        raise StandaloneError(f"The site could not be prepared, see {log}: {''.join(words)}")
    return tuple(
        Login(one["role"], one["username"], secret) for one in json.loads(said.splitlines()[-1])
    )


def _checks(ports: SitePorts, redis_password: str) -> tuple[Check, ...]:
    return (
        Check("redis", lambda: redis.answers(ports.redis, redis_password)),
        Check("web", lambda: http_answers(ports.site, "/healthz")),
        Check("flower", lambda: http_answers(ports.flower, "/healthcheck")),
    )
