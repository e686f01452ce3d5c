from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from campus.standalone.errors import StandaloneError
from campus.standalone.ports import LOOPBACK, Ports, is_free

WANTED = 21950


@pytest.fixture
def ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports


def listen(host: str = LOOPBACK) -> socket.socket:
    """Somebody else's server on a port that is free now."""
    return socket.create_server((host, 0))


def test_the_wanted_port_is_taken_when_it_is_free(ports: Ports) -> None:
    first = ports.choose(WANTED)
    assert first >= WANTED
    assert is_free(first)


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0"])  # noqa: S104  # closed at once
def test_a_busy_port_is_passed_over(host: str, ports: Ports) -> None:
    with listen(host) as server:
        busy = server.getsockname()[1]
        assert not is_free(busy)
        assert busy < ports.choose(busy) < busy + 50


def test_connections_that_linger_are_no_obstacle(ports: Ports) -> None:
    with listen() as server:
        port = server.getsockname()[1]
        client = socket.create_connection((LOOPBACK, port))
        accepted, _ = server.accept()
        accepted.close()  # whoever closes first keeps the connection for a minute
        client.close()
    assert ports.choose(port) == port


def test_two_sites_that_start_together_choose_differently(ports: Ports) -> None:
    program = f"""
from campus.standalone.ports import Ports
with Ports() as ports:
    print(ports.choose({WANTED}), flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        assert is_free(theirs)
        assert ports.choose(theirs) > theirs
        other.kill()
    # A site that was killed holds nothing any more.
    with Ports() as later:
        assert later.choose(theirs) == theirs


def test_one_site_never_has_a_port_twice(ports: Ports) -> None:
    chosen = [ports.choose(WANTED) for _ in range(5)]
    assert len(set(chosen)) == 5


def test_no_port_at_all_is_said_in_one_sentence(ports: Ports) -> None:
    with socket.socket() as last:
        last.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        last.bind((LOOPBACK, 65535))
        last.listen(1)
        with pytest.raises(StandaloneError, match="No free port was found from 65535 on"):
            ports.choose(65535)
