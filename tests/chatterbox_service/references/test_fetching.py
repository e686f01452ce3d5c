"""References are fetched from listed hosts, in time, and never more of them than wanted."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import Limits, check
from chatterbox_service.references.fetching import Hosts, Resolve, fetch
from tests.chatterbox_service.references import making, serving
from tests.chatterbox_service.references.serving import Site, body, head, saying

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
        *("", "x", "//m.example/x", "http://", "http:///x", "http://m.example:99999999/"),
        *("http://[::1/", "http://m.example\\@evil.example/", "http://m.example/a b"),
        *("http://m.example/\r\nX: y", "http://m.example/\0", f"http://m.example/{'x' * 9000}"),
        *("file:///etc/passwd", "data:,x", "javascript:alert(1)"),
        *("http://ex\u00admple/", "\u2028http://m.example/"),
    ],
)
def test_what_is_no_address(tmp_path: Path, url: str) -> None:
    async def story() -> None:
        await refused(tmp_path, Code.REFERENCE_NOT_ALLOWED, url, "m.example")

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


# Redirects.


def redirect(to: str, status: str = "302 Found") -> serving.Answer:
    return saying(head(status, Location=to, Content_Length="0"))


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
