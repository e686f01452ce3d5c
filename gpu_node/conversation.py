"""A program that stays and answers: a request in, a reply out, with a clock and a way to stop."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from gpu_node import process
from gpu_node.contracts.errors import DubfleetError, Reason, stopped

_LOOK_SECONDS = 0.1
_READ_BYTES = 64 * 1024


class Conversation:
    """A child process spoken to over its pipes. For one thread at a time.

    `terminator` ends both a request and a reply. The program starts at the first question; after
    any failure it is killed, and the next question starts a fresh one.
    """

    def __init__(self, argv: Sequence[str], terminator: bytes) -> None:
        self._argv = argv
        self._terminator = terminator
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, if it runs. It may be asked again later."""
        if self._process is not None:
            process.kill_group(self._process)
            self._process = None

    def ask(self, request: bytes, *, timeout: float, stop: threading.Event | None = None) -> bytes:
        """Send a request, wait for its reply (without the terminator).

        Raises DubfleetError: PROGRAM_MISSING, PROGRAM_FAILED, PROGRAM_TIMEOUT, CANCELLED.
        """
        if self._terminator in request:
            raise ValueError("the request holds its own end")
        if self._process is not None and _has_something_to_say(self._process):
            # It has ended, or it said what nobody asked for and its next reply would be believed
            # to be the next question's.
            self.close()
        if self._process is None:
            self._process = process.start(
                self._argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        try:
            return self._exchange(
                self._process, request + self._terminator, time.monotonic() + timeout, stop
            )
        except BaseException:
            self.close()
            raise

    def _exchange(
        self,
        child: subprocess.Popen[bytes],
        request: bytes,
        deadline: float,
        stop: threading.Event | None,
    ) -> bytes:
        reply = bytearray()
        pending = memoryview(request)
        stdin, stdout = child.stdin, child.stdout
        assert stdin is not None and stdout is not None  # noqa: S101  # started with pipes
        os.set_blocking(stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(stdin, selectors.EVENT_WRITE)
            selector.register(stdout, selectors.EVENT_READ)
            while self._terminator not in reply:
                self._look(deadline, stop)
                for key, _ in selector.select(_LOOK_SECONDS):
                    if key.fileobj is stdin:
                        pending = self._write(stdin.fileno(), pending)
                        if not pending:
                            selector.unregister(stdin)
                        continue
                    chunk = os.read(key.fd, _READ_BYTES)
                    if not chunk:
                        raise self._ended()
                    reply += chunk
        text, _, rest = bytes(reply).partition(self._terminator)
        if rest:
            raise DubfleetError(
                Reason.PROGRAM_FAILED, f"{self._program} gave two replies to one question."
            )
        return text

    def _write(self, handle: int, pending: memoryview) -> memoryview:
        try:
            return pending[os.write(handle, pending[:_READ_BYTES]) :]
        except BlockingIOError:
            return pending
        except BrokenPipeError:
            raise self._ended() from None

    def _look(self, deadline: float, stop: threading.Event | None) -> None:
        if stop is not None and stop.is_set():
            raise stopped()
        if time.monotonic() > deadline:
            raise DubfleetError(
                Reason.PROGRAM_TIMEOUT, f"{self._program} took too long and was stopped."
            )

    def _ended(self) -> DubfleetError:
        return DubfleetError(Reason.PROGRAM_FAILED, f"{self._program} ended before it answered.")

    @property
    def _program(self) -> str:
        return Path(self._argv[0]).name


def _has_something_to_say(child: subprocess.Popen[bytes]) -> bool:
    assert child.stdout is not None  # noqa: S101  # started with pipes
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        return bool(selector.select(0))
