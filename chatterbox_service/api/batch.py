"""Many lines, answered one by one as they are spoken."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterator

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from chatterbox_service.api.admission import left
from chatterbox_service.api.answers import order_of, spoken
from chatterbox_service.api.current import Current
from chatterbox_service.api.problems import ANSWERS
from chatterbox_service.api.recordings import from_url
from chatterbox_service.api.schemas import (
    Batch,
    BatchFailed,
    BatchLine,
    BatchSpoken,
    BatchSummary,
)
from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import Reference
from chatterbox_service.service import Service

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/tts", tags=["speech"], responses=ANSWERS)

_AHEAD = 8
"""Answers that may wait for a client that reads slowly; then nothing more is spoken for it."""
_LEAST_OPEN = 64
"""Lines of one batch that are open at once, at least: the engine chooses among them."""


@router.post(
    "/batch",
    response_class=Response,
    responses={
        200: {
            "content": {"application/x-ndjson": {}},
            "description": "A JSON object a line: BatchSpoken or BatchFailed, in the order in "
            "which they are ready; BatchSummary at the end, without which it was cut short.",
        }
    },
)
async def batch(wishes: Batch, service: Current) -> Response:
    """Say many lines. One that cannot be said fails alone."""
    if len(wishes.lines) > service.settings.most_lines:
        raise Problem(
            Code.TOO_LARGE,
            f"{len(wishes.lines)} lines are too many: send {service.settings.most_lines} at once.",
        )
    return _Lines(service, wishes)


class _Lines(Response):
    """The answer: it is in the queue until its last line has gone, or its client has."""

    media_type = "application/x-ndjson"

    def __init__(self, service: Service, wishes: Batch) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._service = service
        self._wishes = wishes
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        admission = self._service.admission
        try:
            async with admission.admitted():
                await self._until_answered(scope, receive, send)
        except Problem as problem:
            if not self._started:
                raise
            # Without its end, as it is: the server cuts the connection.
            log.warning("a batch was cut short: %s", problem.sentence)

    async def _until_answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = asyncio.ensure_future(self._answer(send))
        leaving = asyncio.ensure_future(left(Request(scope, receive)))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
            else:
                self._service.admission.gone += 1
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _answer(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        self._started = True
        await send(start)
        async for item in answers(self._service, self._wishes):
            line = item.model_dump_json().encode() + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def answers(service: Service, wishes: Batch) -> AsyncIterator[BaseModel]:
    """Each line's answer as soon as it is there, then the summary. Closing it ends what is open."""
    owner = uuid.uuid4().hex
    addresses = _Addresses(service)
    # Short ones first: those of like length are spoken together, and the first answer comes soon.
    lines = iter(sorted(wishes.lines, key=lambda line: len(line.text)))
    ready: asyncio.Queue[BatchSpoken | BatchFailed] = asyncio.Queue(_AHEAD)

    async def work(lines: Iterator[BatchLine]) -> None:
        for line in lines:
            await ready.put(await _line(service, addresses, _merged(wishes, line), owner))

    open_at_once = max(_LEAST_OPEN, 4 * service.desk.engine.most_together)
    workers = [
        asyncio.ensure_future(work(lines)) for _ in range(min(open_at_once, len(wishes.lines)))
    ]
    failed = 0
    try:
        for _ in wishes.lines:
            item = await ready.get()
            failed += isinstance(item, BatchFailed)
            yield item
        yield BatchSummary(spoken=len(wishes.lines) - failed, failed=failed)
    finally:
        for worker in workers:
            worker.cancel()
        addresses.close()
        await asyncio.gather(*workers, return_exceptions=True)


class _Addresses:
    """Recordings that the lines of one batch name: each is fetched once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fetched: dict[str, asyncio.Task[Reference]] = {}

    async def as_voice(self, line: BatchLine) -> BatchLine:
        """The line, with its recording's key in the address's place. Raises Problem."""
        url = line.audio_prompt_url
        if url is None:
            return line
        if url not in self._fetched:
            self._fetched[url] = asyncio.ensure_future(from_url(self._service, url))
        reference = await asyncio.shield(self._fetched[url])
        return line.model_copy(update={"audio_prompt_url": None, "voice": reference.key})

    def close(self) -> None:
        for task in self._fetched.values():
            task.cancel()


async def _line(
    service: Service, addresses: _Addresses, line: BatchLine, owner: str
) -> BatchSpoken | BatchFailed:
    try:
        order = await order_of(service, await addresses.as_voice(line), line.text, None)
        answer = await spoken(service, order, await service.speaker.say(order, owner))
    except Problem as problem:
        return BatchFailed(id=line.id, code=problem.code, error=problem.sentence)
    except Exception:  # one line's failure, whatever it is, is no other's
        log.exception("a line of a batch failed")
        return BatchFailed(
            id=line.id, code=Code.FAILED, error="The service failed; its log says how."
        )
    return BatchSpoken(id=line.id, **answer.model_dump())


def _merged(wishes: Batch, line: BatchLine) -> BatchLine:
    """The line's own wishes, and the batch's for what it leaves out.

    A line that names its voice or its language in one way is not given the batch's in the other.
    """
    own = line.model_dump(exclude_none=True)
    usual = wishes.model_dump(exclude_none=True, exclude={"lines"})
    for pair in (("language", "language_id"), ("voice", "audio_prompt_url")):
        if own.keys() & set(pair):
            for name in pair:
                usual.pop(name, None)
    return BatchLine.model_validate({**usual, **own})
