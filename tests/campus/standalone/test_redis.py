"""Redis of our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campus.standalone import redis
from campus.standalone.errors import StandaloneError
from campus.standalone.ports import LOOPBACK, Ports

PASSWORD = "correct-horse"  # noqa: S105  # of a server that lives for a second


@pytest.fixture
def port() -> Iterator[int]:
    with Ports() as ports:
        yield ports.choose(22950)


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[int]:
    """Started as the supervisor does, in a folder whose name needs no quoting anywhere."""
    folder = tmp_path / 'Данные "1" 100%'
    (folder / "data").mkdir(parents=True)
    (folder / "redis.conf").write_text(redis.config(port, PASSWORD, "data"))
    program = redis.find()
    process = subprocess.Popen(
        [program.name, "redis.conf"],
        executable=program.path,
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while not redis.answers(port, PASSWORD) and time.monotonic() < deadline:
        time.sleep(0.02)
    yield port
    process.kill()
    process.wait()
    assert any((folder / "data").iterdir())


def ask(port: int, *lines: str) -> str:
    with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        time.sleep(0.1)
        return connection.recv(65536).decode()


def test_it_answers_whoever_knows_the_password(server: int) -> None:
    assert redis.answers(server, PASSWORD)
    assert not redis.answers(server, "guessed")
    assert "NOAUTH" in ask(server, "PING")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("appendonly", "yes"), ("save", ""), ("maxmemory-policy", "noeviction"), ("bind", LOOPBACK)],
)
def test_it_is_set_up_to_lose_nothing(setting: str, value: str, server: int) -> None:
    answer = ask(server, f"AUTH {PASSWORD}", f"CONFIG GET {setting}").split("\r\n")
    assert answer[5] == value


def test_its_url_holds_the_password_and_the_port() -> None:
    assert redis.url(16379, "x") == "redis://:x@127.0.0.1:16379/0"


def test_nobody_there_is_no_answer(port: int) -> None:
    assert not redis.answers(port, PASSWORD)


def test_somebody_else_there_is_no_answer(port: int) -> None:
    with socket.create_server((LOOPBACK, port)):
        assert not redis.answers(port, PASSWORD)


@pytest.mark.parametrize("file", ["redis-server", "redis-check-rdb"])
def test_debians_other_name_for_the_server_will_do(file: str, tmp_path: Path) -> None:
    real = redis.find().path
    (tmp_path / file).symlink_to(real)
    found = redis.find(lambda name: shutil.which(name, path=str(tmp_path)))
    assert (found.path, found.name) == (str(tmp_path / file), "redis-server")


def test_a_program_of_that_name_that_is_no_server_is_passed_over(tmp_path: Path) -> None:
    for file in ("redis-server", "redis-check-rdb", "valkey-server"):
        (tmp_path / file).write_text(f"#!{sys.executable}\nprint('only a check')\n")
        os.chmod(tmp_path / file, 0o755)  # noqa: PTH101, S103  # as programs are
    with pytest.raises(StandaloneError, match="redis-tools"):
        redis.find(lambda name: shutil.which(name, path=str(tmp_path)))


def test_without_redis_one_sentence_says_what_to_install() -> None:
    with pytest.raises(StandaloneError, match="Redis is not installed"):
        redis.find(lambda _: None)
