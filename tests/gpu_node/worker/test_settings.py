"""What the worker is told, and how it says that it was told wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_node.contracts.settings import SettingError, load
from gpu_node.guard.settings import GuardSettings
from gpu_node.worker.celery_app import celery_settings
from gpu_node.worker.pulse import Occupation, PulseWriter
from gpu_node.worker.settings import NodeSettings
from tests.gpu_node.worker.processes import ROOT

GOOD = {
    "NODE_NAME": "gpu-1",
    "NODE_TOKEN": "t0ken-t0ken-t0ken-t0ken",
    "SITE_URL": "https://site.example/",
    "REDIS_URL": "rediss://node:s3cret@redis.example:6379/0",
    "NODE_WORK_FOLDER": "/var/lib/dubfleet",
}

# In an interpreter of its own: this one has loaded half the world already.
IMPORT_WORKER = """
import sys
sys.modules["django"] = None  # not installed on a node; Celery and kombu look for it
import gpu_node.worker
assert gpu_node.worker.app.main == "gpu_node"
assert not gpu_node.worker.app.fixups
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "orchestrator", "campus"}, loaded
from celery import current_app
assert current_app.main != "gpu_node"
"""


def test_good_settings() -> None:
    settings = load(NodeSettings, GOOD)
    assert settings.site_url == "https://site.example"
    assert "t0ken" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NODE_NAME", "gpu 1"),
        ("NODE_NAME", "../x"),
        ("NODE_TOKEN", "short"),
        ("SITE_URL", "site.example"),
        ("SITE_URL", "file:///etc"),
        ("REDIS_URL", "amqp://redis.example"),
        ("REDIS_URL", "rediss:///0"),
        ("NODE_WORK_MAX_BYTES", "77"),
    ],
)
def test_a_wrong_setting_is_named_and_not_echoed(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name) as wrong:
        load(NodeSettings, {**GOOD, name: value})
    assert value not in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://gpu-1:s3cr/et@redis.example:6379/0",
        "redis://gpu-1:7/s3cret@redis.example",
        "redis://gpu-1:7#s3cret@redis.example",
        "redis://gpu-1:7?s3cret@redis.example",
        "redis://gpu-1:s3cr#et@redis.example",
        "redis://gpu-1:s3[cret@redis.example",
        "redis://redis.example:s3cret/0",
        "redis://gpu-1:s3cret@redis.example/zero",
    ],
)
def test_a_redis_url_that_cannot_be_read_is_refused_without_a_piece_of_it(url: str) -> None:
    for model, more in ((NodeSettings, {}), (GuardSettings, {"GUARD_CLOUD": "guard"})):
        with pytest.raises(SettingError, match="REDIS_URL is wrong") as wrong:
            load(model, {**GOOD, **more, "REDIS_URL": url})
        assert "%XX for every special character" in str(wrong.value)
        for piece in ("s3", "cr", "zero", "gpu-1", "redis.example"):
            assert piece not in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis.example",
        "redis://redis.example:6379/",
        "rediss://gpu-1:pa@ss%2Fword@redis.example/0?ssl_cert_reqs=required",
        "redis://:word@[::1]:6379/0",
    ],
)
def test_a_redis_url_that_can_be_read_is_taken(url: str, tmp_path: Path) -> None:
    taken = load(NodeSettings, {**GOOD, "REDIS_URL": url}).redis_url.get_secret_value()
    PulseWriter("gpu-1", "0123456789abcdef", taken, tmp_path, lambda: Occupation(busy=False))


def test_the_doorbell_is_json_acknowledged_early_and_the_nodes_own() -> None:
    settings = celery_settings(load(NodeSettings, GOOD))
    assert settings["accept_content"] == ["json"]
    assert settings["task_acks_late"] is False
    assert settings["worker_disable_prefetch"] is True
    assert settings["worker_concurrency"] == 1
    assert settings["worker_cancel_long_running_tasks_on_connection_loss"] is False
    assert [queue.name for queue in settings["task_queues"]] == ["node.gpu-1"]


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "NODE_"))}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_importing_the_worker_needs_no_settings_and_no_django() -> None:
    done = run("-c", IMPORT_WORKER, DJANGO_SETTINGS_MODULE="nowhere.settings")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "start", [("gpu_node.worker",), ("celery", "-A", "gpu_node.worker", "worker")]
)
def test_a_missing_setting_stops_it_with_one_sentence(start: tuple[str, ...]) -> None:
    left = {name: value for name, value in GOOD.items() if name != "SITE_URL"}
    done = run("-m", *start, **left)
    assert done.returncode != 0
    assert "SITE_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr
    assert GOOD["NODE_TOKEN"] not in done.stderr + done.stdout


def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{GOOD['NODE_TOKEN']}\n")
    given = {k: v for k, v in GOOD.items() if k != "NODE_TOKEN"} | {"NODE_TOKEN_FILE": str(file)}
    assert load(NodeSettings, given).node_token.get_secret_value() == GOOD["NODE_TOKEN"]
