"""A real SSH server that hands out files, and a desk that fetches and sends them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sftp import SftpServer, sftp_server


@pytest.fixture(scope="session")
def sftp_machine() -> Iterator[SftpServer]:
    with sftp_server() as server:
        yield server


@pytest.fixture
def server(sftp_machine: SftpServer) -> SftpServer:
    sftp_machine.clear()
    return sftp_machine
