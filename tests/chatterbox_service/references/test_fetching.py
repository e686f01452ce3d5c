"""References are fetched from listed hosts only, wherever their names lead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatterbox_service.problems import Code
from chatterbox_service.references.checking import Limits, check
from chatterbox_service.references.fetching import Hosts, fetch
from tests.chatterbox_service.references import making, serving
from tests.chatterbox_service.references.fetches import (
    AMPLE,
    CONTENT,
    LOOPBACK,
    MOST,
    SECRET,
    fetched,
    pointing,
    refused,
    with_site,
)
from tests.chatterbox_service.references.serving import Site, body


def test_a_recording(tmp_path: Path) -> None:
    source = making.save(tmp_path / "voice.wav", making.spoken(3.0))
    folder = tmp_path / "folder"

    async def story(site: Site) -> None:
        url = f"http://media.example:{site.port}/voice?signature={SECRET}"
        async with fetch(
            url,
            Hosts.parse([f"private:media.example:{site.port}"]),
            most_bytes=MOST,
            timeout=AMPLE,
            folder=folder,
            resolve=LOOPBACK,
        ) as path:
            assert check(path, Limits()) == check(source, Limits())
        [asked] = site.asked
        assert asked.startswith(f"GET /voice?signature={SECRET} HTTP/1.1\r\n")
        assert f"host: media.example:{site.port}\r\n" in asked.lower()
        assert "accept-encoding: identity\r\n" in asked.lower()
        assert "cookie" not in asked.lower()
        assert "authorization" not in asked.lower()

    with_site(story, voice=body(source.read_bytes()))
    assert making.held(folder) == set()


def test_by_address_and_by_ipv6(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving.serving({"/x": body(CONTENT)}, host="::1") as site:
            url = f"http://[::1]:{site.port}/x"
            assert await fetched(tmp_path, url, f"private:[::1]:{site.port}") == CONTENT
            await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, "media.example")
            assert len(site.asked) == 1

    asyncio.run(story())


def test_the_systems_own_resolver(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async with fetch(
            f"http://localhost:{site.port}/x",
            Hosts.parse([f"private:localhost:{site.port}"]),
            most_bytes=MOST,
            timeout=AMPLE,
            folder=tmp_path,
        ) as path:
            assert path.read_bytes() == CONTENT

    with_site(story, x=body(CONTENT))


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        # Nothing listens on the other addresses of loopback.
        resolve = pointing("127.0.0.77", "::1", "127.0.0.1")
        assert await fetched(tmp_path, url, listed, resolve=resolve) == CONTENT

    with_site(story, x=body(CONTENT))


# Whither.


def test_nobody_is_asked_when_no_host_is_listed(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        told = await refused(
            tmp_path, Code.REFERENCE_NOT_ALLOWED, f"http://127.0.0.1:{site.port}/x?s={SECRET}"
        )
        assert "TTS_REFERENCE_HOSTS" in told
        assert site.asked == []

    with_site(story, x=body(CONTENT))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"),
        *("017700000001", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("localhost", "localhost."),
    ],
)
def test_spellings_of_loopback(tmp_path: Path, host: str) -> None:
    async def story(site: Site) -> None:
        url = f"http://{host}:{site.port}/x?s={SECRET}"
        await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, f"m.example:{site.port}")
        assert site.asked == []

    with_site(story, x=body(CONTENT))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"]
)
def test_a_public_name_with_another_address(tmp_path: Path, address: str) -> None:
    async def story(site: Site) -> None:
        told = await refused(
            tmp_path,
            Code.REFERENCE_NOT_ALLOWED,
            f"http://m.example:{site.port}/x?s={SECRET}",
            f"m.example:{site.port}",
            resolve=pointing(address),
        )
        assert "m.example" in told
        assert address not in told
        assert site.asked == []

    with_site(story, x=body(CONTENT))


def test_even_with_leave_there_is_no_way_to_the_clouds_own_address(tmp_path: Path) -> None:
    async def story() -> None:
        await refused(
            tmp_path,
            Code.REFERENCE_NOT_ALLOWED,
            "http://m.example/x",
            "private:m.example",
            resolve=pointing("169.254.169.254", "fe80::1%2"),
        )

    asyncio.run(story())


def test_of_several_addresses_only_those_that_may_be_are_asked(tmp_path: Path) -> None:
    """The first would lead to the site, but is never allowed; the second is, but nobody listens."""

    async def story(site: Site) -> None:
        await refused(
            tmp_path,
            Code.REFERENCE_UNREACHABLE,
            f"http://m.example:{site.port}/x",
            f"private:m.example:{site.port}",
            resolve=pointing("0.0.0.0", "127.0.0.77"),  # noqa: S104 - nothing is bound
        )
        assert site.asked == []

    with_site(story, x=body(CONTENT))


def test_a_name_is_resolved_once(tmp_path: Path) -> None:
    """The second answer would be another: what was judged is what is connected to."""
    asked: list[str] = []

    async def changing(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
        assert await fetched(tmp_path, url, listed, resolve=changing) == CONTENT
        assert asked == ["m.example"]

    with_site(story, x=body(CONTENT))


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "http://", "http:///x", "http://m.example:port/"),
        *("http://[::1/", "http://m.example\\@evil.example/", "http://m.example/a b"),
        *("http://m.example/\r\nX: y", "http://m.example/\0", f"http://m.example/{'x' * 9000}"),
        *("file:///etc/passwd", "data:,x", "javascript:alert(1)"),
        *("http://ex\u00admple/", "\u2028http://m.example/"),
    ],
)
def test_what_is_no_address(tmp_path: Path, url: str) -> None:
    async def story() -> None:
        told = await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, "m.example")
        assert "no valid one" in told

    asyncio.run(story())


def test_the_environments_proxies_and_logins_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = tmp_path / "netrc"
    logins.write_text(f"machine m.example login somebody password {SECRET}\n")
    folder = tmp_path / "folder"

    async def story(site: Site) -> None:
        async with serving.serving({}) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NETRC", str(logins))
            url, listed = f"http://m.example:{site.port}/x", f"private:m.example:{site.port}"
            assert await fetched(folder, url, listed) == CONTENT
            assert proxy.asked == []
            assert "authorization" not in site.asked[0].lower()

    with_site(story, x=body(CONTENT))
