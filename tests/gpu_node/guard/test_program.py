"""`python -m gpu_node.guard` as the timer runs it, against a cloud on the loopback."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_node.contracts.pulse import HOLD_METADATA
from gpu_node.contracts.watch import instant, write_memory
from gpu_node.guard.verdict import Memory
from gpu_node.worker.folders import WorkFolder
from gpu_node.worker.pulse import Occupation, PulseWriter
from tests.gpu_node.guard.small_http import pages_at
from tests.orchestrator.deadman.nova import SECRET, FakeServer, Misbehaviour, Nova
from tests.support.redis import free_port, redis_server

ROOT = Path(__file__).resolve().parents[3]

IMPORT_ALL = """
import importlib, pkgutil, sys
import gpu_node.guard as guard
for module in pkgutil.walk_packages(guard.__path__, guard.__name__ + "."):
    importlib.import_module(module.name)
sys.stdout.write("\\n".join(sys.modules))
"""


def run(
    server: FakeServer | None, tmp_path: Path, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Nobody listens where the main server should be, unless `more` says otherwise."""
    port = free_port()
    return subprocess.run(
        [sys.executable, "-m", "gpu_node.guard", *arguments],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("COV_")},
            "GUARD_CLOUD": "guard",
            "GUARD_SERVER_ID": server.id if server else "",
            "SITE_URL": f"http://127.0.0.1:{port}",
            "REDIS_URL": f"redis://:a-password@127.0.0.1:{port}/0",
            "NODE_WORK_FOLDER": str(tmp_path / "work"),
            **more,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def gone_for(minutes: float, tmp_path: Path) -> None:
    """As earlier looks would have left it, the last of them a minute ago."""
    now = instant()
    state = tmp_path / "work" / "run" / "guard.json"
    state.parent.mkdir(parents=True, exist_ok=True)
    since = now.seconds - minutes * 60
    write_memory(state, Memory(boot=now.boot, looked=now.seconds - 60, gone_since=since))


