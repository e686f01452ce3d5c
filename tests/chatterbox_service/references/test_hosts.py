"""Which hosts may be named, and which addresses may be behind them."""

from __future__ import annotations

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.hosts import Host, Hosts, Target, may_be_reached


def target(listed: str, url: str) -> Target:
    return Hosts.parse(listed.split(",")).target(httpx.URL(url))


def refused(listed: str, url: str) -> str:
    with pytest.raises(Problem) as raised:
        target(listed, url)
    assert raised.value.code is Code.REFERENCE_NOT_ALLOWED
    return raised.value.sentence


# The setting.


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("media.example.org", Host("media.example.org", None, False)),
        ("Media.Example.ORG:8443", Host("media.example.org", 8443, False)),
        ("media:80", Host("media", 80, False)),
        ("8.8.8.8", Host("8.8.8.8", None, False)),
        ("bücher.example", Host("xn--bcher-kva.example", None, False)),
        ("private:10.0.0.5:8000", Host("10.0.0.5", 8000, True)),
        ("private:localhost:9000", Host("localhost", 9000, True)),
        ("private:media_server", Host("media_server", None, True)),
        ("private:[::1]:8000", Host("::1", 8000, True)),
        ("private:[0:0:0::1]", Host("::1", None, True)),
        ("private:[::ffff:10.0.0.5]", Host("10.0.0.5", None, True)),
        ("private:100.64.0.1", Host("100.64.0.1", None, True)),
    ],
)
def test_entries(entry: str, host: Host) -> None:
    assert Hosts.parse([f" {entry} "]).listed == (host,)


@pytest.mark.parametrize(
    "entry",
    [
        "http://media.example.org",
        "media.example.org/path",
        "*.example.org",
        "user@media.example.org",
        "media.example.org?x",
        "media.example.org#x",
        "media.example.org:0",
        "media.example.org:65536",
        "media.example.org:http",
        "a b",
        "private:",
        "fd00::5",
        "x" * 64 + "." + "y" * 64 + "." + "z" * 200,
        # Resolvers take these for addresses.
        "2130706433",
        "private:0x7f000001",
        "private:127.1",
        "private:0177.0.0.1",
        # Never, not even with leave.
        "private:169.254.169.254",
        "private:[fe80::1]",
        "private:0.0.0.0",
        "private:224.0.0.1",
        "private:255.255.255.255",
        # These need leave.
        "10.0.0.5",
        "127.0.0.1:8000",
        "localhost:8000",
        "x.localhost",
        "[::1]",
    ],
)
def test_entries_that_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="TTS_REFERENCE_HOSTS") as raised:
        Hosts.parse([entry])
    assert entry in str(raised.value)


def test_nothing_listed() -> None:
    assert Hosts.parse(["", " "]).listed == ()
    assert "TTS_REFERENCE_HOSTS lists no host" in refused("", "https://media.example.org/a.wav")


# A URL.


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("media.example.org", "https://media.example.org/a.wav"),
        ("media.example.org", "http://MEDIA.example.org:80/a.wav"),
        ("media.example.org:443", "https://media.example.org/a.wav"),
        ("a.example,media.example.org:8443", "https://media.example.org:8443/?a=b"),
        ("private:[::1]:8000", "http://[0:0::1]:8000/"),
        ("private:10.0.0.5:8000", "http://[::ffff:10.0.0.5]:8000/"),
    ],
)
def test_listed(listed: str, url: str) -> None:
    target(listed, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example.org:8443/a.wav",
        "https://example.org/",
        "https://media.example.org.evil.example/",
        "https://evil.example/media.example.org",
        "https://evil.example/?media.example.org",
        "https://evil.example/#@media.example.org/",
        "https://media.example.org@evil.example/",
        "https://media.example.org%2eevil.example/",
        "https://media.example.org./",
        "https://media.example.org:0/",
        "https://media.example.org:99999999/",
        "//media.example.org/",
        "http://localhost:8001/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_not_listed(url: str) -> None:
    refused("media.example.org", url)


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "ws", "HTTPX"])
def test_other_schemes(scheme: str) -> None:
    assert "http and https only" in refused("media.example.org", f"{scheme}://media.example.org/a")


def test_names_and_passwords() -> None:
    told = refused("media.example.org", "https://somebody:s3cr3t@media.example.org/a.wav")
    assert "user name" in told
    assert "s3cr3t" not in told


def test_leave_for_one_port_is_none_for_another() -> None:
    listed = "private:media.example.org:8000,media.example.org"
    assert target(listed, "http://media.example.org:8000/").private
    assert not target(listed, "http://media.example.org/").private


# Addresses.


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public(address: str) -> None:
    assert may_be_reached(address, private=False)
    assert may_be_reached(address, private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    ],
)
def test_private(address: str) -> None:
    assert not may_be_reached(address, private=False)
    assert may_be_reached(address, private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "169.254.169.254", "224.0.0.1", "240.0.0.1"),  # noqa: S104 - nothing is bound
        *("255.255.255.255", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fec0::1"),
        *("::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),
        *("localhost", "", "127.1", "0177.0.0.1"),
    ],
)
def test_never(address: str) -> None:
    assert not may_be_reached(address, private=False)
    assert not may_be_reached(address, private=True)


@given(st.ip_addresses(v=4))
def test_writing_it_as_ipv6_changes_nothing(address: ipaddress.IPv4Address) -> None:
    for private in (False, True):
        mapped = may_be_reached(f"::ffff:{address}", private=private)
        assert mapped == may_be_reached(str(address), private=private)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_without_leave_it_is_the_internet(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if may_be_reached(str(address), private=False):
        assert address.is_global
        assert not address.is_multicast
        assert may_be_reached(str(address), private=True)
