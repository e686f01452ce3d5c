"""The whole site, kept running, in a folder whose name is full of traps."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from campus.standalone.ports import LOOPBACK
from tests.campus.standalone.living import alive, eventually
from tests.campus.standalone.serving import (
    ODD,
    SITE_PORT,
    Serving,
    command,
    serve,
    status,
)

MEGABYTE = 1_000_000
PROGRAMS = ("redis-server", "gunicorn", "worker", "beat", "local_host", "flower", "supervisord")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serve")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((LOOPBACK, SITE_PORT))
        taken.listen(1)
        serving = serve(folder / ODD, folder / "output")
    pids = serving.pids()
    yield serving
    pids |= serving.pids()
    assert serving.stop() == 0
    assert not any(map(alive, pids))


def test_the_site_is_up_on_a_port_that_was_free(serving: Serving) -> None:
    assert not serving.url.endswith(f":{SITE_PORT}")
    assert status(f"{serving.url}/healthz") == 200


def test_somebody_of_each_role_can_log_in(serving: Serving) -> None:
    for role in ("partner", "reviewer", "admin", "ops"):
        assert f"({role})" in serving.said


def test_flower_is_for_those_who_know_its_password(serving: Serving) -> None:
    url, login = serving.flower
    assert status(f"{url}/") == 401
    assert status(f"{url}/", login) == 200


def test_everything_runs(serving: Serving) -> None:
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in serving.pids()]
    for program in PROGRAMS:
        assert any(program in one for one in commands), program


def test_no_secret_is_on_a_command_line_or_in_an_environment(serving: Serving) -> None:
    for pid in serving.pids() | {serving.process.pid}:
        process = psutil.Process(pid)
        seen = [*process.cmdline(), *process.environ().values()]
        assert not [one for one in seen for secret in serving.secrets() if secret in one]


def test_secrets_and_what_holds_them_are_for_the_owner_only(serving: Serving) -> None:
    secret = serving.secrets()
    holding = [
        file
        for file in serving.folder.rglob("*")
        if file.is_file() and file.stat().st_size < MEGABYTE
        if any(one.encode() in file.read_bytes() for one in secret)
    ]
    assert len(holding) >= len(secret)
    assert [file for file in holding if file.stat().st_mode & 0o077] == []


def test_nobody_listens_beyond_this_machine(serving: Serving) -> None:
    found = [
        connection.laddr.ip
        for pid in serving.pids()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(found) == {LOOPBACK}


def test_a_second_one_is_refused_and_told_where_the_first_is(serving: Serving) -> None:
    second = subprocess.run(
        command(serving.folder), capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == (
        f"serve: A site is already running here at {serving.url} "
        f"(its data: {serving.folder}); stop that one first.\n"
    )


def test_it_leaves_memory_for_a_dub(serving: Serving) -> None:
    # 1.5 GB for everything, of which a node's worker at work wants about half a gigabyte.
    everything = serving.pids() | {serving.process.pid}
    pss = sum(psutil.Process(pid).memory_full_info().pss for pid in everything)
    assert pss < 800 * MEGABYTE


def test_whatever_is_killed_comes_back(serving: Serving) -> None:
    # The supervisor itself is not among them: it takes all of them along.
    supervisor = next(
        pid for pid in serving.pids() if "supervisord" in " ".join(psutil.Process(pid).cmdline())
    )
    killed = serving.pids() - {supervisor}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: status(f"{serving.url}/healthz") == 200, 60)
    assert eventually(lambda: status(f"{serving.flower[0]}/healthcheck") == 200, 60)
    assert eventually(lambda: len(serving.pids() - killed) >= len(killed) + 1, 60)


def test_an_operator_can_ask_the_same_site(serving: Serving) -> None:
    python, manage = command(serving.folder)[:2]
    script = '. run/environment.sh; exec "$0" "$@"'
    told = subprocess.run(
        ["sh", "-c", script, python, manage, "showmigrations", "--plan"],
        cwd=serving.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "[ ]" not in told.stdout
    assert "[X]" in told.stdout
