"""A recording that a client names by its address: from listed hosts only.

The name is resolved once, its addresses are judged, and the connection goes to one of those: a name
that means another address a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import httpx

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.hosts import SETTING, Hosts, Target, is_address, may_be_reached
from chatterbox_service.references.spooling import Spool, spool, too_large

__all__ = ["Hosts", "Resolve", "fetch"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses. Raises OSError or UnicodeError."""

_MOST_REDIRECTS = 2
_MOST_ADDRESSES = 4
_LONGEST_URL = 8192


async def resolve_by_system(name: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@asynccontextmanager
async def fetch(
    url: str,
    allowed: Hosts,
    *,
    most_bytes: int,
    timeout: float,
    folder: Path,
    resolve: Resolve = resolve_by_system,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Path]:
    """What lies at `url`, as a file in `folder` that is gone afterwards.

    `timeout` is seconds for all of it. Raises Problem: REFERENCE_NOT_ALLOWED,
    REFERENCE_UNREACHABLE, TOO_LARGE, BUSY on a full disk. Neither a sentence nor a log tells more
    of the address than host and port.
    """
    with spool(folder, most_bytes) as spooled:
        fetched = _Fetch(allowed, resolve, tls, timeout, spooled)
        with _unlogged():
            await fetched.everything(url)
        yield spooled.path


class _Fetch:
    def __init__(
        self,
        allowed: Hosts,
        resolve: Resolve,
        tls: ssl.SSLContext | None,
        timeout: float,
        spooled: Spool,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._tls = tls
        self._timeout = timeout
        self._spooled = spooled

    async def everything(self, url: str) -> None:
        at = _parsed(url)
        target = self._allowed.target(at)
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(1 + _MOST_REDIRECTS):
                    onward = await self._one(at, target)
                    if onward is None:
                        return
                    at, target = onward, self._allowed.target(onward)
        except TimeoutError:
            raise _unreachable(
                f"{target} did not send the reference within {self._timeout:g} s."
            ) from None
        raise _unreachable(f"{target} redirects more than {_MOST_REDIRECTS} times.")

    async def _one(self, url: httpx.URL, target: Target) -> httpx.URL | None:
        """The address that the answer points to, if it does; otherwise the file is written."""
        addresses = await self._addresses(target)
        tls = await asyncio.to_thread(_usual_tls) if self._tls is None else self._tls
        patience = httpx.Timeout(self._timeout, connect=self._timeout / len(addresses))
        async with httpx.AsyncClient(verify=tls, trust_env=False, timeout=patience) as client:
            try:
                response = await _connected(client, url, target, addresses)
                try:
                    return await self._taken(response, url, target)
                finally:
                    await response.aclose()
            except httpx.TimeoutException:
                raise TimeoutError from None
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
                raise _unreachable(
                    f"The connection to {target} failed before the reference was there."
                ) from None

    async def _addresses(self, target: Target) -> Sequence[str]:
        if is_address(target.name):
            found: Sequence[str] = [target.name]
        else:
            try:
                found = await self._resolve(target.name, target.port)
            except (OSError, UnicodeError):
                raise _unreachable(f"{target} cannot be found.") from None
        usable = [one for one in found if may_be_reached(one, private=target.private)]
        if found and not usable:
            raise Problem(
                Code.REFERENCE_NOT_ALLOWED,
                f"{target} is at an address that {SETTING} does not allow.",
            )
        if not usable:
            raise _unreachable(f"{target} cannot be found.")
        return list(dict.fromkeys(usable))[:_MOST_ADDRESSES]

    async def _taken(
        self, response: httpx.Response, url: httpx.URL, target: Target
    ) -> httpx.URL | None:
        if response.has_redirect_location:
            return _onward(url, response.headers["location"], target)
        if response.status_code != httpx.codes.OK:
            raise _unreachable(
                f"{target} answered {response.status_code} instead of the reference: "
                "check that its address is right and has not expired."
            )
        # Not asked for, and a megabyte of it may be a gigabyte.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _unreachable(
                f"{target} sent the reference with a content encoding: send it as it is."
            )
        declared = response.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._spooled.most_bytes:
            raise too_large(self._spooled.most_bytes)
        async for chunk in response.aiter_raw():
            self._spooled.write(chunk)
        return None


async def _connected(
    client: httpx.AsyncClient, url: httpx.URL, target: Target, addresses: Sequence[str]
) -> httpx.Response:
    """The first answer of any address: by number, but named as the URL names it."""
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Accept": "audio/*, */*",
        "Accept-Encoding": "identity",
    }
    for address in addresses:
        request = client.build_request(
            "GET",
            url.copy_with(host=address, port=target.port),
            headers=headers,
            extensions={"sni_hostname": target.name},
        )
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if address == addresses[-1]:
                raise
    raise AssertionError("there is always an address")


def _parsed(url: str) -> httpx.URL:
    try:
        # Browsers and libraries disagree about these; nobody needs them.
        if len(url) > _LONGEST_URL or set(url) & set(" \\"):
            raise ValueError
        parsed = httpx.URL(url)
        if not parsed.host:
            raise ValueError
    except (httpx.InvalidURL, ValueError):
        sentence = "The reference's address is no valid one: send an http or https URL."
        raise Problem(Code.REFERENCE_NOT_ALLOWED, sentence) from None
    return parsed


def _onward(url: httpx.URL, location: str, target: Target) -> httpx.URL:
    """Raises Problem."""
    try:
        joined = url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise _unreachable(f"{target} redirects to what is no address.") from None
    if url.scheme == "https" and joined.scheme == "http":
        raise Problem(
            Code.REFERENCE_NOT_ALLOWED,
            f"{target} redirects from https to http, which is not followed.",
        )
    return _parsed(str(joined))


@cache
def _usual_tls() -> ssl.SSLContext:
    """Also the machine's own authorities: a platform may have one of its own. Takes tens of ms."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


_silent: ContextVar[bool] = ContextVar("_silent", default=False)


def _is_heard(_: logging.LogRecord) -> bool:
    return not _silent.get()


@contextmanager
def _unlogged() -> Iterator[None]:
    """httpx logs whole URLs, at INFO, and httpcore the headers of redirects."""
    for name in ("httpx", "httpcore.connection", "httpcore.http11"):
        # A filter that is there already is not added again.
        logging.getLogger(name).addFilter(_is_heard)
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def _unreachable(sentence: str) -> Problem:
    return Problem(Code.REFERENCE_UNREACHABLE, sentence)
