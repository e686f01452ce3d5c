"""How many requests there may be at once, how long one may take, and when nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from chatterbox_service.problems import Code, Problem

Result = TypeVar("Result")


class Gone(Exception):
    """The client has hung up: there is nobody to answer."""


class Admission:
    """The bounded queue, as its requests are: each is in it until it is answered."""

    def __init__(self, most: int, deadline: float) -> None:
        self.most = most
        self.inside = 0
        self.refused = 0
        self.gone = 0
        self.late = 0
        self.closed = False
        self._deadline = deadline

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Raises Problem: BUSY, STOPPING, and TOO_LATE when the deadline passes inside."""
        if self.closed:
            raise Problem(
                Code.STOPPING, "The service is stopping: send it again soon.", retry_after=5
            )
        if self.inside >= self.most:
            self.refused += 1
            raise Problem(
                Code.BUSY,
                f"{self.inside} requests are waiting, and no more may: come again soon.",
                retry_after=2,
            )
        self.inside += 1
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except TimeoutError:
            self.late += 1
            raise Problem(
                Code.TOO_LATE,
                f"It was not done within {self._deadline:.0f} s: send less at once.",
                retry_after=10,
            ) from None
        finally:
            self.inside -= 1

    async def for_client(self, request: Request, what: Coroutine[Any, Any, Result]) -> Result:
        """The result, unless the client goes first. Raises Gone, and whatever `what` raises."""
        work = asyncio.ensure_future(what)
        leaving = asyncio.ensure_future(left(request))
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            self.gone += 1
            raise Gone
        finally:
            for task in (work, leaving):
                task.cancel()
            await asyncio.gather(work, leaving, return_exceptions=True)


async def left(request: Request) -> None:
    """Returns when the client has gone. The body has to have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
