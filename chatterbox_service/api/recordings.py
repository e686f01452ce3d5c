"""References as requests bring them: uploaded, at an address, or registered before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.datastructures import UploadFile

from chatterbox_service.api.schemas import Wishes
from chatterbox_service.ports import Voice
from chatterbox_service.problems import Code, Problem
from chatterbox_service.references.checking import Reference
from chatterbox_service.references.fetching import fetch
from chatterbox_service.references.uploads import received
from chatterbox_service.service import Service

_CHUNK = 256 * 1024
_FETCH_SECONDS = 30.0


@asynccontextmanager
async def uploaded(service: Service, upload: UploadFile | None) -> AsyncIterator[Path | None]:
    """The recording that came with a form, as a file that is gone afterwards; None if none did."""
    if upload is None:
        yield None
        return

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await upload.read(_CHUNK):
            yield chunk

    most = service.settings.most_body_bytes
    async with received(chunks(), most, service.store.folder) as path:
        yield path


async def registered(service: Service, recording: Path) -> Reference:
    """Check a recording, and keep it for as long as there is room. Raises Problem."""
    return await asyncio.to_thread(service.store.add, recording)


async def from_url(service: Service, url: str) -> Reference:
    """Fetch, check and keep a recording. Raises Problem."""
    async with fetch(
        url,
        service.hosts,
        most_bytes=service.settings.most_body_bytes,
        timeout=_FETCH_SECONDS,
        folder=service.store.folder,
    ) as recording:
        return await registered(service, recording)


async def voice_of(
    service: Service, wishes: Wishes, recording: Path | None, exaggeration: float
) -> Voice | None:
    """The voice that is asked for, prepared; None for the engine's own. Raises Problem."""
    if recording is not None and (wishes.voice or wishes.audio_prompt_url):
        raise Problem(
            Code.INVALID,
            "A recording is sent, and another voice is named: keep one of them.",
        )
    key = wishes.voice
    if recording is not None:
        key = (await registered(service, recording)).key
    elif wishes.audio_prompt_url is not None:
        key = (await from_url(service, wishes.audio_prompt_url)).key
    return None if key is None else await service.voices.get(key, exaggeration)
