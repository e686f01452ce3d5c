"""One login to a node whose key is known, with an end to every wait.

A node is known by its name, not by its address: a server that was shelved may come back under
another address, and its old address may be somebody else's by then, but its key is on its disk.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.hostkeys import InvalidHostKey

from orchestrator.ssh.trouble import SshReason, SshTrouble

_CONNECT_SECONDS = 5.0
_LOGIN_SECONDS = 15.0
"""For the banner, the exchange of keys and the proof of ours, together."""
_KEEPALIVE_SECONDS = 10

_LOG = "paramiko.orchestrator"
# All that goes wrong is raised; paramiko would also write a traceback for each of it.
logging.getLogger(_LOG).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Host:
    """A node: the name it is known by, and its address now. Raises ValueError if that is none."""

    name: str
    address: str

    def __post_init__(self) -> None:
        # Not a host's name: looking one up has no end that we could set.
        ipaddress.ip_address(self.address)


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the nodes' doors. Both files are read at each login: they change as nodes come."""

    user: str
    key_file: Path
    known_hosts: Path
    port: int = 22
    connect_seconds: float = _CONNECT_SECONDS
    login_seconds: float = _LOGIN_SECONDS


class CutOff:
    """Ends a socket after some seconds, whatever waits for it then."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.done = False

    def __enter__(self) -> CutOff:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.done = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Line:
    """An open connection to a node."""

    host: Host
    transport: paramiko.Transport
    sock: socket.socket


@contextlib.contextmanager
def connected(access: Access, host: Host) -> Iterator[Line]:
    """Log in, and out at the end. Raises SshTrouble."""
    keys = pinned(access.known_hosts)
    if keys.lookup(host.name) is None:
        raise SshTrouble(
            SshReason.HOST_KEY_UNKNOWN,
            f"The SSH key of the node {host.name} is not in FLEET_SSH_KNOWN_HOSTS: "
            "enrol it before the node is logged in to.",
        )
    key = private_key(access.key_file)
    sock = _dial(access, host)
    client = paramiko.SSHClient()
    try:
        client.set_log_channel(_LOG)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.load_host_keys(str(access.known_hosts))
        yield Line(host, _log_in(client, sock, key, access, host), sock)
    finally:
        client.close()
        sock.close()


def pinned(path: Path) -> paramiko.HostKeys:
    """The keys that are known. Raises SshTrouble(HOST_KEY_UNKNOWN) for a file that is no use."""
    keys = paramiko.HostKeys()
    try:
        if any(line.lstrip().startswith("@") for line in path.read_text("utf-8").splitlines()):
            # paramiko would overlook a key that is revoked.
            raise _unusable("it has a line that begins with @, which is not supported here")
        keys.load(str(path))
    except OSError as error:
        raise _unusable(f"it cannot be read: {error.strerror}") from None
    except (ValueError, InvalidHostKey, paramiko.SSHException):
        raise _unusable("it is not written as known_hosts are") from None
    return keys


def private_key(path: Path) -> paramiko.PKey:
    """Our key. Raises SshTrouble(AUTH_REFUSED) when the file is no use."""
    try:
        if path.stat().st_mode & 0o007:
            raise _no_key("everybody on this machine may read it: chmod it to 600")
        return paramiko.PKey.from_path(path)
    except OSError as error:
        raise _no_key(f"it cannot be read: {error.strerror}") from None
    except SshTrouble:
        raise
    except paramiko.PasswordRequiredException:
        raise _no_key("it is locked with a passphrase") from None
    except Exception as error:  # each kind of key has its own way of being damaged
        raise _no_key(f"it holds no private key ({type(error).__name__})") from None


def broken(line: Line, cut_off: CutOff, error: Exception) -> SshTrouble:
    """What a failure in the middle of something means."""
    name = line.host.name
    if cut_off.done:
        return SshTrouble(
            SshReason.TIMEOUT, f"The node {name} did not do what it was asked over SSH in time."
        )
    return SshTrouble(
        SshReason.UNREACHABLE, f"The SSH connection to the node {name} broke.", _words(error)
    )


def _dial(access: Access, host: Host) -> socket.socket:
    try:
        return socket.create_connection((host.address, access.port), access.connect_seconds)
    except OSError as error:
        raise SshTrouble(
            SshReason.UNREACHABLE,
            f"The node {host.name} cannot be reached over SSH.",
            _words(error),
        ) from None


def _log_in(
    client: paramiko.SSHClient,
    sock: socket.socket,
    key: paramiko.PKey,
    access: Access,
    host: Host,
) -> paramiko.Transport:
    """Raises SshTrouble."""
    # Its own clocks do not cover all of it: ours ends it, and theirs only must not be unset.
    later = access.login_seconds + 1
    with CutOff(sock, access.login_seconds) as cut_off:
        try:
            client.connect(
                # Also what its key is looked up by: without a port, as HostKeyAlias has it.
                host.name,
                username=access.user,
                pkey=key,
                sock=sock,
                allow_agent=False,
                look_for_keys=False,
                timeout=later,
                banner_timeout=later,
                auth_timeout=later,
                channel_timeout=later,
            )
        except Exception as error:
            raise _not_in(cut_off, error, access, host) from None
    transport = client.get_transport()
    if transport is None:
        raise SshTrouble(SshReason.UNREACHABLE, f"The node {host.name} hung up.")
    transport.set_keepalive(_KEEPALIVE_SECONDS)
    return transport


def _not_in(cut_off: CutOff, error: Exception, access: Access, host: Host) -> Exception:
    name = host.name
    if cut_off.done:
        return SshTrouble(
            SshReason.TIMEOUT, f"The SSH server of the node {name} did not answer in time."
        )
    if isinstance(error, paramiko.BadHostKeyException):
        return SshTrouble(
            SshReason.HOST_KEY_CHANGED,
            f"Whoever answers for the node {name} shows another SSH key than the one that is "
            "known. Nothing was sent to it: find out why before you enrol the new key.",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return SshTrouble(
            SshReason.AUTH_REFUSED,
            f"The node {name} does not let {access.user} in with the key in FLEET_SSH_KEY_FILE.",
            _words(error),
        )
    if isinstance(error, paramiko.SSHException | OSError | EOFError):
        return SshTrouble(
            SshReason.UNREACHABLE,
            f"The SSH server of the node {name} broke off before it had let us in.",
            _words(error),
        )
    return error


def _unusable(why: str) -> SshTrouble:
    return SshTrouble(SshReason.HOST_KEY_UNKNOWN, f"FLEET_SSH_KNOWN_HOSTS is of no use: {why}.")


def _no_key(why: str) -> SshTrouble:
    return SshTrouble(SshReason.AUTH_REFUSED, f"FLEET_SSH_KEY_FILE is of no use: {why}.")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
