"""Files to the main server over SFTP and a network that breaks; and what its account may do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import paramiko
import pytest

from gpu_node.artefacts import digest_file
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers.sending import Sending
from gpu_node.transfers.sftp_login import SftpAccess, logged_in
from gpu_node.transfers.ways import Ways
from tests.support.sftp import SftpServer
from tests.support.tcp_proxy import tcp_proxy


class Enough(Exception):
    """The test has seen enough of a transfer that would go on for ever."""


@dataclass
class Desk:
    """Files that the main server has to get. It looks at what came when it is asked for links."""

    server: SftpServer
    folder: Path
    access: SftpAccess
    port: int | None = None
    files: dict[Blob, Path] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    keeps: bool = True
    asked: int = 0

    def add(self, content: bytes) -> Blob:
        path = self.folder / f"{len(self.files)}.bin"
        path.write_bytes(content)
        blob = Blob(digest=digest_file(path), size=len(content))
        self.files[blob] = path
        return blob

    def send(self, wait: Callable[[float], None] = lambda _: None) -> None:
        Sending(self.files, self.ask, Ways(self.access)).run(wait, self.shares.append)
        for blob, path in self.files.items():
            assert self.stored[blob.digest] == path.read_bytes()

    def ask(self, blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        self.asked += 1
        for blob in blobs:
            self._adopt(blob)
        lacking = [blob.digest for blob in blobs if blob.digest not in self.stored]
        return {digest: f"{self.server.url(self.port)}/in/{digest}" for digest in lacking}

    def _adopt(self, blob: Blob) -> None:
        path = self.server.sent / blob.digest
        if not path.exists():
            return
        if self.keeps and digest_file(path) == blob.digest:
            self.stored[blob.digest] = path.read_bytes()
        path.unlink()


@pytest.fixture
def desk(server: SftpServer, tmp_path: Path) -> Desk:
    desk = Desk(server, tmp_path, server.access(tmp_path))
    desk.add(os.urandom(3_000_000))
    desk.add(b"WEBVTT\n")
    desk.add(b"")
    return desk


def big(desk: Desk) -> Blob:
    return next(iter(desk.files))


def test_what_is_missing_is_sent(desk: Desk) -> None:
    desk.send()
    assert desk.asked == 2
    assert desk.shares == sorted(desk.shares)
    assert desk.shares[-1] == 1
    assert not list(desk.server.sent.iterdir())


def test_a_line_that_drops_in_the_middle_is_gone_on_with(
    server: SftpServer, tmp_path: Path
) -> None:
    with tcp_proxy(server.ssh.port) as proxy:
        desk = Desk(server, tmp_path, server.access(tmp_path, proxy.port), port=proxy.port)
        # Much more than can be on its way at once: when the line drops, most of it has arrived.
        desk.add(os.urandom(24_000_000))
        dropped = False

        def wait(_: float) -> None:
            nonlocal dropped
            if not dropped and desk.shares and desk.shares[-1] > 0.6:
                dropped = True
                proxy.reset()

        desk.send(wait)
    again = [two for one, two in pairwise(desk.shares) if two < one]
    # It went on where the server had it, not from the start.
    assert dropped
    assert len(again) == 1
    assert again[0] > 0.3


def test_what_an_earlier_process_sent_is_not_sent_again(desk: Desk) -> None:
    blob = big(desk)
    part = desk.server.sent / f"{blob.digest}.part"
    part.write_bytes(desk.files[blob].read_bytes()[:2_000_000])
    _give(desk.server, part)
    desk.send()
    assert min(share for share in desk.shares if share) > 0.6


@pytest.mark.parametrize("length", [2_000_000, 3_000_000, 4_000_000])
def test_a_part_of_something_else_is_found_out_and_sent_anew(desk: Desk, length: int) -> None:
    part = desk.server.sent / f"{big(desk).digest}.part"
    part.write_bytes(b"x" * length)
    _give(desk.server, part)
    desk.send()
    assert desk.asked <= 3


def test_half_a_file_is_never_taken_for_a_whole_one(desk: Desk) -> None:
    """It has its name only at the end."""
    blob = big(desk)

    def wait(_: float) -> None:
        if desk.shares and desk.shares[-1] > 0.5:
            raise Enough

    with pytest.raises(Enough):
        desk.send(wait)
    assert {path.name for path in desk.server.sent.iterdir()} <= {f"{blob.digest}.part"}


def test_the_server_may_be_away_for_long(desk: Desk) -> None:
    desk.server.ssh.stop()
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        if seconds:
            waits += 1
            if waits == 10:
                desk.server.ssh.start()

    try:
        desk.send(wait)
    finally:
        if waits < 10:
            desk.server.ssh.start()


def test_a_server_that_keeps_nothing_is_given_up(desk: Desk) -> None:
    desk.keeps = False
    with pytest.raises(DubfleetError, match="does not keep") as given_up:
        desk.send()
    assert given_up.value.reason is Reason.INTERNAL
    assert desk.asked < 20


def test_a_file_that_changed_on_disk_is_not_sent_for_ever(desk: Desk) -> None:
    desk.files[big(desk)].write_bytes(b"z" * 3_000_000)
    with pytest.raises(DubfleetError):
        desk.send()
    assert desk.asked < 20


def test_a_server_that_is_not_known_is_refused(desk: Desk) -> None:
    desk.access.known_hosts.write_text("")
    with pytest.raises(DubfleetError, match="SFTP_KNOWN_HOSTS_FILE"):
        desk.send()
    assert not list(desk.server.sent.iterdir())


def test_the_account_is_locked_in(desk: Desk) -> None:
    """What docs/security.md promises of a key that got into the wrong hands."""
    if desk.server.why_open:
        pytest.skip(desk.server.why_open)
    shown = desk.server.shown / ("a" * 64)
    shown.write_bytes(b"a lesson")
    shown.chmod(0o644)
    with logged_in(desk.access, "127.0.0.1", desk.server.ssh.port) as sftp:
        assert sftp.open(f"/out/{'a' * 64}").read() == b"a lesson"
        for act in _attacks(sftp, shown.name):
            with pytest.raises(OSError):
                act()
    assert shown.read_bytes() == b"a lesson"
    assert sorted(path.name for path in desk.server.folder.iterdir()) == ["in", "out"]


def test_what_was_sent_can_be_read_by_the_folders_group_and_nobody_else(desk: Desk) -> None:
    """The web server's account is in that group; the umask is sshd's, the group the folder's."""
    if desk.server.why_open:
        pytest.skip(desk.server.why_open)
    seen: list[os.stat_result] = []
    ask = desk.ask

    def look(blobs: tuple[Blob, ...]) -> Mapping[str, str]:
        seen.extend(path.stat() for path in desk.server.sent.iterdir())
        return ask(blobs)

    Sending(desk.files, look, Ways(desk.access)).run(lambda _: None, desk.shares.append)
    assert len(seen) == 3
    group = desk.server.sent.stat().st_gid
    assert {(one.st_mode & 0o777, one.st_gid) for one in seen} == {(0o640, group)}


