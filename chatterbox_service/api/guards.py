"""A request's token and size: looked at before its body is read, so in ASGI."""

from __future__ import annotations

import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatterbox_service.api.problems import answer
from chatterbox_service.problems import Code, Problem

_GUARDED = "/api/"


class TokenGuard:
    """Requests to the API need the bearer token, where there is one."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._wanted = f"Bearer {token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_GUARDED):
            sent = Headers(scope=scope).get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(sent, self._wanted):
                problem = Problem(
                    Code.UNAUTHORISED, "Send the service's token: Authorization: Bearer <token>."
                )
                await answer(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class SizeGuard:
    """Bodies may have so many bytes; of a larger one no more is read."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self._most:
            await answer(self._problem())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._most:
                    # FastAPI lets nothing else through from the reading of a body.
                    raise HTTPException(413, self._problem().sentence)
            return message

        await self._app(scope, counted, send)

    def _problem(self) -> Problem:
        return Problem(
            Code.TOO_LARGE,
            f"The request is larger than {self._most:,} bytes: send less, or a shorter recording.",
        )
