"""A cloud on the loopback, known to openstacksdk as `guard`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.deadman.nova import Nova, nova_cloud


@pytest.fixture
def nova(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nova]:
    with nova_cloud() as cloud:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.write_clouds(tmp_path)))
        yield cloud
