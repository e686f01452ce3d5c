"""Several coroutines at once, as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(what: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All their results, in order. The first failure ends the others, and is raised as it is.

    (A TaskGroup would wrap it, and whoever catches a Problem would not see it.)
    """
    tasks = [asyncio.ensure_future(one) for one in what]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
