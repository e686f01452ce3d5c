"""Files from the main server's SSH server, over a network that breaks."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import DubfleetError, Reason
from gpu_node.transfers.fetching import Fetching
from gpu_node.transfers.sftp_login import SftpAccess
from gpu_node.transfers.ways import Ways
from tests.support.sftp import SftpServer
from tests.support.sshd import make_key, public
from tests.support.tcp_proxy import tcp_proxy

# paramiko asks for pieces in a thread, which may meet the broken line first, ends of it, and says
# so on stderr. What matters is raised where the pieces are read.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

CONTENT = os.urandom(3_000_000)
LONG = os.urandom(24_000_000)
"""Much more than can be on its way at once: when the line drops, not all of it has come."""


class Enough(Exception):
    """The test has seen enough of a transfer that would go on for ever."""


@dataclass
class Desk:
    """Where one blob is fetched to."""

    server: SftpServer
    folder: Path
    access: SftpAccess
    content: bytes = CONTENT
    port: int | None = None
    waits: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    renewals: int = 0
    on_wait: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.content).hexdigest()
        self.blob = Blob(digest=digest, size=len(self.content), suffix=".mp4")
        self.show(self.content)

    def show(self, content: bytes) -> None:
        self.shown.write_bytes(content)
        self.shown.chmod(0o644)

    @property
    def shown(self) -> Path:
        return self.server.shown / self.blob.digest

    @property
    def url(self) -> str:
        return f"{self.server.url(self.port)}/out/{self.blob.digest}"

    @property
    def target(self) -> Path:
        return self.folder / "lesson.mp4"

    @property
    def part(self) -> Path:
        return self.folder / "lesson.mp4.part"

    def fetch(self, wait: Callable[[float], None] | None = None) -> None:
        ways = Ways(self.access)
        fetching = Fetching(self.blob, self.target, lambda: self.url, self.renew, ways)
        fetching.run(wait or self.wait, self.shares.append)
        assert self.target.read_bytes() == self.content
        assert not self.part.exists()

    def wait(self, seconds: float) -> None:
        if seconds:
            self.waits.append(seconds)
            self.on_wait()

    def renew(self) -> bool:
        self.renewals += 1
        return True


@pytest.fixture
def desk(server: SftpServer, tmp_path: Path) -> Desk:
    return Desk(server, tmp_path, server.access(tmp_path))


def test_a_file_is_fetched_once(desk: Desk) -> None:
    desk.fetch()
    assert desk.waits == []
    assert desk.shares == sorted(desk.shares)
    assert desk.shares[-1] == 1


@pytest.mark.parametrize("size", [0, 1, 32768, 32769, 192 * 32768, 192 * 32768 + 1])
def test_files_of_odd_sizes(server: SftpServer, tmp_path: Path, size: int) -> None:
    Desk(server, tmp_path, server.access(tmp_path), os.urandom(size)).fetch()


def test_what_an_earlier_process_fetched_is_not_fetched_again(desk: Desk) -> None:
    desk.part.write_bytes(CONTENT[:2_000_000])
    desk.fetch()
    assert desk.shares[0] > 0.6


def test_a_whole_part_needs_nobody(desk: Desk) -> None:
    desk.part.write_bytes(CONTENT)
    desk.port = 1
    desk.fetch()


@pytest.mark.parametrize("left", [b"x" * 2_000_000, b"x" * len(CONTENT), b"x" * 4_000_000])
def test_a_part_of_something_else_is_thrown_away(desk: Desk, left: bytes) -> None:
    desk.part.write_bytes(left)
    desk.fetch()


def test_a_line_that_drops_in_the_middle_is_gone_on_with(
    server: SftpServer, tmp_path: Path
) -> None:
    with tcp_proxy(server.ssh.port) as proxy:
        access = server.access(tmp_path, proxy.port)
        desk = Desk(server, tmp_path, access, LONG, port=proxy.port)
        drops = 0

        def wait(seconds: float) -> None:
            nonlocal drops
            desk.wait(seconds)
            # What had come before the line dropped is read to its end first.
            heard = len(desk.waits) >= drops
            if heard and drops < 2 and desk.shares and desk.shares[-1] > 0.2 + 0.3 * drops:
                drops += 1
                proxy.reset()

        desk.fetch(wait)
    assert 2 == drops <= len(desk.waits)
    # Nothing that was written down came twice.
    assert desk.shares == sorted(desk.shares)


def test_a_line_that_goes_silent_is_left_and_taken_up_again(
    server: SftpServer, tmp_path: Path
) -> None:
    with tcp_proxy(server.ssh.port) as proxy:
        access = server.access(
            tmp_path, proxy.port, silence_seconds=1.0, connect_seconds=1.0, login_seconds=5.0
        )
        desk = Desk(server, tmp_path, access, LONG, port=proxy.port)
        cut = False

        def wait(seconds: float) -> None:
            nonlocal cut
            if not cut and desk.shares and desk.shares[-1] > 0.3:
                cut = True
                proxy.cut()
            elif seconds:
                desk.wait(seconds)
                proxy.mend(forget=True)

        desk.fetch(wait)
    assert desk.waits
    assert desk.shares == sorted(desk.shares)


def test_the_server_may_be_away_for_long(desk: Desk) -> None:
    desk.server.ssh.stop()

    def come_back() -> None:
        if len(desk.waits) == 10:
            desk.server.ssh.start()

    desk.on_wait = come_back
    try:
        desk.fetch()
    finally:
        if len(desk.waits) < 10:
            desk.server.ssh.start()
    assert len(desk.waits) == 10


def test_a_server_that_says_nothing_is_left_in_time(desk: Desk, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        desk.port = silent.getsockname()[1]
        desk.access = desk.server.access(tmp_path, desk.port, login_seconds=0.5)

        def enough() -> None:
            raise Enough

        desk.on_wait = enough
        began = time.monotonic()
        with pytest.raises(Enough):
            desk.fetch()
    assert time.monotonic() - began < 5


def test_a_file_that_is_not_shown_is_asked_for_anew(desk: Desk) -> None:
    """The link may be of an earlier attempt: the heartbeat's answer shows the files again."""
    desk.shown.unlink()
    renew = desk.renew

    def again() -> bool:
        desk.show(CONTENT)
        return renew()

    desk.renew = again  # type: ignore[method-assign]  # what a heartbeat does on the server
    desk.fetch()
    assert desk.renewals == 1


