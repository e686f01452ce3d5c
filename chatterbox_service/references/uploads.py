"""What a client sends, on its way to a file."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatterbox_service.references.spooling import spool


@asynccontextmanager
async def received(
    stream: AsyncIterable[bytes], most_bytes: int, folder: Path
) -> AsyncIterator[Path]:
    """The whole stream as a file in `folder`, which is gone afterwards.

    Raises Problem TOO_LARGE as soon as there is more than `most_bytes` of it, without reading on,
    BUSY on a full disk, and whatever the stream raises when the client goes away.
    """
    with spool(folder, most_bytes) as spooled:
        # On the event loop: chunks are small, and the page cache takes files of this size.
        async for chunk in stream:
            spooled.write(chunk)
        yield spooled.path
