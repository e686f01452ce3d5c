"""One call and its answer, over real HTTP, with what comes between them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_node.client import (
    NodeClient,
    NotUnderstood,
    Refused,
    SiteAway,
    persist,
)
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.node_api import (
    ClaimRequest,
    Failure,
    JobBeat,
    NodeBeat,
    RefusalReason,
    Release,
    StageState,
    WorkerState,
)
from tests.gpu_node.worker.counting import Text
from tests.support.faults import Fault, Kind
from tests.support.node_api import Site

BOOT = "0123456789abcdef"
BEAT = NodeBeat(boot_id=BOOT, state=WorkerState.READY, program_version="1", kinds=("count",))
CLAIM = ClaimRequest(boot_id=BOOT, kinds=("count",))


@pytest.fixture
def client(site: Site) -> NodeClient:
    return NodeClient(f"{site.url}/", site.token)


def test_a_beat_is_answered_with_orders(site: Site, client: NodeClient) -> None:
    site.stop_ordered = True
    assert client.beat(BEAT).stop
    assert site.beats == [BEAT]


def test_a_job_from_its_claim_to_its_return(site: Site, client: NodeClient, tmp_path: Path) -> None:
    assert client.claim(CLAIM).job is None
    job = Text(tmp_path, ["one two"]).submit(site)
    claimed = client.claim(CLAIM).job
    assert claimed is not None and claimed.job == job.id
    stage = StageState(stage="count", done=1, total=2)
    beat = JobBeat(token=claimed.token, steps=1, stages=(stage,))
    assert client.job_beat(job.id, beat).downloads == claimed.downloads
    client.release(job.id, Release(token=claimed.token))
    assert (job.beats, job.releases, job.state) == ([beat], 1, "queued")


def test_who_does_not_prove_who_it_is_is_refused(site: Site) -> None:
    with pytest.raises(Refused) as refused:
        NodeClient(site.url, "another-node's-token").beat(BEAT)
    assert refused.value.reason is RefusalReason.NODE_UNKNOWN


def test_a_superseded_token_is_refused(site: Site, client: NodeClient, tmp_path: Path) -> None:
    job = Text(tmp_path, ["one"]).submit(site)
    first, second = client.claim(CLAIM).job, client.claim(CLAIM).job
    assert first is not None and second is not None
    failure = Failure(token=first.token, reason=Reason.INTERNAL, sentence="Oops.")
    with pytest.raises(Refused) as refused:
        client.fail(job.id, failure)
    assert refused.value.reason is RefusalReason.SUPERSEDED


@pytest.mark.parametrize("job", ["unknown", "../../admin", "a/b"])
def test_an_unknown_job_is_refused(site: Site, client: NodeClient, job: str) -> None:
    with pytest.raises(Refused) as refused:
        client.release(job, Release(token="t" * 16))
    assert refused.value.reason is RefusalReason.JOB_UNKNOWN
    assert all(request.startswith("POST /api/node/v1/jobs/") for request in site.requests)


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_not_now_means_try_again(site: Site, client: NodeClient, status: int) -> None:
    site.faults.add(Fault("heartbeat", Kind.STATUS, status, headers={"Retry-After": "7"}))
    with pytest.raises(SiteAway) as away:
        client.beat(BEAT)
    assert not isinstance(away.value, NotUnderstood)
    assert away.value.asked == 7


@pytest.mark.parametrize(
    "fault",
    [
        Fault("heartbeat", Kind.LIE),
        Fault("heartbeat", Kind.STATUS, 404),
        Fault("heartbeat", Kind.STATUS, 403),
        Fault("heartbeat", Kind.STATUS, 302, headers={"Location": "http://127.0.0.1:9/"}),
    ],
    ids=lambda fault: f"{fault.kind.name} {fault.status}",
)
def test_what_somebody_else_answers_is_not_believed(
    site: Site, client: NodeClient, fault: Fault
) -> None:
    """A proxy's 404 must not make a node throw its work away."""
    site.faults.add(fault)
    with pytest.raises(NotUnderstood):
        client.beat(BEAT)


def test_a_connection_that_breaks_is_trouble_that_passes(site: Site, client: NodeClient) -> None:
    site.faults.add(Fault("heartbeat", Kind.DROP))
    with pytest.raises(SiteAway):
        client.beat(BEAT)
    client.beat(BEAT)


def test_a_site_that_is_away_is_trouble_that_passes(site: Site, client: NodeClient) -> None:
    site.close()
    with pytest.raises(SiteAway) as away:
        client.beat(BEAT)
    assert site.token not in str(away.value)
    site.open()
    client.beat(BEAT)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_silence_is_not_waited_for_for_ever(silent: str) -> None:
    began = time.monotonic()
    with pytest.raises(SiteAway):
        NodeClient(silent, "t" * 16).beat(BEAT, quick=True)
    assert time.monotonic() - began < 10


def test_a_machines_netrc_does_not_take_the_tokens_place(
    site: Site, client: NodeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", os.fspath(netrc))
    client.beat(BEAT)


def test_persist_tries_until_there_is_an_answer(site: Site, client: NodeClient) -> None:
    site.faults.add(Fault("heartbeat", Kind.STATUS, 503), times=3)
    site.faults.add(Fault("heartbeat", Kind.DROP))
    waits: list[float] = []
    assert persist(lambda: client.beat(BEAT), waits.append).heartbeat_seconds == site.heartbeat
    assert len(waits) == 4


def test_persist_waits_as_the_server_asks() -> None:
    waits: list[float] = []
    troubles = iter([SiteAway("busy", 7.0), None])

    def call() -> None:
        trouble = next(troubles)
        if trouble is not None:
            raise trouble

    persist(call, waits.append)
    assert waits[0] >= 7.0


def test_persist_ends_when_the_answer_is_not_wanted_any_more(client: NodeClient) -> None:
    class Enough(Exception): ...

    def wait(_: float) -> None:
        raise Enough

    def call() -> None:
        raise SiteAway("away")

    with pytest.raises(Enough):
        persist(call, wait)


def test_persist_does_not_repeat_what_was_refused(site: Site, client: NodeClient) -> None:
    with pytest.raises(Refused):
        persist(lambda: client.release("unknown", Release(token="t" * 16)), lambda _: None)
    assert len(site.requests) == 1


def test_what_is_never_understood_is_given_up(site: Site, client: NodeClient) -> None:
    site.faults.add(Fault("heartbeat", Kind.LIE), times=100)
    with pytest.raises(NotUnderstood):
        persist(lambda: client.beat(BEAT), lambda _: None, most_odd=5)
    assert len(site.faults.done) == 5


def test_threads_may_share_a_client(site: Site, client: NodeClient) -> None:
    threads = [threading.Thread(target=client.beat, args=(BEAT,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.beats) == 8
