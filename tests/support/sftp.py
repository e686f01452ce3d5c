"""The main server's SSH server, as nodes see it: one account, locked in its folder if possible.

Run by root it is set up as docs/security.md has it: an account without a shell, locked in, files
only, and of the protocol no more than is needed. Otherwise sessions are the tester's own, and links
lead to the folder by its whole path.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpu_node.transfers.sftp_login import SftpAccess
from tests.support.sshd import LOCKED_IN, SshServer, place, ssh_server, why_not_locked_in

NODE = "gpu-1"
REQUESTS = "open,close,read,write,lstat,fstat,stat,realpath,posix-rename"
"""What the account may ask for; docs/security.md names the same."""


@dataclass
class SftpServer:
    """`root` holds the nodes' folders, as SFTP_FOLDER does."""

    ssh: SshServer
    root: Path
    why_open: str | None
    """Why the account is not locked in; None when it is."""

    @property
    def folder(self) -> Path:
        return self.root / NODE

    @property
    def shown(self) -> Path:
        return self.folder / "out"

    @property
    def sent(self) -> Path:
        return self.folder / "in"

    @property
    def user(self) -> str:
        return self.ssh.user if self.why_open else LOCKED_IN

    def url(self, port: int | None = None) -> str:
        """What SFTP_URL is; `port`: through a proxy."""
        path = self.folder if self.why_open else ""
        return f"sftp://127.0.0.1:{port or self.ssh.port}{path}"

    def access(self, folder: Path, *ports: int, **changes: float) -> SftpAccess:
        """A node's access, its known_hosts in this folder; `ports`: of proxies."""
        known = folder / "known_hosts"
        names = [f"[127.0.0.1]:{port}" for port in (self.ssh.port, *ports)]
        known.write_text("".join(self.ssh.known_as(name) for name in names))
        return SftpAccess(self.user, self.ssh.key, known, **changes)

    def clear(self) -> None:
        """As it was when it was new."""
        self.ssh.authorize(self.ssh.key)
        for folder in (self.shown, self.sent):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self.shown.chmod(0o755)
        if self.why_open is None:
            account = pwd.getpwnam(LOCKED_IN)
            os.chown(self.sent, account.pw_uid, os.getgid())
        self.sent.chmod(0o2770)


@contextlib.contextmanager
def sftp_server() -> Iterator[SftpServer]:
    """A running server with the folder of one node."""
    root = Path(tempfile.mkdtemp(prefix="test-sftp-", dir=place()))
    root.chmod(0o755)
    folder = root / NODE
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    why_open = why_not_locked_in(folder)
    locked = f"""
Match User {LOCKED_IN}
    ChrootDirectory {folder}
    ForceCommand internal-sftp -u 0027 -p {REQUESTS}
    AllowTcpForwarding no
    AllowAgentForwarding no
    PermitTTY no
    X11Forwarding no
"""
    try:
        with ssh_server("" if why_open else locked) as ssh:
            server = SftpServer(ssh, root, why_open)
            server.clear()
            yield server
    finally:
        shutil.rmtree(root, ignore_errors=True)
