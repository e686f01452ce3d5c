"""A login to the main server for files, with the server's key known and an end to every wait."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from paramiko.hostkeys import InvalidHostKey

from gpu_node.client import SiteAway
from gpu_node.contracts.errors import DubfleetError, Reason

_KEEPALIVE_SECONDS = 10
_WINDOW_BYTES = 8 << 20
"""How much may be on its way: paramiko's own 2 MiB would be 40 MB/s over a line of 50 ms."""

_LOG = "paramiko.node"
# All that goes wrong is raised; paramiko would also write a traceback for each of it.
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class SftpAccess:
    """What opens the main server's door. Both files are read at each login."""

    user: str
    key_file: Path
    known_hosts: Path
    connect_seconds: float = 5.0
    login_seconds: float = 15.0
    """For the banner, the exchange of keys and the proof of ours, together."""
    silence_seconds: float = 15.0
    """How long the server may say nothing in the middle of a file."""


@contextlib.contextmanager
def logged_in(access: SftpAccess, host: str, port: int) -> Iterator[paramiko.SFTPClient]:
    """A session, ended at the end. Raises SiteAway; DubfleetError(INTERNAL) when keys are wrong."""
    _require_known(access.known_hosts, host, port)
    key = _private_key(access.key_file)
    with line_trouble():
        sock = socket.create_connection((host, port), access.connect_seconds)
    client = paramiko.SSHClient()
    try:
        client.set_log_channel(_LOG)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.load_host_keys(str(access.known_hosts))
        yield _log_in(client, sock, key, access, host, port)
    finally:
        client.close()
        sock.close()


@contextlib.contextmanager
def line_trouble() -> Iterator[None]:
    """What the network and the server do to us here is SiteAway. For calls to them only: what the
    disk says is an OSError as well."""
    try:
        yield
    except (paramiko.SSHException, paramiko.SFTPError, OSError, EOFError) as error:
        words = f"{type(error).__name__}: {error}"[:300]
        raise SiteAway(f"The main server cannot be reached over SFTP: {words}.") from None


def _log_in(
    client: paramiko.SSHClient,
    sock: socket.socket,
    key: paramiko.PKey,
    access: SftpAccess,
    host: str,
    port: int,
) -> paramiko.SFTPClient:
    # paramiko's own clocks do not cover all of it: ours ends it, theirs only must not be unset.
    later = access.login_seconds + 1
    timer = threading.Timer(access.login_seconds, _cut, (sock,))
    timer.daemon = True
    timer.start()
    try:
        with line_trouble():
            client.connect(
                host,
                port,
                username=access.user,
                pkey=key,
                sock=sock,
                allow_agent=False,
                look_for_keys=False,
                timeout=later,
                banner_timeout=later,
                auth_timeout=later,
                channel_timeout=later,
                transport_factory=_transport,
            )
            transport = client.get_transport()
            if transport is None:
                raise EOFError
            transport.set_keepalive(_KEEPALIVE_SECONDS)
            sftp = client.open_sftp()
            channel = sftp.get_channel()
            if channel is None:
                raise EOFError
            channel.settimeout(access.silence_seconds)
            return sftp
    except SiteAway as away:
        cause = away.__context__
        if isinstance(cause, paramiko.BadHostKeyException):
            raise _operator(
                "Whoever answers for the main server shows another SSH key than the one in "
                "SFTP_KNOWN_HOSTS_FILE. Nothing was sent to it."
            ) from None
        if isinstance(cause, paramiko.AuthenticationException) and timer.is_alive():
            raise _operator(
                f"The main server does not let {access.user} in with the key in SFTP_KEY_FILE."
            ) from None
        raise
    finally:
        timer.cancel()


def _transport(sock: Any, /, *, disabled_algorithms: Any = None, **_: Any) -> paramiko.Transport:
    return paramiko.Transport(
        sock, default_window_size=_WINDOW_BYTES, disabled_algorithms=disabled_algorithms
    )


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _require_known(path: Path, host: str, port: int) -> None:
    name = host if port == paramiko.config.SSH_PORT else f"[{host}]:{port}"
    keys = paramiko.HostKeys()
    try:
        if any(line.lstrip().startswith("@") for line in path.read_text("utf-8").splitlines()):
            # paramiko would overlook a key that is revoked.
            raise ValueError
        keys.load(str(path))
    except (OSError, ValueError, InvalidHostKey, paramiko.SSHException):
        raise _operator("SFTP_KNOWN_HOSTS_FILE cannot be read, or not trusted.") from None
    if keys.lookup(name) is None:
        raise _operator(f"The SSH key of the main server ({name}) is not in SFTP_KNOWN_HOSTS_FILE.")


def _private_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except Exception as error:  # each kind of key has its own way of being damaged
        raise _operator(
            f"SFTP_KEY_FILE cannot be read, or holds no private key ({type(error).__name__})."
        ) from None


def _operator(sentence: str) -> DubfleetError:
    """A mistake that does not pass by waiting."""
    return DubfleetError(Reason.INTERNAL, f"{sentence} An operator has to look at the node.")
