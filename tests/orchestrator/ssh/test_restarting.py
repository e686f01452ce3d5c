"""A deaf worker is restarted, or it is said why not."""

from __future__ import annotations

import pytest

from orchestrator.ssh import RestartWorker
from tests.orchestrator.ssh.conftest import NAME, Desk


def test_the_workers_unit_is_restarted(desk: Desk) -> None:
    desk.program("systemctl", "exit 0")
    said = RestartWorker(desk.shell())(NAME, "127.0.0.1")
    assert said == "dubfleet-worker.service was restarted over SSH."
    assert desk.asked == ["systemctl restart --no-block -- dubfleet-worker.service"]


@pytest.mark.parametrize("address", ["127.0.0.1", "", "gpu-1.example"])
def test_whatever_happens_is_one_sentence(desk: Desk, address: str) -> None:
    desk.know("")
    said = RestartWorker(desk.shell())(NAME, address)
    assert said.startswith("The worker was not restarted: ")
