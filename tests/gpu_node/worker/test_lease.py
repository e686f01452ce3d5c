"""The hold on a job: renewed from a thread, lost by a refusal only."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gpu_node.client import NodeClient, Refused
from gpu_node.contracts.node_api import ClaimRequest, RefusalReason
from gpu_node.worker.lease import Dropped, Lease, Why
from tests.gpu_node.worker.counting import Text
from tests.gpu_node.worker.processes import wait_for
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site, SiteJob

EVERY = 0.1


class Claimed:
    """A job of ours."""

    def __init__(self, site: Site, folder: Path, every: float = EVERY) -> None:
        self.job: SiteJob = Text(folder, ["one"]).submit(site)
        client = NodeClient(site.url, site.token)
        claimed = client.claim(ClaimRequest(boot_id="0123456789", kinds=("count",))).job
        assert claimed is not None
        self.stopping = threading.Event()
        self.lease = Lease(
            client,
            claimed.job,
            claimed.token,
            every=every,
            stopping=self.stopping.is_set,
            downloads=claimed.downloads,
        )


@pytest.fixture
def claimed(site: Site, tmp_path: Path) -> Claimed:
    return Claimed(site, tmp_path)


def test_it_is_renewed_until_it_is_left(claimed: Claimed) -> None:
    with claimed.lease:
        wait_for(lambda: len(claimed.job.beats) > 2)
        claimed.lease.look()
    beats = len(claimed.job.beats)
    time.sleep(4 * EVERY)
    assert len(claimed.job.beats) <= beats + 1


@pytest.mark.parametrize("why", [Why.CANCELLED, Why.SUPERSEDED, Why.UNKNOWN])
def test_a_refusal_ends_the_work(site: Site, claimed: Claimed, why: Why) -> None:
    with claimed.lease:
        if why is Why.CANCELLED:
            site.cancel(claimed.job)
        elif why is Why.SUPERSEDED:
            site.supersede(claimed.job)
        else:
            del site.jobs[claimed.job.id]
        assert claimed.lease.stop.wait(20 * EVERY)
        with pytest.raises(Dropped) as dropped:
            claimed.lease.pause(10)
        assert dropped.value.why is why


def test_a_pause_is_cut_short_by_a_refusal(site: Site, claimed: Claimed) -> None:
    with claimed.lease:
        threading.Timer(2 * EVERY, site.cancel, [claimed.job]).start()
        began = time.monotonic()
        with pytest.raises(Dropped):
            claimed.lease.pause(30)
        assert time.monotonic() - began < 5


def test_a_site_that_is_away_ends_nothing(site: Site, claimed: Claimed) -> None:
    with claimed.lease:
        site.close()
        time.sleep(5 * EVERY)
        claimed.lease.look()
        site.open()
        beats = len(claimed.job.beats)
        wait_for(lambda: len(claimed.job.beats) > beats)
        assert not claimed.lease.stop.is_set()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/heartbeat", Kind.STATUS, 404),
        Fault("/heartbeat", Kind.STATUS, 409),
        Fault("/heartbeat", Kind.LIE),
        Fault("/heartbeat", Kind.LOSE),
    ],
    ids=lambda fault: f"{fault.kind.name} {fault.status}",
)
def test_what_somebody_else_says_ends_nothing(site: Site, claimed: Claimed, fault: Fault) -> None:
    site.faults.add(fault, times=3)
    with claimed.lease:
        wait_for(lambda: len(site.faults.done) == 3 and len(claimed.job.beats) > 1)
        claimed.lease.look()


def test_a_token_the_site_does_not_know_today_may_be_known_tomorrow(
    site: Site, claimed: Claimed
) -> None:
    token, site.token = site.token, "rotated"
    with claimed.lease:
        time.sleep(4 * EVERY)
        claimed.lease.look()
        site.token = token
        wait_for(lambda: claimed.job.beats)


def test_fresh_links_come_with_the_answer(site: Site, claimed: Claimed) -> None:
    before = claimed.lease.link("text")
    site.expire_links()
    assert claimed.lease.beat()
    assert claimed.lease.link("text") not in (None, before)
    site.close()
    assert not claimed.lease.beat()


def test_a_worker_that_stops_ends_the_work_at_once_but_not_a_delivery(claimed: Claimed) -> None:
    with claimed.lease:
        claimed.stopping.set()
        assert claimed.lease.stop.wait(2)
        claimed.lease.look(grace=30)
        with pytest.raises(Dropped) as dropped:
            claimed.lease.look()
        assert dropped.value.why is Why.STOPPING
        with pytest.raises(Dropped):
            claimed.lease.pause(30, grace=0.5)


def test_a_site_that_is_slow_to_answer_does_not_make_the_worker_slow_to_stop(
    site: Site, claimed: Claimed
) -> None:
    site.faults.add(Fault("/heartbeat", Kind.SLOW, seconds=5.0))
    with claimed.lease:
        wait_for(lambda: site.faults.done)
        claimed.stopping.set()
        assert claimed.lease.stop.wait(2)


def test_what_was_finished_is_told_before_the_heartbeat_is_due(site: Site, tmp_path: Path) -> None:
    claimed = Claimed(site, tmp_path, every=30.0)
    with claimed.lease:
        claimed.lease.stages.share_of("download")(1.0)
        wait_for(lambda: claimed.job.beats, 5)
        assert claimed.job.beats[-1].steps == 1
        time.sleep(1.5)
        assert len(claimed.job.beats) == 1


def test_other_refusals_are_the_callers_affair(claimed: Claimed) -> None:
    claimed.lease.end(Refused(RefusalReason.OUTPUT_MISSING, "No."))
    claimed.lease.look()
