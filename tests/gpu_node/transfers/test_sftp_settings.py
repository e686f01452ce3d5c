"""What a node is told of SFTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_node.contracts.settings import SettingError, load
from gpu_node.transfers.sftp_login import SftpAccess
from gpu_node.worker.settings import NodeSettings
from tests.gpu_node.worker.test_settings import GOOD

BOTH = {"SFTP_KEY_FILE": "/etc/dubfleet/key", "SFTP_KNOWN_HOSTS_FILE": "/etc/dubfleet/known"}


def test_nothing_is_needed_for_https() -> None:
    assert load(NodeSettings, GOOD).sftp is None


@pytest.mark.parametrize(("given", "user"), [({}, "gpu-1"), ({"SFTP_USER": "files"}, "files")])
def test_the_account_is_called_as_the_node_is(given: dict[str, str], user: str) -> None:
    sftp = load(NodeSettings, {**GOOD, **BOTH, **given}).sftp
    assert sftp == SftpAccess(user, Path("/etc/dubfleet/key"), Path("/etc/dubfleet/known"))


@pytest.mark.parametrize(
    "given",
    [{"SFTP_KEY_FILE": "/etc/dubfleet/key"}, {**BOTH, "SFTP_USER": "-oProxyCommand=x"}],
)
def test_settings_that_cannot_work(given: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        load(NodeSettings, {**GOOD, **given})
