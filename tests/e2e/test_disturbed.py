"""Nothing is lost and nothing doubled, whatever is killed; nobody has to restart anything."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from tests.e2e.system import HEARTBEAT, LEASE, System, asleep

pytestmark = pytest.mark.timeout(300)


def test_one_lesson_through_every_disturbance(running: System, lesson: Path) -> None:
    """The worker is killed, then the whole main server at once, then Redis flushed and gone."""
    voiceover, made = running.tell("press", running.tell("hand_in", str(lesson)))
    assert made
    running.until(voiceover, lambda seen: seen["steps"] >= 8)
    running.kill_worker()
    running.until(voiceover, lambda seen: seen["attempts"] == ["lost", "running"])
    running.kill("web", "orchestrator", "beat", "flower")
    flush(running)
    running.keep_dead("redis", 10.0)
    seen = running.until(voiceover, lambda seen: seen["voiceover"] == "in_review")
    assert seen["attempts"] == ["lost", "succeeded"]
    assert seen["reused"] >= 6, "what was done before the kill was done again"
    assert seen["lines"] > 0
    running.until(voiceover, asleep)
    assert_whole_ledger(running)


def test_the_site_away_for_longer_than_a_lease(running: System, lesson: Path) -> None:
    voiceover, _ = running.tell("press", running.tell("hand_in", str(lesson)))
    running.until(voiceover, lambda seen: seen["job"] == "running")
    with running.frozen("web"):
        time.sleep(1.5 * LEASE)
    seen = running.until(voiceover, lambda seen: seen["voiceover"] == "in_review")
    assert seen["attempts"] == ["succeeded"]


def test_pressed_twice_is_one_job(running: System, lesson: Path) -> None:
    handed_in = running.tell("hand_in", str(lesson))
    voiceover, made = running.tell("press", handed_in)
    again, made_again = running.tell("press", handed_in)
    assert (made, made_again) == (True, False)
    assert voiceover == again
    assert running.look(voiceover)["jobs_of_lesson"] == 1
    running.tell("cancel", voiceover)


def test_a_cancelled_lesson_frees_the_node_within_two_heartbeats(
    running: System, lesson: Path
) -> None:
    voiceover, _ = running.tell("press", running.tell("hand_in", str(lesson)))
    running.until(voiceover, lambda seen: seen["steps"] >= 6)
    running.tell("cancel", voiceover)
    cancelled = time.monotonic()
    assert running.look(voiceover)["voiceover"] == "cancelled"
    # The next lesson is taken by the same worker as soon as it is free.
    following, _ = running.tell("press", running.tell("hand_in", str(lesson)))
    running.until(following, lambda seen: seen["job"] == "running", 20)
    assert time.monotonic() - cancelled <= 2 * HEARTBEAT + 3
    assert running.look(voiceover)["attempts"] == ["cancelled"]
    running.tell("cancel", following)


def test_a_lesson_deleted_while_it_is_dubbed(running: System, lesson: Path) -> None:
    handed_in = running.tell("hand_in", str(lesson))
    voiceover, _ = running.tell("press", handed_in)
    running.until(voiceover, lambda seen: seen["job"] == "running")
    running.tell("delete_lesson", handed_in)
    seen = running.look(voiceover)
    assert (seen["voiceover"], seen["job"]) == ("cancelled", "cancelled")
    assert "deleted" in seen["sentence"]
    running.until(voiceover, asleep)
    assert_whole_ledger(running)


def flush(running: System) -> None:
    """FLUSHALL, as by a careless hand."""
    url = Path(running.site.environment["REDIS_URL_FILE"]).read_text().strip()
    with redis.Redis.from_url(url) as client:
        assert client.flushall()


def assert_whole_ledger(running: System) -> None:
    wakings = running.tell("wakings")
    assert wakings
    for waking in wakings:
        assert all(end is not None for _, _, end in waking)
        assert all(one[2] == two[1] for one, two in pairwise(waking))
        assert waking[0][0] == "boot"
        assert waking[-1][0] == "shelving"
