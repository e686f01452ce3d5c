"""Who is let in, whom we speak to, and how long we wait: against a real server."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest

from orchestrator.ssh import Host, NodeShell, SshReason, SshTrouble
from orchestrator.ssh.connection import private_key
from tests.orchestrator.ssh.conftest import NAME, UNITS, Desk
from tests.support.sshd import make_key, public
from tests.support.tcp_proxy import tcp_proxy

ANSWER = "LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\n"


def refused(shell: NodeShell, host: Host) -> SshTrouble:
    with pytest.raises(SshTrouble) as caught:
        shell.units(host)
    assert caught.value.sentence.endswith(".")
    return caught.value


@contextmanager
def server_of(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where something answers that is no SSH server."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                open_ones.append(near)
                with suppress(OSError):
                    answer(near)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in open_ones:
            one.close()
        thread.join(5)


def test_a_node_that_is_known_lets_us_in(desk: Desk) -> None:
    desk.program("systemctl", f"printf '{ANSWER}\n{ANSWER}'")
    states = desk.shell().units(desk.host)
    assert [(unit, state.running) for unit, state in states.items()] == [
        (unit, True) for unit in UNITS
    ]


def test_a_node_is_known_by_its_name_whatever_its_address(desk: Desk) -> None:
    """Shelved servers come back elsewhere, with the same disk."""
    desk.know(f"127.0.0.1 {public(desk.server.host_key)}\n")
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_UNKNOWN


def test_nothing_is_sent_to_a_node_that_is_not_known(desk: Desk) -> None:
    desk.know(desk.server.known_as("gpu-2"))
    before = desk.server.log()
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_UNKNOWN
    assert desk.server.log() == before


def test_a_changed_key_is_refused_before_we_prove_who_we_are(desk: Desk, tmp_path: Path) -> None:
    desk.know(f"{NAME} {public(make_key(tmp_path / 'other'))}\n")
    before = len(desk.server.log())
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_CHANGED
    assert "Accepted publickey" not in desk.server.log()[before:]


def test_a_key_of_another_kind_is_a_changed_key(desk: Desk) -> None:
    other = paramiko.ECDSAKey.generate()
    desk.know(f"{NAME} {other.get_name()} {other.get_base64()}\n")
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_CHANGED


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("gpu-1 ssh-ed25519 AAAA!!!\n", id="damaged"),
        pytest.param("@revoked gpu-1 ssh-ed25519 AAAA\n", id="revoked"),
        pytest.param("\xff\xfe", id="not text"),
    ],
)
def test_known_hosts_that_cannot_be_trusted_are_not(desk: Desk, line: str) -> None:
    desk.known_hosts.write_bytes(line.encode("latin-1"))
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_UNKNOWN


def test_no_known_hosts_at_all(desk: Desk) -> None:
    desk.known_hosts.unlink()
    assert refused(desk.shell(), desk.host).reason is SshReason.HOST_KEY_UNKNOWN


def test_a_key_that_the_node_does_not_know_is_refused(desk: Desk, tmp_path: Path) -> None:
    shell = desk.shell(key_file=make_key(tmp_path / "other"))
    assert refused(shell, desk.host).reason is SshReason.AUTH_REFUSED


def test_no_other_key_is_tried(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lies in the home folder would be let in."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_bytes(desk.server.key.read_bytes())
    (home / ".ssh" / "id_ed25519").chmod(0o600)
    monkeypatch.setenv("HOME", os.fspath(home))
    shell = desk.shell(key_file=make_key(tmp_path / "other"))
    assert refused(shell, desk.host).reason is SshReason.AUTH_REFUSED


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_a_key_file_that_is_no_use(desk: Desk, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "odd"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    assert refused(desk.shell(key_file=path), desk.host).reason is SshReason.AUTH_REFUSED


def test_a_key_that_everybody_may_read_is_not_used(desk: Desk) -> None:
    desk.server.key.chmod(0o604)
    try:
        with pytest.raises(SshTrouble, match="chmod"):
            private_key(desk.server.key)
    finally:
        desk.server.key.chmod(0o600)


def test_nobody_there(desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        shell = desk.shell(port=taken.getsockname()[1])
        assert refused(shell, desk.host).reason is SshReason.UNREACHABLE


def test_a_path_that_swallows_everything(desk: Desk) -> None:
    with tcp_proxy(desk.server.port) as proxy:
        proxy.cut()
        shell = desk.shell(port=proxy.port, connect_seconds=0.5, login_seconds=1.0)
        began = time.monotonic()
        reason = refused(shell, desk.host).reason
        # Whether the kernel takes the connection depends on its backlog.
        assert reason in (SshReason.UNREACHABLE, SshReason.TIMEOUT)
        assert time.monotonic() - began < 5


def silent(_: socket.socket) -> None:
    pass


def dripping(near: socket.socket) -> None:
    """A line of greeting at a time, for ever: each of paramiko's own clocks begins anew."""
    while True:
        near.sendall(b"welcome\r\n")
        time.sleep(0.1)


def silent_after_greeting(near: socket.socket) -> None:
    near.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("answer", [silent, dripping, silent_after_greeting])
def test_a_server_that_takes_the_call_and_says_nothing(
    desk: Desk, answer: Callable[[socket.socket], None]
) -> None:
    with server_of(answer) as port:
        shell = desk.shell(port=port, login_seconds=1.0)
        began = time.monotonic()
        assert refused(shell, desk.host).reason is SshReason.TIMEOUT
        assert time.monotonic() - began < 4


def test_something_else_answers(desk: Desk) -> None:
    def http(near: socket.socket) -> None:
        near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        near.close()

    with server_of(http) as port:
        assert refused(desk.shell(port=port), desk.host).reason is SshReason.UNREACHABLE


def test_nothing_of_a_login_is_left(desk: Desk) -> None:
    desk.program("systemctl", "exit 1")
    before = threading.active_count()
    for _ in range(5):
        refused(desk.shell(), desk.host)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before


@pytest.mark.parametrize("address", ["gpu-1.example", "", "127.0.0.1; reboot", "10.0.0"])
def test_only_an_address_is_an_address(address: str) -> None:
    with pytest.raises(ValueError):
        Host(NAME, address)
