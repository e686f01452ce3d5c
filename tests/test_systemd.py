"""The units in systemd/ fit the programs that they start; systemd itself is not run here."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpu_node.contracts.settings import Settings
from gpu_node.contracts.watch import GAP_SECONDS, LOOK_SECONDS, SILENT_SECONDS
from gpu_node.guard.settings import GuardSettings
from orchestrator.deadman.settings import DeadmanSettings

ROOT = Path(__file__).resolve().parents[1]
UNITS = ROOT / "systemd"
PYTHON = "/opt/dubfleet/.venv/bin/python"

Unit = dict[str, dict[str, list[str]]]

GUARDS: dict[str, tuple[str, str, type[Settings]]] = {
    "dubfleet-switch": ("orchestrator.deadman", "switch", DeadmanSettings),
    "dubfleet-guard": ("gpu_node.guard", "guard", GuardSettings),
}
guards = pytest.mark.parametrize("name", GUARDS)
SPEECH = "chatterbox-tts.service"


def read(name: str) -> Unit:
    """Section, key, all its values: a key may be there more than once, which configparser minds."""
    unit: Unit = {}
    section = ""
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            unit[section] = {}
            continue
        key, found, value = line.partition("=")
        assert found, line
        unit[section].setdefault(key, []).append(value)
    return unit


def only(unit: Unit, section: str, key: str) -> str:
    [value] = unit[section][key]
    return value


def test_there_is_no_unit_that_is_not_tested() -> None:
    expected = {f"{name}.{kind}" for name in GUARDS for kind in ("service", "timer")} | {SPEECH}
    assert {file.name for file in UNITS.iterdir()} == expected


@guards
def test_it_starts_a_program_that_exists_with_options_that_it_knows(name: str) -> None:
    python, dash_m, module, *options = only(read(f"{name}.service"), "Service", "ExecStart").split()
    assert (python, dash_m, module) == (PYTHON, "-m", GUARDS[name][0])
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    done = subprocess.run(
        [sys.executable, "-m", module, *options, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A dry run that was left in would guard nothing.
    assert "--dry-run" in done.stdout
    assert options == []


@guards
def test_what_it_is_told_is_understood(name: str) -> None:
    """Variables of the unit itself, and those that its head says have to be in the file."""
    _, short, settings = GUARDS[name]
    unit = read(f"{name}.service")
    given = dict(one.split("=", 1) for one in unit["Service"]["Environment"])
    assert given.pop("OS_CLIENT_CONFIG_FILE") == f"/etc/dubfleet/{short}-clouds.yaml"
    [(variable, state)] = given.items()
    assert state == f"%S/{only(unit, 'Service', 'StateDirectory')}/memory.json"
    known = {field.upper() for field in settings.model_fields}
    assert variable in known
    assert only(unit, "Service", "EnvironmentFile") == f"/etc/dubfleet/{short}.env"
    head = (UNITS / f"{name}.service").read_text(encoding="utf-8").partition("[Unit]")[0]
    assert {*_required(settings), "REDIS_URL"} <= set(head.replace(",", " ").split())


def _required(settings: type[Settings]) -> set[str]:
    return {name.upper() for name, field in settings.model_fields.items() if field.is_required()}


@guards
def test_the_program_has_ended_before_systemd_ends_it(name: str) -> None:
    longest = float(LOOK_SECONDS)
    timeout = float(only(read(f"{name}.service"), "Service", "TimeoutStartSec"))
    assert longest < timeout <= longest + 30


@guards
def test_looks_follow_each_other_closely_enough_to_be_a_watch(name: str) -> None:
    service, timer = read(f"{name}.service"), read(f"{name}.timer")
    every = float(only(timer, "Timer", "OnUnitActiveSec"))
    late = float(only(timer, "Timer", "AccuracySec"))
    # It counts from the start of the last look, and waits for one that lasts longer.
    longest = max(every, float(only(service, "Service", "TimeoutStartSec")))
    assert longest + late < GAP_SECONDS
    # Else a pulse that goes on could be taken for one that stopped.
    assert every + late < SILENT_SECONDS
    assert float(only(timer, "Timer", "OnBootSec")) <= every
    assert only(timer, "Install", "WantedBy") == "timers.target"
    # The service of the timer's own name is started; a clock that can be set has no say.
    assert not {"Unit", "OnCalendar"} & timer["Timer"].keys()


@guards
def test_it_may_do_little(name: str) -> None:
    service = read(f"{name}.service")["Service"]
    assert service["Type"] == ["oneshot"]
    assert service["User"] == [name]
    for key, value in {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "StateDirectory": name,
        "StateDirectoryMode": "0700",
    }.items():
        assert service[key] == [value]
    assert service["ProtectHome"] in (["yes"], ["read-only"])


@pytest.mark.parametrize("file", sorted(UNITS.iterdir()), ids=lambda file: file.name)
def test_no_path_belongs_to_one_machine(file: Path) -> None:
    words = file.read_text(encoding="utf-8").replace("=", " ").replace("file://", " ").split()
    paths = {word for word in words if word.startswith("/")}
    assert all(path.startswith(("/opt/dubfleet", "/etc/dubfleet/")) for path in paths), paths


@guards
def test_systemd_understands_it(name: str, tmp_path: Path) -> None:
    understood(tmp_path, [f"{name}.{kind}" for kind in ("service", "timer")], PYTHON)


def test_systemd_understands_the_speech_service(tmp_path: Path) -> None:
    understood(tmp_path, [SPEECH], "/opt/dubfleet/chatterbox_service/start.sh")


def understood(folder: Path, names: list[str], program: str) -> None:
    """All keys and values; the program's place is filled in, for it is not installed here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    files = [folder / name for name in names]
    for file in files:
        text = (UNITS / file.name).read_text(encoding="utf-8")
        assert program in text or file.suffix != ".service"
        file.write_text(text.replace(program, "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # It ends well with keys that it does not know, but says so.
    said = [line for line in done.stderr.splitlines() if any(name in line for name in names)]
    assert (done.returncode, said) == (0, [])


def test_the_speech_service_is_started_as_it_is_meant_to_be() -> None:
    unit = read(SPEECH)["Service"]
    assert (ROOT / "chatterbox_service" / "start.sh").stat().st_mode & 0o111
    assert unit["ExecStart"] == ["/opt/dubfleet/chatterbox_service/start.sh"]
    assert (unit["User"], unit["Restart"], unit["RestartSec"]) == (["ubuntu"], ["always"], ["5"])
    given = dict(one.split("=", 1) for one in unit["Environment"])
    assert given.pop("CUDA_VISIBLE_DEVICES") == "0"
    source = (ROOT / "chatterbox_service" / "settings.py").read_text(encoding="utf-8")
    for name, value in given.items():
        assert name.startswith("TTS_")
        assert f"    {name.removeprefix('TTS_').lower()}: " in source
        assert value
    stop = re.search(r"stop_seconds: float = Field\(default=([0-9.]+)", source)
    assert stop is not None
    assert float(stop[1]) < float(unit["TimeoutStopSec"][0])
