"""A private SSH server: a free loopback port, keys of its own below var/, gone at the end.

It is the real program, but never the machine's own service: it reads no file outside its folder and
knows only the keys that were made for it. Sessions begin as whoever runs the tests. Run by root it
can also do what the main server's does: lock an account without a shell into a folder.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import private_server

_VAR = Path(__file__).resolve().parents[2] / "var"


_PRIVSEP = Path("/run/sshd")
"""Compiled into the program; root cannot run it where this is missing."""

LOCKED_IN = "nobody"
"""An account that every machine has, without a shell and without files."""


@dataclass
class SshServer:
    """One server, which may be stopped and started again: its folder, port and keys stay."""

    folder: Path
    port: int
    extra: str = ""
    """More lines of its configuration."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.programs.mkdir()
        self.host_key = make_key(self.folder / "host_key")
        self.key = make_key(self.folder / "key")
        self.authorize(self.key)

    @property
    def programs(self) -> Path:
        """What lies here is found first by the commands of a session."""
        return self.folder / "programs"

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name

    def authorize(self, key: Path, options: str = "") -> None:
        """Let only this key in, with these options of authorized_keys."""
        line = f"{options} {public(key)}\n".lstrip()
        (self.folder / "authorized_keys").write_text(line)

    def known_as(self, name: str) -> str:
        """The line that pins this server under a name."""
        return f"{name} {public(self.host_key)}\n"

    def program(self, name: str, script: str) -> None:
        """Give sessions a program: a shell script."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if os.geteuid() == 0:
            _PRIVSEP.mkdir(exist_ok=True, mode=0o755)
        (self.folder / "config").write_text(self._config())
        self.process = private_server.start(
            [_program(), "-D", "-e", "-f", str(self.folder / "config")],
            self.folder / "log",
            self._answers,
        )

    def stop(self) -> None:
        """Nobody new gets in; sessions end with their connections."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _config(self) -> str:
        return f"""
ListenAddress 127.0.0.1:{self.port}
HostKey {self.host_key}
PidFile none
AuthorizedKeysFile {self.folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel VERBOSE
SetEnv PATH={self.programs}:/usr/local/bin:/usr/bin:/bin
Subsystem sftp internal-sftp
{_newer("PerSourcePenalties no")}
{self.extra}
"""

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 1) as probe,
        ):
            probe.settimeout(1)
            return probe.recv(4) == b"SSH-"
        return False


def place() -> Path | None:
    """Below var/, unless sshd's configuration could not name that: then among temporary files."""
    if not re.fullmatch(r"[\w./-]+", str(_VAR), re.ASCII):
        return None
    _VAR.mkdir(exist_ok=True)
    return _VAR


@contextlib.contextmanager
def ssh_server(extra: str = "") -> Iterator[SshServer]:
    """A running server."""
    folder = Path(tempfile.mkdtemp(prefix="test-sshd-", dir=place()))
    # A locked-in account has to get through to its own folder.
    folder.chmod(0o755)
    try:
        server = SshServer(folder, _free_port(), extra)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_key(path: Path) -> Path:
    """A new key pair; the private half's path."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "for tests", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def public(key: Path) -> str:
    """The public half, as known_hosts and authorized_keys write it."""
    kind, code, *_ = key.with_name(f"{key.name}.pub").read_text().split()
    return f"{kind} {code}"


def why_not_locked_in(folder: Path) -> str | None:
    """Why sshd could not lock an account into this folder; None when it can."""
    if os.geteuid() != 0:
        return "only root's sshd can lock an account into a folder"
    if LOCKED_IN not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"there is no account {LOCKED_IN} here"
    for part in (folder, *folder.parents):
        found = part.stat()
        if found.st_uid != 0 or found.st_mode & 0o022:
            return f"others than root may write to {part}, and sshd does not lock in there"
    probe = subprocess.run(["chroot", "/", "/bin/true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "this container does not allow chroot"


def _newer(line: str) -> str:
    """The line, if this version of the program knows it."""
    name, value = line.split()
    asked = subprocess.run(
        [_program(), "-t", "-f", "/dev/null", "-o", f"{name}={value}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if "Bad configuration option" in asked.stderr else line


def _program() -> str:
    """Its absolute path: it starts itself anew for each connection."""
    found = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("There is no sshd here: install the package openssh-server.")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
