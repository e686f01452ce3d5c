"""A loopback cloud in processes of its own, and what a test does to it behind our backs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import openstack
import psutil
import requests
from openstack.compute.v2.server import Server
from openstack.connection import Connection

from tests.cloud.loopback import options as known
from tests.cloud.loopback.knobs import Knobs
from tests.support.redis import free_port

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = ROOT / "var" / "testcloud-venv" / "bin" / "python"
_FOLDERS = ROOT / "var" / "tests"
_PREFIX = "cloud-"
_READY_SECONDS = 120.0

SOON = 20.0
"""Seconds in which the cloud gets round to anything; on an idle machine it takes one."""

FLEET = "fleet"
"""The entry of clouds.yaml that a fleet uses; see `_entries` for the others."""

TAG = "dubfleet=test"

_SPARE = "spare"


@dataclass
class Cloud:
    """A running cloud."""

    options: known.Options
    clouds_yaml: Path

    @cached_property
    def admin(self) -> Connection:
        """Its administrator's connection, which faults of the API do not disturb."""
        region = openstack.config.OpenStackConfig(config_files=[str(self.clouds_yaml)])
        link = Connection(config=region.get_one(cloud="admin"))
        link.session.additional_headers["X-Observer"] = "1"
        return link

    def knobs(self, **values: Any) -> None:
        """Turn these knobs; the others stay."""
        self._put("knobs", values)

    def host(self, name: str, **values: Any) -> None:
        """How many GPUs a host has left (`gpus`), whether its service runs (`up`)."""
        self._put(f"hosts/{name}", values)

    def full(self, yes: bool = True) -> None:
        """No host has a GPU to spare, or all have."""
        for host in known.HOSTS:
            self.host(host, gpus=0 if yes else self.options.gpus_per_host)

    def guest(self, server: str, **values: Any) -> None:
        """Do something to a server behind Nova's back, and have Nova notice."""
        self._put(f"servers/{server}", values)
        self._put("look", {})

    def pause_keystone(self, paused: bool = True) -> None:
        self._put("keystone", {"paused": paused})

    def guests(self) -> set[str]:
        """The servers that run on some host: those that hold a GPU."""
        return {server for guests in self._state()["hosts"].values() for server in guests}

    def fault_is_over(self) -> bool:
        """Whether the API's fault has happened as often as it was to."""
        return bool(self._state()["knobs"]["api_fault_count"] == 0)

    def create(self, name: str, asleep: bool = True, tag: str = TAG) -> str:
        """A server of the fleet; its id. It may have slept under another name before."""
        compute = self.admin.compute
        spare = next(iter(compute.servers(name=f"^{_SPARE}$")), None) if tag == TAG else None
        if spare is not None:
            compute.update_server(spare, name=name)
            if not asleep:
                compute.unshelve_server(spare)
                self.until(spare.id, "ACTIVE")
            return str(spare.id)
        key, _, value = tag.partition("=")
        server = compute.create_server(
            name=name,
            image_id=known.IMAGE,
            flavor_id="gpu1",
            networks=[{"uuid": known.NETWORK}],
            metadata={key: value},
        )
        self.until(server.id, "ACTIVE")
        if asleep:
            compute.shelve_server(server.id)
            self.until(server.id, "SHELVED_OFFLOADED")
        return str(server.id)

    def status(self, server: str) -> tuple[str, str | None]:
        """A server's status, and what is being done to it, as its administrator sees them."""
        seen = self.admin.compute.get_server(server)
        return str(seen.status), seen.task_state

    def until(self, server: str, status: str, task: str | None = None) -> None:
        """Wait until a server is in this state."""
        wait_for(
            lambda: self.status(server) == (status, task),
            seen=lambda: (self.status(server), self.posts(server)),
        )

    def settled(self, server: str) -> str:
        """Wait until nothing is being done to a server; its status then."""
        wait_for(lambda: self.status(server)[1] is None)
        return self.status(server)[0]

    def posts(self, server: str) -> list[tuple[str, str]]:
        """Every action that Nova took for a server, oldest first, with its message."""
        actions = self.admin.compute.server_actions(server)
        return [(one.action, one.message or "") for one in reversed(list(actions))]

    def reset(self) -> None:
        """As new: nothing is wrong, and all servers there are sleep under a name of nobody's."""
        self.pause_keystone(False)
        self.knobs(**Knobs().__dict__)
        for host in known.HOSTS:
            self.host(host, up=True, gpus=self.options.gpus_per_host)
        compute = self.admin.compute
        for server in compute.servers():
            if _as_new(server):
                compute.update_server(server, name=_SPARE)
            else:
                compute.delete_server(server.id, ignore_missing=True)
        wait_for(lambda: all(_as_new(server) for server in compute.servers()))
        wait_for(lambda: self._gpus_taken() == 0)

    def _gpus_taken(self) -> int:
        """As Placement counts them: a deleted server gives its own back a little later."""
        url, token = self.options.placement_url, {"X-Auth-Token": "admin"}
        hosts = requests.get(f"{url}/resource_providers", headers=token, timeout=30).json()
        taken = 0
        for host in hosts["resource_providers"]:
            usages = f"{url}/resource_providers/{host['uuid']}/usages"
            used = requests.get(usages, headers=token, timeout=30).json()["usages"]
            taken += used.get(known.GPUS, 0)
        return taken

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = requests.get(self._url(""), timeout=30).json()
        return state

    def _put(self, path: str, body: dict[str, Any]) -> None:
        answer = requests.put(self._url(path), json=body, timeout=30)
        assert answer.status_code == 200, answer.text

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.options.control}/{path}"


