"""The whole way with real processes: a job wakes a server at Nova, whose worker does it; it sleeps.

Real are the site under gunicorn, Celery's orchestrator and beat, Redis, Nova, Placement, Keystone,
and the node's worker, which lives for as long as Nova has its server ACTIVE.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.hypervisor import Hypervisor
from tests.cloud.running import ROOT, Cloud
from tests.cloud.site import CloudSite, cloud_site

pytestmark = pytest.mark.cloud

WITHIN = 90.0
NAME = "gpu-1"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: supervisord's socket has to fit into one."""
    var = ROOT / "var" / "tests"
    var.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="j-", dir=var))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Journey:
    """A site, its cloud, the systems of its servers, and a text to be counted."""

    def __init__(self, cloud: Cloud, site: CloudSite, hypervisor: Hypervisor, folder: Path) -> None:
        self.cloud, self.site, self.hypervisor = cloud, site, hypervisor
        self.gate = folder / "gate"
        self.diary = folder / "diary"
        token = secrets.token_hex(24)
        self.server: str = site.tell("enrol", NAME, token)
        hypervisor.plug_in(self.server, NAME, token)

    def submit(self) -> str:
        text = "one two\nwait three\n"
        job: str = self.site.tell("submit", text, str(self.diary), str(self.gate))
        return job

    def until(self, reached: Callable[[Any], object]) -> Any:
        """Look, while the servers' systems live, until something is so; what was seen then."""
        until = time.monotonic() + WITHIN
        while True:
            self.hypervisor.step()
            seen = self.site.tell("look")
            if reached(seen):
                return seen
            assert time.monotonic() < until, (seen, self.cloud.status(self.server))
            time.sleep(0.1)

    def asleep(self, seen: Any) -> bool:
        """Whether Nova has the server shelved, no worker is left, and nothing is billed."""
        shelved = self.cloud.status(self.server) == ("SHELVED_OFFLOADED", None)
        return shelved and not seen["billed"] and not self.hypervisor.running(self.server)


@pytest.fixture
def journey(cloud: Cloud, folder: Path) -> Iterator[Journey]:
    cloud.knobs(boot_seconds=0.5)
    cloud.create(NAME)
    with cloud_site(cloud, folder, (NAME,)) as site:
        hypervisor = Hypervisor(cloud, folder / "servers", site.for_nodes)
        try:
            yield Journey(cloud, site, hypervisor, folder)
        finally:
            hypervisor.close()


def test_a_job_wakes_a_server_is_done_there_and_the_server_sleeps_again(journey: Journey) -> None:
    assert journey.site.tell("check") == []
    before = len(journey.cloud.posts(journey.server))
    journey.gate.touch()
    job = journey.submit()
    # The worker has the job, and Nova shows the server it is on.
    journey.until(lambda _: journey.diary.exists())
    assert journey.cloud.status(journey.server) == ("ACTIVE", None)
    assert journey.server in journey.cloud.guests()
    seen = journey.until(lambda seen: seen["nodes"][NAME]["worker"] == "ready")
    assert seen["billed"] == [NAME]
    assert seen["jobs"][job]["state"] == "running"
    journey.gate.unlink()
    seen = journey.until(lambda seen: seen["jobs"][job]["state"] == "succeeded")
    assert seen["jobs"][job]["result"]["words"] == 4
    assert seen["jobs"][job]["attempts"] == ["succeeded"]
    seen = journey.until(journey.asleep)
    assert [what for what, _ in journey.cloud.posts(journey.server)[before:]] == [
        "unshelve",
        "shelve",
    ]
    assert {"boot", "job", "idle"} <= set(seen["causes"])
    # And once more, with what is on the server's disk.
    again = journey.submit()
    journey.until(lambda seen: seen["jobs"][again]["state"] == "succeeded")
    journey.until(journey.asleep)
