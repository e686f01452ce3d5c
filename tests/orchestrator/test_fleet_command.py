"""The fleet from the command line."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestrator.models import Alert, LedgerEntry, Node
from orchestrator.states import Cause, CloudStatus, Wanted
from tests.orchestrator.rows import ManualClock, enrolled, submitted

pytestmark = pytest.mark.django_db


def fleet(*words: str) -> str:
    out = io.StringIO()
    call_command("fleet", *words, stdout=out)
    return out.getvalue().strip()


def as_json(*words: str) -> Any:
    return json.loads(fleet(*words, "--json"))


@pytest.fixture
def asleep(clock: ManualClock) -> Node:
    return enrolled("gpu-1", clock, cloud_status=CloudStatus.SHELVED_OFFLOADED, awake_since=None)


def test_status_says_what_each_node_does_and_why(asleep: Node, clock: ManualClock) -> None:
    submitted(clock)
    Alert.objects.create(kind="held", subject="gpu-1", sentence="It is.", raised_at=clock.now())
    assert fleet("status").splitlines() == [
        "1 queued, 0 running",
        "ALERT It is.",
        "gpu-1: asleep. It sleeps, and costs nothing.",
        "  last 24 h: nothing billed",
    ]
    [node] = as_json("status")["nodes"]
    assert (node["phase"], node["why"]) == ("asleep", "It sleeps, and costs nothing.")


def test_alerts_that_are_open_and_all_there_were(asleep: Node, clock: ManualClock) -> None:
    assert fleet("alerts") == "No alerts."
    facts = {"subject": "gpu-1", "node": asleep, "raised_at": clock.now()}
    Alert.objects.create(kind="held", sentence="It is held.", **facts)
    Alert.objects.create(kind="locked", sentence="It is locked.", cleared_at=clock.now(), **facts)
    assert fleet("alerts") == "2026-11-21 12:00 UTC  held  It is held."
    assert [one["kind"] for one in as_json("alerts")] == ["held"]
    assert "locked  It is locked. (over since 2026-11-21 12:00)" in fleet("alerts", "--all")


def test_an_open_alert_is_never_pushed_out_by_newer_ones(clock: ManualClock) -> None:
    Alert.objects.create(kind="cloud", subject="fleet", sentence="Still.", raised_at=clock.now())
    for number in range(60):
        at = clock.advance(60)
        Alert.objects.create(
            kind="held", subject="gpu-1", sentence=f"No. {number}", raised_at=at, cleared_at=at
        )
    told = as_json("alerts", "--all")
    assert len(told) == 51
    assert (told[0]["sentence"], told[-1]["sentence"]) == ("No. 59", "Still.")
    moments = [one["raised_at"] for one in told]
    assert moments == sorted(moments, reverse=True)


@pytest.fixture
def token(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text("a token that is long enough to be taken\n")
    return str(file)


def test_a_server_is_enrolled(token: str) -> None:
    assert fleet("enrol", "gpu-1", "--server", "s", "--token-file", token) == "gpu-1 is enrolled."
    assert Node.objects.get().server_id == "s"


@pytest.mark.parametrize("name", ["gpu.1", "GPU-1", "gpu 1", "g" * 70, ""])
def test_a_name_that_no_host_could_have_is_refused_in_a_sentence(token: str, name: str) -> None:
    with pytest.raises(CommandError, match="name has small letters, digits and hyphens"):
        fleet("enrol", name, "--server", "s", "--token-file", token)
    assert not Node.objects.exists()


def test_a_server_that_does_not_fit_the_column_is_refused_in_a_sentence(token: str) -> None:
    with pytest.raises(CommandError, match="at most 64 characters"):
        fleet("enrol", "gpu-1", "--server", "s" * 65, "--token-file", token)
    assert not Node.objects.exists()


def test_a_token_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(CommandError, match="token file cannot be read"):
        fleet("enrol", "gpu-1", "--server", "s", "--token-file", str(file))
    file.write_bytes(b"\xff\xfe" * 20)
    with pytest.raises(CommandError) as refused:
        fleet("enrol", "gpu-1", "--server", "s", "--token-file", str(file))
    assert str(refused.value) == "The token file is not UTF-8 text."


def test_costs_of_a_month(asleep: Node, clock: ManualClock) -> None:
    LedgerEntry.objects.create(
        node=asleep,
        cause=Cause.IDLE,
        started_at=clock.now(),
        ended_at=clock.now() + timedelta(hours=2),
        price_per_hour=Decimal("82.76"),
    )
    report = as_json("costs", "--month", "2026-11", "--by", "cause")
    assert report["rows"][0]["names"] == ["idle"]
    # The clock of the database is what ends the month that lasts.
    later = as_json("costs", "--month", "2026-10")
    assert (later["total"], later["rows"]) == ("0.00", [])
    lines = fleet("costs", "--month", "2026-11", "--by", "lesson").splitlines()
    assert lines[0] == "2026-11, in RUB"
    assert lines[1].split() == ["course", "lesson", "jobs", "hours", "own", "overhead", "total"]
    assert lines[-1].startswith("all")


def test_what_is_no_month_is_refused_in_a_sentence() -> None:
    with pytest.raises(CommandError, match="A month is written like 2026-11"):
        fleet("costs", "--month", "November")


def test_a_node_is_tried_again_renamed_and_retired(asleep: Node, clock: ManualClock) -> None:
    Node.objects.filter(pk=asleep.pk).update(
        failures=3, not_before=clock.now() + timedelta(days=9000)
    )
    assert as_json("retry", "gpu-1")["nodes"][0]["next_try_at"] is None
    assert as_json("rename", "gpu-1", "big-1")["nodes"][0]["name"] == "big-1"
    assert as_json("retire", "big-1")["nodes"] == []
    asleep.refresh_from_db()
    assert asleep.wanted == Wanted.HELD


def test_an_order_that_cannot_be_followed_says_why(clock: ManualClock) -> None:
    enrolled("gpu-1", clock)
    with pytest.raises(CommandError, match="gpu-1 is awake: drain it before it is retired"):
        fleet("retire", "gpu-1")
    with pytest.raises(CommandError, match=r"no node called gpu-9\. Known nodes: gpu-1"):
        fleet("retry", "gpu-9")
