"""What is being received never grows beyond its limit, and nothing of it stays."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.spooling import spool, sweep
from chatterbox_service.references.uploads import received
from tests.chatterbox_service.references import making

MEGABYTE = 1_000_000
MOST = 10 * MEGABYTE


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Flood:
    """More than anybody wants; counts what was taken of it."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        part = bytes(MEGABYTE)
        for _ in range(self.parts):
            self.taken += 1
            yield part


def test_a_whole_upload(tmp_path: Path) -> None:
    async def story() -> None:
        async with received(chunks(b"RI", b"", b"FF"), MOST, tmp_path) as path:
            assert path.read_bytes() == b"RIFF"
            assert path.parent == tmp_path
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_an_empty_upload(tmp_path: Path) -> None:
    async def story() -> None:
        async with received(chunks(), MOST, tmp_path) as path:
            assert path.stat().st_size == 0

    asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_exactly_the_most_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        async with received(chunks(b"ab", b"cd"), 4, tmp_path) as path:
            assert path.read_bytes() == b"abcd"
        with pytest.raises(Problem) as raised:
            async with received(chunks(b"ab", b"cde"), 4, tmp_path):
                pytest.fail("there is more than the most")
        assert raised.value.code is Code.TOO_LARGE
        assert raised.value.status == 413
        assert "at most 4 bytes" in raised.value.sentence

    asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_of_five_hundred_megabytes_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    flood = Flood(500)

    async def story() -> None:
        with pytest.raises(Problem) as raised:
            async with received(flood, MOST, tmp_path):
                pytest.fail("there is more than the most")
        assert raised.value.sentence == "The reference is too large: send at most 10 MB."

    asyncio.run(story())
    assert flood.taken == 11
    assert making.held(tmp_path) == set()


def test_the_client_goes_away_half_way(tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"half"
        assert len(making.held(tmp_path)) == 1
        raise ConnectionResetError

    async def story() -> None:
        with pytest.raises(ConnectionResetError):
            async with received(breaking(), MOST, tmp_path):
                pytest.fail("it never arrived")

    asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_the_request_is_cancelled_half_way(tmp_path: Path) -> None:
    async def waiting() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    async def receive() -> None:
        async with received(waiting(), MOST, tmp_path):
            pytest.fail("it never arrived")

    async def story() -> None:
        task = asyncio.create_task(receive())
        while not making.held(tmp_path):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_whoever_uses_the_file_fails(tmp_path: Path) -> None:
    async def story() -> None:
        async with received(chunks(b"x"), MOST, tmp_path):
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(story())
    assert making.held(tmp_path) == set()


def test_a_folder_that_is_not_there_yet_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with spool(folder, 10) as spooled:
        spooled.write(b"x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # A disk of this machine cannot be filled for a test.
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Problem) as raised, spool(tmp_path, 10) as spooled:
        spooled.write(b"x")
    monkeypatch.undo()
    assert raised.value.code is Code.BUSY
    assert raised.value.retry_after
    assert making.held(tmp_path) == set()


def test_half_a_write_is_followed_by_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with spool(tmp_path, 100) as spooled:
        spooled.write(b"whatever it takes")
        assert spooled.path.read_bytes() == b"whatever it takes"


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    with spool(tmp_path, 10) as spooled:
        left = spooled.path.name
    for name in (left, "notes.txt", "0" * 64 + ".wav"):
        (tmp_path / name).touch()
    assert sweep(tmp_path) == 1
    assert making.held(tmp_path) == {"notes.txt", "0" * 64 + ".wav"}
    assert sweep(tmp_path / "missing") == 0
