"""A worker's bench in the test's own process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from gpu_node.client import NodeClient
from gpu_node.contracts.node_api import ClaimedJob, ClaimRequest
from gpu_node.worker.attempt import Bench, Outcome
from gpu_node.worker.folders import WorkFolder
from tests.gpu_node.worker.counting import Text
from tests.support.count_kind import COUNT
from tests.support.node_api import Site, SiteJob

LINES = ("one of two", "three", "the four")
BOOT = "0123456789abcdef"
LEASE_EVERY = 0.1


@dataclass
class Desk:
    """A worker's bench, worked at by a thread of the test."""

    site: Site
    folder: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site.heartbeat = LEASE_EVERY
        self.folders = WorkFolder(self.folder / "work", 1 << 30)
        self.folders.hold().close()
        self.bench = Bench(
            client=NodeClient(self.site.url, self.site.token),
            folders=self.folders,
            kinds={COUNT.name: COUNT},
            stopping=self.stopping.is_set,
            secrets=(self.site.token,),
        )

    def text(self, *lines: str) -> Text:
        return Text(self.folder / "text", lines or LINES)

    def claim(self) -> ClaimedJob:
        claimed = self.bench.client.claim(ClaimRequest(boot_id=BOOT, kinds=("count",))).job
        assert claimed is not None
        return claimed

    def do(self) -> Outcome:
        return self.bench.do(self.claim())

    def begin(self) -> threading.Thread:
        """Do a job in the background."""
        thread = threading.Thread(target=lambda: self.outcomes.append(self.do()))
        thread.start()
        return thread

    def ended(self, thread: threading.Thread) -> Outcome:
        thread.join(30)
        assert not thread.is_alive()
        return self.outcomes[-1]

    def left(self, job: SiteJob) -> list[str]:
        """What is kept of a job."""
        root = self.folders.job(job.id).root
        return sorted(path.name for path in root.iterdir()) if root.exists() else []