def _attacks(sftp: paramiko.SFTPClient, shown: str) -> list[Callable[[], object]]:
    return [
        lambda: sftp.listdir("/out"),
        lambda: sftp.listdir("/in"),
        lambda: sftp.open("/etc/passwd"),
        lambda: sftp.open("/../../../etc/passwd"),
        lambda: sftp.open(f"/out/{shown}", "r+b"),
        lambda: sftp.open("/out/mine", "wb"),
        lambda: sftp.open("/mine", "wb"),
        lambda: sftp.remove(f"/out/{shown}"),
        lambda: sftp.posix_rename(f"/out/{shown}", "/in/mine"),
        lambda: sftp.symlink("/etc/passwd", "/in/link"),
        lambda: sftp.mkdir("/in/folder"),
        lambda: sftp.chmod(f"/out/{shown}", 0o666),
        lambda: sftp.chmod("/in", 0o777),
    ]


def test_the_account_gets_no_shell_and_no_tunnel(desk: Desk) -> None:
    if desk.server.why_open:
        pytest.skip(desk.server.why_open)
    client = paramiko.SSHClient()
    client.load_host_keys(str(desk.access.known_hosts))
    with client:
        client.connect(
            "127.0.0.1",
            desk.server.ssh.port,
            username=desk.access.user,
            pkey=paramiko.PKey.from_path(desk.access.key_file),
            allow_agent=False,
            look_for_keys=False,
        )
        _, out, _ = client.exec_command("id", timeout=10)
        assert b"uid=" not in out.read(200)
        transport = client.get_transport()
        assert transport is not None
        with pytest.raises(paramiko.SSHException):
            transport.open_channel(
                "direct-tcpip", ("127.0.0.1", desk.server.ssh.port), ("127.0.0.1", 1), timeout=10
            )


def _give(server: SftpServer, path: Path) -> None:
    """Make it the account's own, as if it had written it."""
    if server.why_open is None:
        found = server.sent.stat()
        os.chown(path, found.st_uid, found.st_gid)