def test_a_file_that_is_gone_is_said_to_be_lost(desk: Desk) -> None:
    desk.shown.unlink()
    with pytest.raises(DubfleetError, match="upload it again") as lost:
        desk.fetch()
    assert lost.value.reason is Reason.INPUT_LOST
    assert desk.renewals < 10


@pytest.mark.parametrize("other", [b"y" * len(CONTENT), b"short", CONTENT + b"x"])
def test_a_file_that_is_damaged_there_is_tried_a_few_times(desk: Desk, other: bytes) -> None:
    desk.show(other)
    with pytest.raises(DubfleetError, match="damaged") as damaged:
        desk.fetch()
    assert damaged.value.reason is Reason.INPUT_LOST
    assert not desk.target.exists()


def test_a_file_that_is_not_wanted_any_more_is_left(desk: Desk) -> None:
    def wait(_: float) -> None:
        if desk.shares and desk.shares[-1] > 0.3:
            raise Enough

    with pytest.raises(Enough):
        desk.fetch(wait)
    assert not desk.target.exists()
    # What came is of use when the job comes back.
    assert 0 < desk.part.stat().st_size < len(CONTENT)


def refused(desk: Desk) -> str:
    """Why nothing is fetched, at once and for a reason that waiting does not mend."""
    with pytest.raises(DubfleetError) as no:
        desk.fetch()
    assert no.value.reason is Reason.INTERNAL
    assert desk.waits == []
    return no.value.sentence


def test_a_server_that_is_not_known_is_refused(desk: Desk) -> None:
    desk.access.known_hosts.write_text("")
    assert "is not in SFTP_KNOWN_HOSTS_FILE" in refused(desk)


def test_a_server_with_another_key_is_refused(desk: Desk, tmp_path: Path) -> None:
    other = public(make_key(tmp_path / "other"))
    desk.access.known_hosts.write_text(f"[127.0.0.1]:{desk.server.ssh.port} {other}\n")
    assert "shows another SSH key" in refused(desk)


def test_a_key_that_is_not_let_in(desk: Desk, tmp_path: Path) -> None:
    access = desk.access
    key = make_key(tmp_path / "other")
    desk.access = SftpAccess(access.user, key, access.known_hosts)
    assert "does not let" in refused(desk)


def test_a_key_file_that_is_no_use(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("no key")
    desk.access = SftpAccess(desk.access.user, tmp_path / "odd", desk.access.known_hosts)
    assert "SFTP_KEY_FILE" in refused(desk)


def test_a_node_without_a_key_says_what_is_missing(desk: Desk) -> None:
    with pytest.raises(DubfleetError, match="SFTP_KEY_FILE"):
        Ways().of(desk.url)


def test_a_link_that_leads_elsewhere_is_never_followed(desk: Desk) -> None:
    desk.port = 1
    url = f"{desk.server.url()}/out/../in/{desk.blob.digest}"

    def enough(seconds: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        Fetching(desk.blob, desk.target, lambda: url, desk.renew, Ways(desk.access)).run(
            enough, desk.shares.append
        )
