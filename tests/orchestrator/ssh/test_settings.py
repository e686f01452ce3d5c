"""A bad configuration is refused at start with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_node.contracts.settings import SettingError, load
from orchestrator.ssh.settings import SshSettings, check, node_shell
from tests.support.sshd import make_key


def test_without_a_key_there_is_no_shell() -> None:
    assert node_shell(load(SshSettings, {})) is None
    check(load(SshSettings, {}))


def test_what_is_set_is_used(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    known = tmp_path / "known"
    known.write_text("")
    given = {
        "FLEET_SSH_KEY_FILE": str(key),
        "FLEET_SSH_KNOWN_HOSTS": str(known),
        "FLEET_SSH_USER": "ops",
        "FLEET_SSH_UNITS": "a.service, b@1.service",
        "FLEET_SSH_SECONDS": "7",
    }
    settings = load(SshSettings, given)
    check(settings)
    shell = node_shell(settings)
    assert shell is not None
    assert (shell.worker, shell.names) == ("a.service", ("a.service", "b@1.service"))
    assert (shell.access.user, shell.access.key_file, shell.bounds.seconds) == ("ops", key, 7)


@pytest.mark.parametrize(
    "given",
    [
        {"FLEET_SSH_KEY_FILE": "/nowhere"},
        {"FLEET_SSH_UNITS": "worker"},
        {"FLEET_SSH_UNITS": "worker.service; reboot"},
        {"FLEET_SSH_UNITS": ","},
        {"FLEET_SSH_USER": "-oProxyCommand=x"},
        {"FLEET_SSH_SECONDS": "0"},
    ],
)
def test_settings_that_cannot_work(given: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        load(SshSettings, given)


@pytest.mark.parametrize("missing", ["key", "known"])
def test_files_that_are_no_use_are_named(tmp_path: Path, missing: str) -> None:
    files = {"key": make_key(tmp_path / "key"), "known": tmp_path / "known"}
    files["known"].write_text("")
    files[missing].unlink()
    settings = SshSettings(fleet_ssh_key_file=files["key"], fleet_ssh_known_hosts=files["known"])
    with pytest.raises(SettingError, match="FLEET_SSH_K"):
        check(settings)
