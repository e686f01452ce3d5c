from __future__ import annotations

from pathlib import Path

import pytest

from campus.standalone.processes import (
    Layout,
    SitePorts,
    environment,
    flower_config,
    processes,
)
from campus.standalone.redis import RedisProgram

LAYOUT = Layout(
    folder=Path("/srv/site"),
    logs=Path("/srv/log"),
    ports=SitePorts(site=8001, flower=5556, redis=16380),
    nodes=("gpu-1", "gpu-2"),
    settings={"FLEET_IDLE_MINUTES": "0.1"},
)
REDIS = RedisProgram("/usr/bin/redis-check-rdb", "redis-server")


def test_what_runs_and_what_needs_what() -> None:
    tiers = {one.name: one.tier for one in processes(LAYOUT, REDIS)}
    assert tiers == {"redis": 0, "web": 0, "orchestrator": 1, "beat": 1, "cloud": 1, "flower": 1}


def test_all_of_it_can_be_stopped_in_less_than_a_minute() -> None:
    slowest = {one.tier: 0 for one in processes(LAYOUT, REDIS)}
    for one in processes(LAYOUT, REDIS):
        slowest[one.tier] = max(slowest[one.tier], one.stop_seconds)
    assert sum(slowest.values()) <= 54


def test_servers_listen_on_the_loopback_only() -> None:
    words = [word for one in processes(LAYOUT, REDIS) for word in one.command]
    assert "127.0.0.1:8001" in words
    assert not [word for word in words if "0.0.0.0" in word]  # noqa: S104  # looked for, not used
    assert "address = '127.0.0.1'" in flower_config(5556, "flower", "secret")


def test_the_site_gets_its_settings_and_secrets_by_their_files() -> None:
    told = environment(LAYOUT, {"PATH": "/bin"})
    assert told["SITE_URL"] == "http://127.0.0.1:8001"
    assert told["FLEET_SERVERS"] == "gpu-1,gpu-2"
    assert told["FLEET_IDLE_MINUTES"] == "0.1"
    files = [told["SECRET_KEY_FILE"], told["REDIS_URL_FILE"]]
    assert files == ["/srv/site/secrets/django-secret-key", "/srv/site/run/redis-url"]
    assert not {"SECRET_KEY", "REDIS_URL", "DATABASE_URL"} & told.keys()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("FLEET_TICK_SECONDS", True),
        ("LOCAL_BOOT_SECONDS", True),
        ("HOST_PROCESSING_SECONDS", True),
        ("LANG", True),
        ("DATABASE_URL", False),
        ("SECRET_KEY", False),
        ("REDIS_URL", False),
        ("EMAIL_HOST", False),
        ("PYTHONPATH", False),
        ("http_proxy", False),
        ("AWS_SECRET_ACCESS_KEY", False),
    ],
)
def test_only_times_and_prices_may_come_from_outside(name: str, kept: bool) -> None:
    assert (environment(LAYOUT, {name: "5"}).get(name) == "5") is kept


@pytest.mark.parametrize("name", ["SITE_URL", "FLEET_SERVERS", "FLEET_LOCAL_FOLDER"])
def test_where_things_are_is_not_to_be_said_from_outside(name: str) -> None:
    assert environment(LAYOUT, {name: "elsewhere"})[name] != "elsewhere"
