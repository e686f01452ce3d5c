"""Run the service: `python -m chatterbox_service`. Settings come from `TTS_...` variables.

With `--until-eof` it ends when its stdin does: whoever starts it for themselves hands it a pipe,
and however they end, the kernel closes that.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

import uvicorn

from chatterbox_service import settings as configuration
from chatterbox_service.main import create_app
from chatterbox_service.settings import SettingError, Settings

_STDIN = 0
_BACKLOG = 2048
_WRONG_SETTING = 2
_BROKEN = 70
"""EX_SOFTWARE: the engine was lost. Whoever supervises starts the process anew."""
_AGAIN_SECONDS = 0.5
_LAST_SECONDS = 5.0
"""What a stop may take, besides TTS_STOP_SECONDS, when nobody is left to see to it."""


def main() -> int:
    """The process's exit code."""
    parser = argparse.ArgumentParser(prog="chatterbox_service", description="Speech over HTTP.")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin ends")
    until_eof = parser.parse_args().until_eof
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # Addresses of recordings are signed, and it writes them down.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    broken: list[bool] = []

    def stop() -> None:
        broken.append(True)
        signal.raise_signal(signal.SIGTERM)

    try:
        settings = configuration.load()
        if until_eof:
            threading.Thread(
                target=_end_with_stdin, args=[settings.stop_seconds], daemon=True
            ).start()
        app = create_app(settings, stop)
        listener = _listener(settings)
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return _WRONG_SETTING
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(settings.stop_seconds)),
    )
    with listener:
        host, port = listener.getsockname()[:2]
        # For whoever has asked for any port that is free.
        sys.stdout.write(json.dumps({"listening": {"host": host, "port": port}}) + "\n")
        sys.stdout.flush()
        # Once it has stopped, uvicorn raises the signal again that made it: we end by ourselves.
        for asked in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])
    return _BROKEN if broken else 0


def _end_with_stdin(stop_seconds: float) -> None:
    with suppress(OSError):
        while os.read(_STDIN, 4096):
            pass
    deadline = time.monotonic() + stop_seconds + _LAST_SECONDS
    while time.monotonic() < deadline:
        # More than once: for a moment at the start nobody hears it.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_AGAIN_SECONDS)
    # It hangs. What it has started is in its process group, if that is its own.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_BROKEN)


def _listener(settings: Settings) -> socket.socket:
    """Raises SettingError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Its protocol by name: asyncio spares the answers of no other the wait for 40 ms (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        # Before anybody is told where: who comes early waits, and is not refused.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingError(
            f"TTS_HOST and TTS_PORT: {settings.host}:{settings.port} cannot be listened on: "
            f"{error.strerror}."
        ) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
