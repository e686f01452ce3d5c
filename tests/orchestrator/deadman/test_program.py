"""`python -m orchestrator.deadman` as the timer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gpu_node.contracts.watch import Instant, alone, instant
from orchestrator import pulse
from tests.orchestrator.deadman.nova import SECRET, Nova
from tests.support.redis import RedisServer, free_port

ROOT = Path(__file__).resolve().parents[3]
LONG = timedelta(hours=14)

IMPORT_ALL = """
import importlib, pkgutil, sys
import orchestrator.deadman as deadman
import orchestrator.pulse
for module in pkgutil.walk_packages(deadman.__path__, deadman.__name__ + "."):
    importlib.import_module(module.name)
sys.stdout.write("\\n".join(sys.modules))
"""


def run(
    nova: Nova, tmp_path: Path, redis_url: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.deadman", *arguments],
        cwd=ROOT,
        env={
            **clean,
            "DEADMAN_CLOUD": "guard",
            "DEADMAN_STATE": str(tmp_path / "deadman" / "memory.json"),
            "REDIS_URL": redis_url,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_look_shelves_what_is_awake_for_too_long(
    nova: Nova, redis: RedisServer, tmp_path: Path
) -> None:
    old, young = nova.boot("gpu-1", awake_for=LONG), nova.boot("gpu-2")
    pulse.beat(redis.url)
    done = run(nova, tmp_path, redis.url)
    assert done.returncode == 0, done.stderr
    assert (old.status, young.status) == ("SHELVED_OFFLOADED", "ACTIVE")
    assert f"gpu-1 ({old.id}): shelve: it has been awake for 14.0 h" in done.stderr
    assert f"gpu-2 ({young.id}): leave: " in done.stderr
    assert old.actions[0]["request_id"] in done.stderr
    again = run(nova, tmp_path, redis.url)
    assert again.returncode == 0, again.stderr
    assert "asleep: it is SHELVED_OFFLOADED, as it was asked to be" in again.stderr
    assert len(nova.posts()) == 1
    assert SECRET not in done.stderr + again.stderr


def test_a_dry_run_asks_for_nothing(nova: Nova, redis: RedisServer, tmp_path: Path) -> None:
    nova.boot("gpu-1", awake_for=LONG)
    done = run(nova, tmp_path, redis.url, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "a dry run" in done.stderr
    assert nova.posts() == []


def test_another_tag_and_another_maximum(nova: Nova, redis: RedisServer, tmp_path: Path) -> None:
    ours = nova.boot("gpu-1", awake_for=timedelta(hours=4), metadata={"team": "dubs"})
    nova.boot("gpu-2", awake_for=LONG)
    more = {"FLEET_SERVER_TAG": "team=dubs", "FLEET_MAX_UPTIME_HOURS": "2.5"}
    done = run(nova, tmp_path, redis.url, **more)
    assert done.returncode == 0, done.stderr
    assert nova.posts() == [f"/v2.1/servers/{ours.id}/action"]


def test_without_redis_somebody_is_told_and_the_uptime_still_counts(
    nova: Nova, tmp_path: Path
) -> None:
    nova.boot("gpu-1", awake_for=LONG)
    nova.boot("gpu-2")
    done = run(nova, tmp_path, f"redis://:a-password@127.0.0.1:{free_port()}/0")
    assert done.returncode == 1
    assert len(nova.posts()) == 1
    assert "Redis cannot be asked" in done.stderr
    assert "a-password" not in done.stderr


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"DEADMAN_CLOUD": ""}, "DEADMAN_CLOUD is not set"),
        ({"DEADMAN_CLOUD": "nowhere"}, "the cloud cannot be asked: ConfigException"),
        ({"FLEET_SERVER_TAG": "dubfleet"}, "FLEET_SERVER_TAG is wrong: it has to be written"),
        ({"FLEET_MAX_UPTIME_HOURS": "0"}, "FLEET_MAX_UPTIME_HOURS is wrong"),
        ({"DEADMAN_STATE": "/proc/no/where"}, "DEADMAN_STATE cannot be used"),
    ],
)
def test_a_bad_setting_is_refused_with_a_sentence(
    nova: Nova, redis: RedisServer, tmp_path: Path, more: dict[str, str], sentence: str
) -> None:
    nova.boot("gpu-1", awake_for=LONG)
    done = run(nova, tmp_path, redis.url, **more)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert nova.posts() == []


def test_a_credential_that_is_refused(nova: Nova, redis: RedisServer, tmp_path: Path) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(clouds.read_text().replace(SECRET, "an-old-secret"))
    done = run(nova, tmp_path, redis.url)
    assert done.returncode == 1
    assert "the cloud cannot be asked: Unauthorized 401" in done.stderr
    assert "an-old-secret" not in done.stderr


def test_two_looks_at_once(nova: Nova, redis: RedisServer, tmp_path: Path) -> None:
    nova.boot("gpu-1", awake_for=LONG)
    with alone(tmp_path / "deadman" / "memory.json"):
        done = run(nova, tmp_path, redis.url)
    assert (done.returncode, nova.posts()) == (1, [])
    assert "another look is being taken" in done.stderr


def test_it_loads_neither_django_nor_celery() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "orchestrator" in loaded
    assert loaded & {"django", "celery", "kombu", "campus"} == set()


def test_its_clock_only_goes_on() -> None:
    moments: list[Instant] = [instant() for _ in range(100)]
    assert moments == sorted(moments, key=lambda one: one.seconds)
    assert len({one.boot for one in moments}) == 1
