"""What stands before Nova's API: faults and delays on the way."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.cloud.loopback.knobs import ApiFault, Knobs

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[Environ, Start], Iterable[bytes]]

OBSERVER = "HTTP_X_OBSERVER"
"""In the requests of a test's own: they are not disturbed."""

_DROPS = frozenset({ApiFault.DROP_BEFORE, ApiFault.DROP_AFTER})


def with_faults(application: Application, knobs: Knobs) -> Application:
    """The application, disturbed as the knobs say."""

    def front(environ: Environ, start: Start) -> Iterable[bytes]:
        if OBSERVER in environ:
            return application(environ, start)
        method = environ["REQUEST_METHOD"]
        if knobs.api_delay_method in ("", method):
            _wait(knobs)
        fault = knobs.api_fault
        meant = knobs.api_fault_method in ("", method)
        meant = meant and knobs.api_fault_path in environ["PATH_INFO"]
        if fault is ApiFault.NONE or not meant or not knobs.takes("api_fault_count"):
            return application(environ, start)
        if fault not in _DROPS:
            start(f"{fault} injected", [("Content-Type", "text/html"), ("Retry-After", "1")])
            return [b"<html><body>injected by the tests</body></html>"]
        if fault is ApiFault.DROP_AFTER:
            for _ in application(environ, lambda *_: None):
                pass
        with contextlib.suppress(OSError):
            environ["eventlet.input"].get_socket().shutdown(socket.SHUT_RDWR)
        return []

    return front


def _wait(knobs: Knobs) -> None:
    """Hang for as long as the knob says, or until it is turned back."""
    began = time.monotonic()
    while time.monotonic() - began < knobs.api_delay_seconds:
        time.sleep(0.05)