@contextmanager
def loopback_cloud() -> Iterator[Cloud]:
    """Start a cloud; nothing of it is left at the end."""
    if not _PYTHON.exists():
        raise RuntimeError("There is no cloud to test against: run make test-cloud.")
    _FOLDERS.mkdir(parents=True, exist_ok=True)
    _clear_up()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_FOLDERS))
    options = known.Options(str(folder), *(free_port() for _ in range(4)))
    clouds_yaml = folder / "clouds.yaml"
    clouds_yaml.write_text(known.clouds_yaml(_entries(options)), encoding="utf-8")
    with (folder / "nova.err").open("wb") as errors:
        process = subprocess.Popen(
            (
                *(sys.executable, "-m", "orchestrator.parent_death", "--parent", str(os.getpid())),
                *("--", str(_PYTHON), "-m", "tests.cloud.loopback.nova_process", options.text()),
            ),
            cwd=ROOT,
            env={key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        _wait_until_ready(process, folder)
        yield Cloud(options, clouds_yaml)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _as_new(server: Server) -> bool:
    key, _, value = TAG.partition("=")
    return bool(
        (server.status, server.task_state) == ("SHELVED_OFFLOADED", None)
        and not server.is_locked
        and server.metadata == {key: value}
    )


def wait_for(
    reached: Callable[[], object], seconds: float = SOON, seen: Callable[[], object] = str
) -> None:
    """A cloud gives no event to wait for."""
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, f"what was waited for did not come: {seen()}"
        time.sleep(0.05)


def _entries(options: known.Options) -> dict[str, str]:
    """clouds.yaml: the fleet's entry, and all the wrong ones that a test wants."""
    member, reader = known.MEMBER, known.READER

    def of_member(more: str = "") -> str:
        return known.application(options, member.id, member.secret, more)

    unreachable = of_member().replace(str(options.keystone), str(free_port()))
    return {
        FLEET: of_member(),
        "admin": known.administrator(options),
        "reader": known.application(options, reader.id, reader.secret),
        "wrong-secret": known.application(options, member.id, "not-the-members-secret"),
        "unknown-credential": known.application(options, "c" * 32, member.secret),
        "wrong-region": of_member().replace(known.REGION, "Atlantis"),
        "unreachable": unreachable,
        "old": of_member("    compute_default_microversion: '2.50'\n"),
        "retrying": of_member(
            "    compute_connect_retries: 3\n    compute_status_code_retries: 3\n"
        ),
        "no-secret": of_member().replace("application_credential_secret", "nothing"),
    }


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Raises RuntimeError with the last of what it wrote."""
    assert process.stdout is not None
    until = time.monotonic() + _READY_SECONDS
    os.set_blocking(process.stdout.fileno(), False)
    while b"READY" not in (process.stdout.readline() or b""):
        if process.poll() is not None or time.monotonic() > until:
            logs = [folder / name for name in ("nova.err", "keystone.out")]
            said = "\n".join(log.read_text("utf-8", "replace")[-2000:] for log in logs)
            raise RuntimeError(f"The cloud did not start: {said}")
        time.sleep(0.1)


def _clear_up() -> None:
    """Remove what runs that were killed have left."""
    for folder in _FOLDERS.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
