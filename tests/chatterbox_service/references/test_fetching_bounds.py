"""What is fetched is there in time, is never more than wanted, and is what it says."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import Limits, check
from chatterbox_service.references.fetching import Hosts, fetch
from tests.chatterbox_service.references import making, serving
from tests.chatterbox_service.references.fetches import (
    AMPLE,
    LOOPBACK,
    MOST,
    SECRET,
    fetched,
    pointing,
    refused,
    with_site,
)
from tests.chatterbox_service.references.serving import Site, body, head, saying

# Time.


def late(**answers: serving.Answer) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        async def story(site: Site) -> None:
            url, listed = f"http://m.example:{site.port}/x?s={SECRET}", "private:m.example"
            began = asyncio.get_running_loop().time()
            told = await refused(
                folder,
                Code.REFERENCE_UNREACHABLE,
                url,
                f"{listed}:{site.port}",
                timeout=0.3,
            )
            assert told == f"m.example:{site.port} did not send the reference within 0.3 s."
            assert asyncio.get_running_loop().time() - began < 5.0

        with_site(story, **answers)

    return run


def test_no_answer(tmp_path: Path) -> None:
    late(x=serving.hanging)(tmp_path)


def test_a_body_that_drips(tmp_path: Path) -> None:
    late(x=serving.dripping(head(Content_Length="100000"), b"x"))(tmp_path)


def test_a_head_that_drips(tmp_path: Path) -> None:
    late(x=serving.dripping(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n"))(tmp_path)


def test_answers_that_are_only_announced(tmp_path: Path) -> None:
    late(x=serving.dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"))(tmp_path)


def test_redirects_share_the_time(tmp_path: Path) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(head("302 Found", Location="/x", Content_Length="0"))

    late(x=slow)(tmp_path)


def test_a_resolver_that_hangs(tmp_path: Path) -> None:
    async def never(name: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async def story() -> None:
        told = await refused(
            tmp_path,
            Code.REFERENCE_UNREACHABLE,
            "http://m.example/x",
            "m.example",
            timeout=0.1,
            resolve=never,
        )
        assert told == "m.example did not send the reference within 0.1 s."

    asyncio.run(story())


def test_the_request_is_cancelled_half_way(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        task = asyncio.create_task(fetched(tmp_path, url, listed))
        while not site.asked:
            await asyncio.sleep(0.01)
        assert len(making.held(tmp_path)) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert making.held(tmp_path) == set()

    with_site(story, x=serving.dripping(head(), b"x"))


# Size.


def test_a_body_without_an_end(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        site.answers["/x"] = serving.endless(lambda: site)
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        told = await refused(tmp_path, Code.TOO_LARGE, url, listed)
        assert "at most 1 MB" in told
        # What the kernel holds between the two comes on top.
        assert site.sent < MOST + 8_000_000

    with_site(story)


def test_a_length_that_is_too_large_is_believed(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        await refused(tmp_path, Code.TOO_LARGE, url, listed)

    with_site(story, x=serving.dripping(head(Content_Length="500000000"), b""))


def test_a_length_that_is_too_small_is_what_is_read(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        assert await fetched(tmp_path, url, listed) == b"x" * 10

    with_site(story, x=saying(head(Content_Length="10") + b"x" * 2_000_000))


@pytest.mark.parametrize(
    "answer",
    [
        head(Content_Length="1000") + b"half",
        head(Transfer_Encoding="chunked") + b"5\r\nhel",
        head(Transfer_Encoding="chunked") + b"zz\r\n",
        head(Content_Length="minus one"),
        head(Content_Length="-1") + b"x",
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    ],
)
def test_an_answer_that_is_broken(tmp_path: Path, answer: bytes) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x?s={SECRET}", f"private:m.example:{site.port}"
        await refused(tmp_path, Code.REFERENCE_UNREACHABLE, url, listed)

    with_site(story, x=saying(answer))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, gzip", "unheard-of"])
def test_a_content_encoding_is_not_decoded(tmp_path: Path, encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < MOST

    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        told = await refused(tmp_path, Code.REFERENCE_UNREACHABLE, url, listed)
        assert "content encoding" in told

    answer = head(Content_Encoding=encoding, Content_Length=str(len(bomb))) + bomb
    with_site(story, x=saying(answer))


def test_an_encoding_that_is_not_admitted_is_not_decoded_either(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))

    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        assert await fetched(tmp_path, url, listed) == bomb

    with_site(story, x=body(bomb))


# What else may happen.


@pytest.mark.parametrize(
    "status", ["404 Not Found", "403 Forbidden", "500 No", "204 None", "304 X"]
)
def test_another_answer_than_the_recording(tmp_path: Path, status: str) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x?s={SECRET}", f"private:m.example:{site.port}"
        told = await refused(tmp_path, Code.REFERENCE_UNREACHABLE, url, listed)
        assert f"m.example:{site.port} answered {status[:3]}" in told

    with_site(story, x=saying(head(status, Content_Length="0")))


def test_nobody_listens(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x?s={SECRET}", f"private:m.example:{site.port}"
        resolve = pointing("127.0.0.77")
        await refused(tmp_path, Code.REFERENCE_UNREACHABLE, url, listed, resolve=resolve)

    with_site(story)


@pytest.mark.parametrize("error", [OSError(f"no such host {SECRET}"), UnicodeError("label")])
def test_a_name_that_does_not_exist(tmp_path: Path, error: Exception) -> None:
    async def unknown(name: str, port: int) -> Sequence[str]:
        raise error

    async def story() -> None:
        options = {"resolve": unknown}
        told = await refused(
            tmp_path, Code.REFERENCE_UNREACHABLE, "http://m.example/", "m.example", **options
        )
        assert told == "m.example cannot be found."

    asyncio.run(story())


def test_what_is_fetched_is_no_recording(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    async def story(site: Site) -> None:
        with pytest.raises(Problem) as raised:
            async with fetch(
                f"http://m.example:{site.port}/x",
                Hosts.parse([f"private:m.example:{site.port}"]),
                most_bytes=MOST,
                timeout=AMPLE,
                folder=folder,
                resolve=LOOPBACK,
            ) as path:
                check(path, Limits())
        assert raised.value.code is Code.REFERENCE_INVALID

    with_site(story, x=body(b"<html>Please log in.</html>"))
    assert making.held(folder) == set()
