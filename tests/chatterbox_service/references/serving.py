"""A real web server on loopback that misbehaves as it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """What it was asked, and how it answers by path."""

    port: int
    answers: dict[str, Answer]
    asked: list[str] = field(default_factory=list)
    """Whole heads of requests."""
    sent: int = 0
    """Bytes of bodies that the kernel took."""


@asynccontextmanager
async def serving(
    answers: dict[str, Answer], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    site = Site(0, answers)
    at_work: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                site.asked.append(head)
                path = head.split()[1].partition("?")[0]
                await site.answers[path](writer)
                await writer.drain()
        finally:
            writer.close()
            at_work.discard(task)

    server = await asyncio.start_server(meet, host, 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in list(at_work):
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


def head(status: str = "200 OK", **fields: str) -> bytes:
    """With `_` for `-` in the fields' names."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def saying(content: bytes) -> Answer:
    """Those bytes, head included, and the end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return answer


def body(content: bytes) -> Answer:
    return saying(head(Content_Length=str(len(content))) + content)


def endless(site_of: Callable[[], Site], chunk: bytes = bytes(65_536)) -> Answer:
    """A body without a length that never ends; `sent` tells how far it got."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        while True:
            writer.write(chunk)
            await writer.drain()
            site_of().sent += len(chunk)

    return answer


def dripping(begin: bytes, drop: bytes, seconds: float = 0.01) -> Answer:
    """A little at a time, so that no single wait is long, and never the end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(seconds)

    return answer


async def hanging(writer: asyncio.StreamWriter) -> None:
    """Nothing at all."""
    await asyncio.Event().wait()
