"""The local cloud's API, on real files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.providers import provider
from orchestrator.providers.local import LocalProvider
from orchestrator.providers.local_files import ServerFolder
from orchestrator.providers.local_state import Fault, ServerState, Task
from orchestrator.providers.port import CloudError, CloudErrorKind
from orchestrator.settings import FleetSettings
from orchestrator.states import CloudStatus, OperationKind


@pytest.fixture
def cloud(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "cloud", ("gpu-1", "gpu-2"))


def test_the_settings_name_it(tmp_path: Path) -> None:
    settings = FleetSettings(fleet_local_folder=str(tmp_path), fleet_servers=("a", "b"))
    assert [one.server_id for one in provider(settings).list()] == ["a", "b"]


def test_what_was_asked_is_seen_by_everybody(cloud: LocalProvider, tmp_path: Path) -> None:
    request = cloud.unshelve("gpu-1")
    other = LocalProvider(tmp_path / "cloud", ("gpu-1",))
    assert other.get("gpu-1").task_state == "unshelving"
    [action] = other.actions("gpu-1")
    assert (action.request_id, action.kind, action.result) == (
        request,
        OperationKind.UNSHELVE,
        None,
    )
    assert cloud.get("gpu-2").task_state is None


def test_of_many_at_once_one_is_taken(cloud: LocalProvider) -> None:
    def ask(_: int) -> str | CloudErrorKind:
        try:
            return cloud.unshelve("gpu-1")
        except CloudError as error:
            return error.kind

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(16)))
    taken = [one for one in answers if not isinstance(one, CloudErrorKind)]
    assert len(taken) == 1
    assert answers.count(CloudErrorKind.CONFLICT) == 15
    assert [one.request_id for one in cloud.actions("gpu-1")] == taken


def test_a_server_that_is_not_ours_is_gone(cloud: LocalProvider) -> None:
    for name in ("gpu-3", "../gpu-1", ""):
        with pytest.raises(CloudError) as refusal:
            cloud.get(name)
        assert refusal.value.kind is CloudErrorKind.GONE


def test_faults_and_locks_are_set_from_outside(cloud: LocalProvider, tmp_path: Path) -> None:
    cloud.inject("gpu-1", Fault.NO_CAPACITY)
    cloud.inject("gpu-1", Fault.BOOT_HANGS)
    cloud.lock("gpu-1")
    state = ServerFolder(tmp_path / "cloud" / "gpu-1").read()
    assert state.faults == (Fault.NO_CAPACITY, Fault.BOOT_HANGS)
    with pytest.raises(CloudError) as refusal:
        cloud.unshelve("gpu-1")
    assert refusal.value.kind is CloudErrorKind.LOCKED
    cloud.lock("gpu-1", False)
    cloud.unshelve("gpu-1")


@pytest.mark.parametrize(
    "torn", [b"", b'{"status": "ACT', b"\xff\x00", b"[]", b'{"status": "NEVER HEARD OF"}']
)
def test_a_damaged_file_is_a_sleeping_server(
    torn: bytes, cloud: LocalProvider, tmp_path: Path
) -> None:
    folder = ServerFolder(tmp_path / "cloud" / "gpu-1")
    folder.path.mkdir(parents=True)
    folder.state_file.write_bytes(torn)
    assert cloud.get("gpu-1").status is CloudStatus.SHELVED_OFFLOADED
    assert ServerState.model_validate_json(folder.state_file.read_bytes()) == ServerState()
    folder.state_file.write_bytes(torn)
    cloud.unshelve("gpu-1")
    assert folder.read().task_state is Task.UNSHELVING


def test_a_file_from_another_version_is_read(cloud: LocalProvider, tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / "cloud" / "gpu-1")
    folder.path.mkdir(parents=True)
    folder.state_file.write_text('{"status": "ACTIVE", "since": null, "colour": "blue"}')
    assert cloud.get("gpu-1").status is CloudStatus.ACTIVE


def test_a_folder_that_cannot_be_used_is_the_clouds_trouble(tmp_path: Path) -> None:
    (tmp_path / "cloud").write_text("a file where the folder should be")
    cloud = LocalProvider(tmp_path / "cloud", ("gpu-1",))
    for ask in (cloud.get, cloud.unshelve):
        with pytest.raises(CloudError) as refusal:
            ask("gpu-1")
        assert refusal.value.kind is CloudErrorKind.TRANSIENT
        assert "folder cannot be used" in refusal.value.sentence


def test_nothing_is_left_beside_the_files(cloud: LocalProvider, tmp_path: Path) -> None:
    cloud.unshelve("gpu-1")
    cloud.lock("gpu-1")
    assert sorted(one.name for one in (tmp_path / "cloud" / "gpu-1").iterdir()) == [
        "lock",
        "state.json",
    ]
