"""Redirects, TLS, and what is told of an address that holds a signature."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from chatterbox_service.problems import Code, Problem
from tests.chatterbox_service.references import serving
from tests.chatterbox_service.references.fetches import (
    CONTENT,
    SECRET,
    fetched,
    redirect,
    refused,
    with_site,
)
from tests.chatterbox_service.references.serving import Site, body, head, saying

# Redirects.


def test_a_redirect_to_the_same_host(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/a", f"private:m.example:{site.port}"
        assert await fetched(tmp_path, url, listed) == CONTENT
        assert len(site.asked) == 3

    with_site(
        story, a=redirect("/b", "301 Moved"), b=redirect("c", "307 Temporary"), c=body(CONTENT)
    )


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:{port}/secret",
        "//127.0.0.1:{port}/secret",
        "http://localhost:{port}/secret",
        "http://169.254.169.254/latest",
        "http://[::1]:{port}/secret",
        "http://u:p@m.example:{port}/secret",
        "file:///etc/passwd",
        "ftp://m.example:{port}/secret",
        "http://m.example:1/secret",
    ],
)
def test_a_redirect_to_an_internal_address(tmp_path: Path, to: str) -> None:
    async def story(site: Site) -> None:
        site.answers["/a"] = redirect(to.format(port=site.port))
        url, listed = f"http://m.example:{site.port}/a", f"private:m.example:{site.port}"
        await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, listed)
        assert len(site.asked) == 1

    with_site(story, secret=body(b"secret"))


def test_a_redirect_to_a_listed_name_that_is_now_elsewhere(tmp_path: Path) -> None:
    async def rebound(name: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if name == "m.example" else ["127.0.0.1", "10.0.0.1"]

    async def story(site: Site) -> None:
        site.answers["/a"] = redirect(f"http://public.example:{site.port}/secret")
        listed = (f"private:m.example:{site.port}", f"public.example:{site.port}")
        url = f"http://m.example:{site.port}/a"
        await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, *listed, resolve=rebound)
        assert len(site.asked) == 1

    with_site(story, secret=body(b"secret"))


def test_a_redirect_loop(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/a", f"private:m.example:{site.port}"
        told = await refused(tmp_path, Code.REFERENCE_UNREACHABLE, url, listed)
        assert "redirects more than 2 times" in told
        assert len(site.asked) == 3

    with_site(story, a=redirect("/a"))


@pytest.mark.parametrize("to", ["http://[", "http://\x01/", "http://m.example:x/", ""])
def test_a_redirect_to_nowhere(tmp_path: Path, to: str) -> None:
    async def story(site: Site) -> None:
        url, listed = f"http://m.example:{site.port}/a", f"private:m.example:{site.port}"
        with pytest.raises(Problem) as raised:
            await fetched(tmp_path, url, listed)
        assert raised.value.status == 422

    with_site(story, a=redirect(to))


# Secrets.


def test_nothing_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def story(site: Site) -> None:
        listed = f"private:m.example:{site.port}"
        base = f"http://m.example:{site.port}"
        await fetched(tmp_path, f"{base}/ok?s={SECRET}", listed)
        await fetched(tmp_path, f"{base}/there?s={SECRET}", listed)
        for path in ("missing", "broken", "loop"):
            await refused(tmp_path, Code.REFERENCE_UNREACHABLE, f"{base}/{path}?s={SECRET}", listed)
        assert "httpx" not in caplog.text
        # Elsewhere it goes on as before.
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{site.port}/ok?s={SECRET}")

    with_site(
        story,
        ok=body(CONTENT),
        there=redirect(f"/ok?s={SECRET}"),
        missing=saying(head("404 Not Found", Content_Length="0")),
        broken=saying(b""),
        loop=redirect(f"/loop?s={SECRET}"),
    )
    ours, _, others = caplog.text.partition("httpx")
    assert SECRET not in ours
    assert SECRET in others


# TLS.


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side for that name, and a client's that trusts it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ),
            *("-nodes", "-days", "2", "-subj", "/CN=a test"),
            *("-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))
    return server, client


def test_tls_is_for_the_name_not_for_the_address(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "m.example")
    named: list[str | None] = []
    server.sni_callback = lambda _, name, __: named.append(name)
    folder = tmp_path / "folder"

    async def story() -> None:
        async with serving.serving({"/x": body(CONTENT)}, tls=server) as site:
            listed = [f"private:{name}.example:{site.port}" for name in ("m", "other")]
            url = f"https://m.example:{site.port}/x"
            assert await fetched(folder, url, *listed, tls=client) == CONTENT
            assert named == ["m.example"]
            assert f"host: m.example:{site.port}\r\n" in site.asked[0].lower()
            # Another name, and an authority that nobody knows.
            other = f"https://other.example:{site.port}/x?s={SECRET}"
            await refused(folder, Code.REFERENCE_UNREACHABLE, other, *listed, tls=client)
            await refused(folder, Code.REFERENCE_UNREACHABLE, url, *listed)
            assert len(site.asked) == 1

    asyncio.run(story())


def test_from_https_there_is_no_way_back_to_http(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "m.example")
    folder = tmp_path / "folder"

    async def story(plain: Site) -> None:
        answers = {"/a": redirect(f"http://m.example:{plain.port}/x")}
        async with serving.serving(answers, tls=server) as site:
            listed = [f"private:m.example:{one.port}" for one in (plain, site)]
            url = f"https://m.example:{site.port}/a"
            told = await refused(folder, Code.REFERENCE_NOT_ALLOWED, url, *listed, tls=client)
            assert "from https to http" in told
            assert plain.asked == []

    with_site(story, x=body(CONTENT))
