"""The service as an ASGI application. `python -m chatterbox_service` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chatterbox_service import __version__
from chatterbox_service.api import batch, generate, health, metrics, problems, voices
from chatterbox_service.api.guards import SizeGuard, TokenGuard
from chatterbox_service.service import Service, engine_of, recogniser_of
from chatterbox_service.settings import Settings

_WHAT = """Speech over HTTP. What it says is real: nothing is invented, no failure is hidden.

Every failure is a JSON object with a `code` for programs and one sentence, `error`, for people."""


def create_app(settings: Settings, on_broken: Callable[[], None] = lambda: None) -> FastAPI:
    """The application, not started yet. Raises SettingError."""
    service = Service(settings, engine_of(settings), recogniser_of(settings), on_broken)
    return app_of(service)


def app_of(service: Service) -> FastAPI:
    """The application of a service that is put together already."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Dubfleet speech", version=__version__, description=_WHAT, lifespan=lifespan
    )
    app.state.service = service
    for room in (health, generate, batch, voices, metrics):
        app.include_router(room.router)
    problems.install(app)
    app.add_middleware(SizeGuard, most=service.settings.most_body_bytes)
    token = service.settings.token()
    if token is not None:
        app.add_middleware(TokenGuard, token=token)
    return app
