"""The running service, as a request sees it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from chatterbox_service.service import Service


def _current(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Current = Annotated[Service, Depends(_current)]
