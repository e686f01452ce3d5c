"""A TCP proxy that can cut the path without either end hearing of it, or with a reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_BACKLOG = 1
_STUFFING = 4
"""More than the kernel keeps for a backlog of one: whoever connects then hears nothing."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LOOK_SECONDS = 0.05


@dataclass(eq=False)
class _Link:
    """One connection through the proxy. What was read while the path is cut is held."""

    near: socket.socket
    far: socket.socket
    open: threading.Event = field(default_factory=threading.Event)
    lost: bool = False

    def start(self) -> None:
        for source, sink in ((self.near, self.far), (self.far, self.near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                self.open.wait()
                if self.lost:
                    return
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                # Wakes the thread that reads it; the reset itself is sent by the close.
                end.shutdown(socket.SHUT_RD)
            end.close()
        self.lost = True
        self.open.set()


class TcpProxy:
    """Listens on a free loopback port and passes everything on to `port`, until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.settimeout(_LOOK_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._links: list[_Link] = []
        self._stuffing: list[socket.socket] = []
        self._cut = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """From now on nothing arrives, in neither direction, and nobody is told.

        New connections get no answer at all, as when a firewall drops their packets.
        """
        with self._lock:
            self._cut = True
            for link in self._links:
                link.open.clear()
            for _ in range(_STUFFING):
                stuffing = socket.socket()
                stuffing.setblocking(False)
                stuffing.connect_ex(("127.0.0.1", self.port))
                self._stuffing.append(stuffing)

    def mend(self, *, forget: bool) -> None:
        """The path is there again.

        `forget`: it does not know the old connections any more, as a router that was started anew.
        They stay silent for ever. Otherwise what was sent meanwhile arrives now.
        """
        with self._lock:
            self._cut = False
            for stuffing in self._stuffing:
                stuffing.close()
            self._stuffing.clear()
            for link in self._links:
                link.lost = link.lost or forget
                link.open.set()

    def reset(self) -> None:
        """End every connection at once, with a reset to both ends."""
        with self._lock:
            for link in self._links:
                link.reset()
            self._links.clear()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()
        self.mend(forget=True)
        self.reset()

    def _accept(self) -> None:
        while not self._over.wait(0 if not self._cut else _LOOK_SECONDS):
            if self._cut:
                continue
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            with contextlib.suppress(OSError):
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        """Raises OSError when the server is not there: the caller is cut off then."""
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5.0)
        except OSError:
            near.close()
            raise
        for end in (near, far):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(near, far)
        with self._lock:
            if not self._cut:
                link.open.set()
            self._links.append(link)
        link.start()


@contextlib.contextmanager
def tcp_proxy(port: int) -> Iterator[TcpProxy]:
    """A proxy to a port of the loopback, closed at the end."""
    proxy = TcpProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
