"""Commands on a real server: what is sent, what is understood, and that each has an end."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import ssh
from orchestrator.ssh import ActiveState, SshReason, SshTrouble, units
from orchestrator.ssh.connection import connected
from orchestrator.ssh.running import Bounds, run
from tests.orchestrator.ssh.conftest import UNITS, Desk
from tests.support.tcp_proxy import tcp_proxy

WORKER = UNITS[0]
FORCED = Path(ssh.__file__).parent / "forced_command.sh"


def when(there: Path, act: Callable[[], None]) -> None:
    """Do it once the file is there, in a thread of its own."""

    def look() -> None:
        deadline = time.monotonic() + 10
        while not there.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        act()

    threading.Thread(target=look, daemon=True).start()


def test_how_units_stand(desk: Desk) -> None:
    desk.program(
        "systemctl",
        """cat <<'END'
Id=dubfleet-worker.service
LoadState=loaded
ActiveState=failed
SubState=failed
NRestarts=5

Id=ollama.service
LoadState=not-found
ActiveState=inactive
SubState=dead
END
echo 'Warning: something changed on disk.' >&2""",
    )
    worker, ollama = desk.shell().units(desk.host).values()
    assert (worker.active, worker.restarts, worker.running) == (ActiveState.FAILED, 5, False)
    assert (ollama.loaded, ollama.running) == (False, False)
    assert desk.asked == [
        "systemctl show --no-pager --property=Id,LoadState,ActiveState,SubState,NRestarts -- "
        "dubfleet-worker.service ollama.service"
    ]


def test_a_unit_is_restarted_as_root_without_waiting(desk: Desk) -> None:
    desk.program("systemctl", "exit 0")
    desk.shell().restart(desk.host, WORKER)
    assert desk.asked == ["systemctl restart --no-block -- dubfleet-worker.service"]


def test_a_restart_that_may_not_be_done_says_so(desk: Desk) -> None:
    desk.program("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    with pytest.raises(SshTrouble) as refused:
        desk.shell().restart(desk.host, WORKER)
    assert refused.value.reason is SshReason.COMMAND_FAILED
    assert "sudo systemctl restart ended with 1" in refused.value.sentence
    assert "a password is required" in refused.value.detail


def test_a_log_comes_without_its_secrets(desk: Desk) -> None:
    desk.program(
        "journalctl", "echo 'GET https://site.test/blobs/ab?u=r&s=0badcafe'; echo 'NODE_TOKEN=s3cr'"
    )
    log = desk.shell().journal(desk.host, WORKER)
    assert log == "GET https://site.test/blobs/ab?(removed)\nNODE_TOKEN=(removed)\n"
    assert desk.asked == [
        "journalctl --no-pager --output=short-iso --lines=50 --unit=dubfleet-worker.service"
    ]


@pytest.mark.parametrize("unit", ["ssh.service", "ollama.service; reboot", "", "--all"])
def test_only_units_of_the_settings_are_touched(desk: Desk, unit: str) -> None:
    desk.program("systemctl", "exit 0")
    desk.program("journalctl", "exit 0")
    with pytest.raises(ValueError):
        desk.shell().restart(desk.host, unit)
    with pytest.raises(ValueError):
        desk.shell().journal(desk.host, unit)
    assert desk.asked == []


@pytest.mark.parametrize("said", ["", "hello", "ActiveState=perhaps\nLoadState=loaded\n"])
def test_an_answer_that_systemctl_never_gives(desk: Desk, said: str) -> None:
    desk.program("systemctl", f"printf '{said}'")
    with pytest.raises(SshTrouble) as odd:
        desk.shell().units(desk.host)
    assert odd.value.reason is SshReason.COMMAND_FAILED


def test_a_program_that_is_not_there(desk: Desk) -> None:
    desk.program("systemctl", "exit 127")
    with pytest.raises(SshTrouble) as failed:
        desk.shell().units(desk.host)
    assert failed.value.reason is SshReason.COMMAND_FAILED


@pytest.mark.parametrize("script", ["exec sleep 60", "while :; do echo .; sleep 0.1; done"])
def test_a_command_that_never_ends_is_left_in_time(desk: Desk, script: str) -> None:
    """Also one that always says a little, so that no single wait is long."""
    desk.program("journalctl", f"echo $$ > {desk.folder}/pid\n{script}")
    began = time.monotonic()
    try:
        with pytest.raises(SshTrouble) as late:
            desk.shell(seconds=1.0).journal(desk.host, WORKER)
    finally:
        os.kill(int((desk.folder / "pid").read_text()), signal.SIGKILL)
    assert late.value.reason is SshReason.TIMEOUT
    assert time.monotonic() - began < 5


def test_much_on_both_outputs_does_not_lock_up(desk: Desk) -> None:
    """More than an SSH window on the one that is not what we came for, and before the other."""
    desk.program("journalctl", "head -c 700000 /dev/zero | tr '\\0' x >&2; echo 'the log'")
    assert desk.shell().journal(desk.host, WORKER) == "the log\n"


def test_of_a_long_output_the_end_is_kept(desk: Desk) -> None:
    desk.program("journalctl", "seq 1 100000")
    log = desk.shell().journal(desk.host, WORKER)
    assert len(log) == 64 << 10
    assert log.endswith("\n99999\n100000\n")


def test_an_output_without_end_is_hung_up_on(desk: Desk) -> None:
    desk.program("journalctl", "exec yes")
    began = time.monotonic()
    with pytest.raises(SshTrouble, match="too much") as failed:
        desk.shell().journal(desk.host, WORKER)
    assert failed.value.reason is SshReason.COMMAND_FAILED
    assert time.monotonic() - began < 10


def test_a_command_that_is_killed_has_no_status(desk: Desk) -> None:
    desk.program("journalctl", "kill -9 $$")
    shell = desk.shell()
    with connected(shell.access, desk.host) as line:
        finished = run(line, f"exec journalctl{' '}", Bounds(10))
    assert finished.status is None


def test_a_line_that_breaks_in_the_middle(desk: Desk) -> None:
    desk.program("journalctl", f"echo half; touch {desk.folder}/begun; sleep 5")
    with tcp_proxy(desk.server.port) as proxy:
        shell = desk.shell(port=proxy.port)
        with connected(shell.access, desk.host) as line, pytest.raises(SshTrouble) as broken:
            when(desk.folder / "begun", proxy.reset)
            run(line, units.journal(WORKER, 5), Bounds(10))
    assert broken.value.reason is SshReason.UNREACHABLE


def test_a_line_that_goes_silent_in_the_middle(desk: Desk) -> None:
    desk.program("journalctl", f"echo half; touch {desk.folder}/begun; sleep 5")
    with tcp_proxy(desk.server.port) as proxy:
        shell = desk.shell(port=proxy.port)
        began = time.monotonic()
        with connected(shell.access, desk.host) as line, pytest.raises(SshTrouble) as late:
            when(desk.folder / "begun", proxy.cut)
            run(line, units.journal(WORKER, 5), Bounds(1.5))
    assert late.value.reason is SshReason.TIMEOUT
    assert time.monotonic() - began < 8


def test_bytes_that_are_no_text_can_be_stored(desk: Desk) -> None:
    desk.program("journalctl", "printf 'a\\000b\\377\\033[31mred\\n'")
    log = desk.shell().journal(desk.host, WORKER)
    assert "\0" not in log
    assert log.endswith("red\n")


def test_a_node_that_allows_nothing_else_is_enough(desk: Desk, tmp_path: Path) -> None:
    """The forced command of docs/security.md, and the list that goes with it."""
    commands = units.allowed(UNITS, 50)
    (tmp_path / "list").write_text("\n".join(commands) + "\n")
    # Where an installation puts it: what a shell reads can hold no path of ours whatever it is.
    script = Path(shutil.copy(FORCED, tmp_path / "forced"))
    desk.server.authorize(desk.server.key, f'restrict,command="{script} {tmp_path}/list"')
    desk.program("systemctl", "exit 0")
    desk.program("journalctl", "echo 'the log'")
    shell = desk.shell()
    shell.restart(desk.host, WORKER)
    assert shell.journal(desk.host, WORKER) == "the log\n"
    before = desk.asked
    with connected(shell.access, desk.host) as line:
        for other in ("id", f"{commands[0]}; id", f"{commands[0]}\nid", "*", " "):
            assert run(line, other, Bounds(10)).status == 126
    assert desk.asked == before
