"""Fetching from a site of the test's own, and what has to be true whatever comes of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.fetching import Hosts, Resolve, fetch
from tests.chatterbox_service.references import making, serving
from tests.chatterbox_service.references.serving import Site, head, saying

AMPLE = 20.0
MOST = 1_000_000
SECRET = "s3cr3t"  # noqa: S105 - it opens nothing
CONTENT = b"RIFF and so on" * 100


def pointing(*addresses: str) -> Resolve:
    """Every name is at those addresses."""

    async def resolve(name: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


LOOPBACK = pointing("127.0.0.1")


async def fetched(
    folder: Path,
    url: str,
    *listed: str,
    timeout: float = AMPLE,
    most_bytes: int = MOST,
    resolve: Resolve = LOOPBACK,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    async with fetch(
        url,
        Hosts.parse(listed),
        most_bytes=most_bytes,
        timeout=timeout,
        folder=folder,
        resolve=resolve,
        tls=tls,
    ) as path:
        assert making.held(folder) == {path.name}
        content = path.read_bytes()
    assert making.held(folder) == set()
    return content


async def refused(folder: Path, code: Code, url: str, *listed: str, **options: Any) -> str:
    with pytest.raises(Problem) as raised:
        await fetched(folder, url, *listed, **options)
    assert raised.value.code is code, raised.value.sentence
    sentence = raised.value.sentence
    assert sentence.endswith(".")
    assert sentence.count(". ") <= 1
    assert SECRET not in sentence
    assert making.held(folder) == set()
    return sentence


def with_site(story: Callable[[Site], Awaitable[None]], **answers: serving.Answer) -> None:
    """A site with those answers at /name."""

    async def whole() -> None:
        by_path = {f"/{name}": answer for name, answer in answers.items()}
        async with serving.serving(by_path) as site:
            await story(site)

    asyncio.run(whole())


def redirect(to: str, status: str = "302 Found") -> serving.Answer:
    return saying(head(status, Location=to, Content_Length="0"))
