"""Which hosts references may be fetched from: TTS_REFERENCE_HOSTS.

A list of `host` or `host:port`; without a port it is the scheme's own, 80 or 443. Such a host has
to have public addresses. `private:host:port` allows private and loopback addresses as well, such as
`private:10.0.0.5:8000`, `private:localhost:9000` or `private:[fd00::5]:8000`. Link-local addresses,
where clouds tell machines their secrets, are never allowed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from chatterbox_service.problems import Code, Problem

SETTING = "TTS_REFERENCE_HOSTS"

_PRIVATE = "private:"
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""What resolvers may take for an address: "127.1", "2130706433", "0x7f.0.0.1"."""
_LONGEST_NAME = 253
_HIGHEST_PORT = 65_535

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Host:
    """One that is listed."""

    name: str
    """In lower case and ASCII, or an address as Python writes it."""
    port: int | None
    """None: the scheme's own."""
    private: bool
    """Whether its addresses may be private."""


@dataclass(frozen=True, slots=True)
class Target:
    """What of a URL decides whether it is fetched."""

    name: str
    port: int
    private: bool

    def __str__(self) -> str:
        """For people. The only part of a URL that is ever told: a query may be a signature."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port in _PORTS.values() else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Hosts:
    """All that are listed. None: nothing is fetched."""

    listed: tuple[Host, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Hosts:
        """Raises ValueError with one sentence that names the entry."""
        return cls(tuple(_host(entry.strip()) for entry in entries if entry.strip()))

    def target(self, url: httpx.URL) -> Target:
        """Raises Problem REFERENCE_NOT_ALLOWED."""
        if not self.listed:
            raise _refused(
                f"References are not fetched: {SETTING} lists no host. Send the recording itself."
            )
        if url.scheme not in _PORTS:
            raise _refused("References are fetched over http and https only.")
        if url.userinfo:
            raise _refused("A reference's address must not hold a user name or a password.")
        usual = _PORTS[url.scheme]
        name = _canonical(url.raw_host.decode("ascii"))
        port = usual if url.port is None else url.port
        found = [
            host
            for host in self.listed
            if host.name == name and port == (usual if host.port is None else host.port)
        ]
        target = Target(name, port, private=any(host.private for host in found))
        if not found:
            raise _refused(f"References are not fetched from {target}: {SETTING} does not list it.")
        return target


def is_address(name: str) -> bool:
    return _address(name) is not None


def may_be_reached(address: str, *, private: bool) -> bool:
    """Whether a connection may be made to an address, as written by a resolver."""
    found = _address(address)
    if found is None or found.is_multicast or found.is_unspecified or found.is_link_local:
        return False
    if found.is_loopback:
        return private
    if found.is_reserved or _is_outdated(found):
        return False
    return private or found.is_global


def _is_outdated(address: Address) -> bool:
    """6to4, which carries any IPv4 address inside, and site-local: both are given up."""
    if isinstance(address, ipaddress.IPv4Address):
        return False
    return address.sixtofour is not None or address.is_site_local


def _address(name: str) -> Address | None:
    """An IPv4 address that is written as IPv6 is the IPv4 address."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _canonical(name: str) -> str:
    found = _address(name)
    return name.lower() if found is None else str(found)


def _host(entry: str) -> Host:
    private = entry.startswith(_PRIVATE)
    try:
        # A scheme that has a port of its own would swallow that port.
        url = httpx.URL(f"any://{entry.removeprefix(_PRIVATE)}")
    except httpx.InvalidURL:
        url = httpx.URL("any://?")
    name = _canonical(url.raw_host.decode("ascii"))
    address = is_address(name)
    only_a_host = (url.raw_path, url.userinfo, url.fragment) == (b"/", b"", "")
    possible = url.port is None or 0 < url.port <= _HIGHEST_PORT
    if not only_a_host or not possible or not (address or _is_name(name)):
        raise ValueError(f'{SETTING} cannot use "{entry}": write a host or host:port.')
    if address and not may_be_reached(name, private=True):
        raise ValueError(f'{SETTING} cannot use "{entry}": such addresses are never allowed.')
    needs_leave = not may_be_reached(name, private=False) if address else _is_local(name)
    if needs_leave and not private:
        raise ValueError(f'{SETTING}: "{entry}" is not public, so write "{_PRIVATE}{entry}".')
    return Host(name, url.port, private)


def _is_name(name: str) -> bool:
    plausible = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None
    return plausible and _NUMBER.fullmatch(name) is None


def _is_local(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _refused(sentence: str) -> Problem:
    return Problem(Code.REFERENCE_NOT_ALLOWED, sentence)
