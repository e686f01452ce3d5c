"""A worker's attempt at a job whose files travel over SFTP: the main server's links decide."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason
from gpu_node.transfers.ways import Ways
from gpu_node.worker.attempt import Outcome
from tests.gpu_node.worker.bench import Desk
from tests.gpu_node.worker.counting import words
from tests.gpu_node.worker.processes import wait_for
from tests.support.node_api import Site
from tests.support.sftp import SftpServer


class SftpSite(Site):
    """The main server with TRANSFER=sftp: it shows files, and looks at what came when asked."""

    def __init__(self, server: SftpServer) -> None:
        self.server = server
        super().__init__()

    def _sign(self, use: str, blob: Blob) -> str:
        if use == "r":
            shown = self.server.shown / blob.digest
            shown.write_bytes(self.blobs[blob.digest])
            shown.chmod(0o644)
            return f"{self.server.url()}/out/{blob.digest}"
        return f"{self.server.url()}/in/{blob.digest}"

    def adopt(self, request: str) -> None:
        if not request.endswith("/uploads"):
            return
        for came in self.server.sent.glob("*"):
            content = came.read_bytes()
            if hashlib.sha256(content).hexdigest() == came.name:
                self.blobs[came.name] = content
                came.unlink()


@pytest.fixture
def desk(server: SftpServer, tmp_path: Path) -> Desk:
    site = SftpSite(server)
    site.on_request = site.adopt
    desk = Desk(site, tmp_path)
    ways = Ways(server.access(tmp_path))
    desk.bench = dataclasses.replace(desk.bench, ways=ways)
    return desk


def test_a_job_is_done_and_no_file_travelled_over_https(desk: Desk) -> None:
    job = desk.text().submit(desk.site)
    assert desk.do() is Outcome.SUCCEEDED
    assert words(job) == 4
    page = job.completions[0].outputs["page"]
    assert desk.site.blobs[page.digest] == b"l001 2\nl002 1\nl003 1"
    assert not [request for request in desk.site.requests if "/blobs/" in request]
    desk.site.close()
    assert desk.site.misunderstood == []


def test_a_node_without_a_key_says_so_in_the_jobs_record(desk: Desk) -> None:
    desk.bench = dataclasses.replace(desk.bench, ways=None)
    job = desk.text().submit(desk.site)
    assert desk.do() is Outcome.FAILED
    assert job.failures[0].reason is Reason.INTERNAL
    assert "SFTP_KEY_FILE" in job.failures[0].sentence
    desk.site.close()


def test_a_worker_that_is_told_to_stop_leaves_a_transfer(desk: Desk, server: SftpServer) -> None:
    """Also while the server is away, and nothing else would end it."""
    server.ssh.stop()
    try:
        job = desk.text().submit(desk.site)
        thread = desk.begin()
        wait_for(lambda: job.beats)
        desk.stopping.set()
        assert desk.ended(thread) is Outcome.RELEASED
    finally:
        server.ssh.start()
    desk.site.close()
