"""Free loopback ports."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

from campus.standalone.errors import StandaloneError

LOOPBACK = "127.0.0.1"
_MOST_TRIED = 200


class Ports:
    """Chooses ports and keeps other instances of ours away from them until closed.

    A port is free between our look and the moment when the server opens it. Whoever else starts
    a site meanwhile must not choose it too, so each choice holds a name that only one can have: an
    abstract socket, which needs no file and is gone with its process, however that ends.
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> Ports:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._held.close()

    def choose(self, wanted: int) -> int:
        """The wanted port if it is free, else the next one that is."""
        for port in candidates(wanted):
            if self._take(port):
                return port
        raise StandaloneError(f"No free port was found from {wanted} on.")

    def _take(self, port: int) -> bool:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            name.bind(f"\0dubfleet-port-{port}")
        except OSError as error:
            name.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        if not is_free(port):
            name.close()
            return False
        self._held.enter_context(name)
        return True


def candidates(wanted: int) -> Iterable[int]:
    """The ports to try, in order."""
    return range(wanted, min(wanted + _MOST_TRIED, 65536))


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