def test_it_puts_its_own_server_to_sleep_and_asks_once(nova: Nova, tmp_path: Path) -> None:
    server, other = nova.boot("gpu-1"), nova.boot("gpu-2")
    gone_for(31, tmp_path)
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (server.status, other.status) == ("SHELVED_OFFLOADED", "ACTIVE")
    assert "no main server for 31 min, and no job" in done.stderr
    assert "a-password" not in done.stderr
    assert SECRET not in done.stderr
    again = run(server, tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(nova.posts()) == 1


def test_its_first_look_asks_for_nothing(nova: Nova, tmp_path: Path) -> None:
    done = run(nova.boot("gpu-1"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "stays awake: no main server for 0 min" in done.stderr
    assert nova.requests == []


def test_the_metadata_service_says_which_server_it_is(nova: Nova, tmp_path: Path) -> None:
    server = nova.boot("gpu-1")
    gone_for(31, tmp_path)
    page = json.dumps({"uuid": server.id, "name": "gpu-1", "meta": {}}).encode()
    with pages_at({"/openstack/latest/meta_data.json": (200, page)}) as url:
        address = f"{url}/openstack/latest/meta_data.json"
        done = run(None, tmp_path, GUARD_METADATA_URL=address)
    assert done.returncode == 0, done.stderr
    assert nova.posts() == [f"/v2.1/servers/{server.id}/action"]


@pytest.mark.parametrize("page", [(200, b"<html>"), (200, b"[]"), (404, b""), (200, b"{}")])
def test_without_an_id_nothing_is_asked(
    nova: Nova, tmp_path: Path, page: tuple[int, bytes]
) -> None:
    nova.boot("gpu-1")
    gone_for(31, tmp_path)
    with pages_at({"/meta": page}) as url:
        done = run(None, tmp_path, GUARD_METADATA_URL=f"{url}/meta")
    assert done.returncode == 1
    assert "the cloud cannot be relied on" in done.stderr
    assert nova.posts() == []


def test_three_access_rules_of_its_own_server_are_enough(nova: Nova, tmp_path: Path) -> None:
    """Those of docs/security.md."""
    server, other = nova.boot("gpu-1"), nova.boot("gpu-2")
    own = f"/v2.1/servers/{server.id}"
    nova.rules = [("GET", own), ("GET", f"{own}/os-instance-actions"), ("POST", f"{own}/action")]
    gone_for(31, tmp_path)
    assert run(other, tmp_path).returncode == 1
    assert other.status == "ACTIVE"
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert server.status == "SHELVED_OFFLOADED"


def test_its_memory_may_lie_where_the_worker_has_no_say(nova: Nova, tmp_path: Path) -> None:
    state = tmp_path / "guard" / "memory.json"
    done = run(nova.boot("gpu-1"), tmp_path, GUARD_STATE=str(state))
    assert done.returncode == 0, done.stderr
    assert state.exists()
    assert not (tmp_path / "work").exists()
    done = run(nova.boot("gpu-1"), tmp_path, GUARD_STATE="/proc/no/where")
    assert done.returncode == 1
    assert "GUARD_STATE cannot be used" in done.stderr


def test_the_workers_group_may_read_what_the_guard_needs_and_nothing_else(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        lock = WorkFolder(tmp_path / "work", 1 << 30).hold()
        nobody = f"redis://127.0.0.1:{free_port()}/0"
        PulseWriter(
            "gpu-1", "boot-id-1", nobody, tmp_path / "work", lambda: Occupation(False)
        ).beat()
    finally:
        os.umask(before)
    lock.close()

    def mode(name: str) -> str:
        return stat.filemode((tmp_path / "work" / name).stat().st_mode)

    assert {name: mode(name) for name in (".", "jobs", "trash", "run")} == {
        ".": "drwx--x---",
        "jobs": "drwx------",
        "trash": "drwx------",
        "run": "drwxr-x---",
    }
    assert {mode("lock"), mode("run/pulse.json")} == {"-rw-r--r--"}


def test_a_main_server_that_answers_keeps_it_awake(nova: Nova, tmp_path: Path) -> None:
    server = nova.boot("gpu-1")
    gone_for(600, tmp_path)
    with pages_at({"/healthz": (200, b"ok")}) as url:
        done = run(server, tmp_path, SITE_URL=url)
    assert "stays awake: the main server is there" in done.stderr
    gone_for(600, tmp_path)
    with redis_server() as redis:
        done = run(server, tmp_path, REDIS_URL=redis.url)
    assert "stays awake: the main server is there" in done.stderr
    assert nova.requests == []


def test_a_job_keeps_it_awake_and_a_worker_killed_at_it_does_not(
    nova: Nova, tmp_path: Path
) -> None:
    server = nova.boot("gpu-1")
    lock = WorkFolder(tmp_path / "work", 1 << 30).hold()
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    pulse = PulseWriter(
        "gpu-1", "boot-id-1", nobody, tmp_path / "work", lambda: Occupation(True, "job-1")
    )
    pulse.beat()
    gone_for(600, tmp_path)
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "but a job runs" in done.stderr
    assert nova.posts() == []
    lock.close()
    assert run(server, tmp_path).returncode == 0
    assert len(nova.posts()) == 1


@pytest.mark.parametrize("who", ["lock", "hold"])
def test_a_person_who_keeps_it_awake_is_honoured(nova: Nova, tmp_path: Path, who: str) -> None:
    server = nova.boot("gpu-1", locked=who == "lock")
    if who == "hold":
        server.metadata[HOLD_METADATA] = "looking into it"
    gone_for(600, tmp_path)
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a person keeps it awake" in done.stderr
    assert nova.posts() == []


@pytest.mark.parametrize("released", ["", "  "])
def test_a_hold_that_was_released_leaves_an_empty_word_and_is_none(
    nova: Nova, tmp_path: Path, released: str
) -> None:
    server = nova.boot("gpu-1")
    server.metadata[HOLD_METADATA] = released
    gone_for(600, tmp_path)
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(nova.posts()) == 1


@pytest.mark.parametrize(
    ("method", "path", "posts"),
    [("GET", "/os-instance-actions", 0), ("POST", "/auth/tokens", 0), ("POST", "/action", 1)],
)
def test_a_cloud_that_misbehaves_is_told_of(
    nova: Nova, tmp_path: Path, method: str, path: str, posts: int
) -> None:
    server = nova.boot("gpu-1")
    nova.misbehaviour[method, path] = Misbehaviour.BREAK
    gone_for(600, tmp_path)
    done = run(server, tmp_path)
    assert done.returncode == 1
    assert "the cloud cannot be relied on" in done.stderr
    assert len(nova.posts()) <= posts
    assert server.status == "ACTIVE"


def test_a_lost_answer_is_not_followed_by_a_second_request(nova: Nova, tmp_path: Path) -> None:
    server = nova.boot("gpu-1", shelving_fails=True)
    nova.misbehaviour["POST", "/action"] = Misbehaviour.LOSE
    gone_for(600, tmp_path)
    assert run(server, tmp_path).returncode == 1
    done = run(server, tmp_path)
    assert "it was asked a short while ago" in done.stderr
    assert len(nova.posts()) == 1


def test_a_dry_run_asks_for_nothing(nova: Nova, tmp_path: Path) -> None:
    gone_for(600, tmp_path)
    done = run(nova.boot("gpu-1"), tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "has to sleep (a dry run: it is not asked)" in done.stderr
    assert nova.posts() == []


@pytest.mark.parametrize("name", ["GUARD_CLOUD", "SITE_URL", "REDIS_URL", "NODE_WORK_FOLDER"])
def test_a_missing_setting_is_named(nova: Nova, tmp_path: Path, name: str) -> None:
    done = run(nova.boot("gpu-1"), tmp_path, **{name: ""})
    assert done.returncode == 1
    assert f"{name} is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_loads_neither_celery_nor_the_worker() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "gpu_node.guard.run" in loaded
    assert {name.partition(".")[0] for name in loaded} & {"celery", "kombu", "django"} == set()
    assert "gpu_node.worker" not in loaded
