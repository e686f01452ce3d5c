"""Every failure has the same shape, whoever finds it."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from chatterbox_service.api.schemas import Failed
from chatterbox_service.problems import Code, Problem

log = logging.getLogger(__name__)

ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Failed, "description": what}
    for status, what in (
        (400, "The request cannot be read."),
        (401, "The token is missing or wrong."),
        (404, "There is no such voice."),
        (413, "It is too large."),
        (422, "Something in it cannot be."),
        (500, "The engine has failed."),
        (503, "Too much is asked for, or it is not ready: come again after Retry-After seconds."),
    )
}
"""What the OpenAPI document says of failures."""


def answer(problem: Problem) -> JSONResponse:
    """The problem as an answer."""
    headers = {}
    if problem.code is Code.TOO_LARGE:
        # What is left of the body is not read, not even to throw it away.
        headers["Connection"] = "close"
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.code is Code.UNAUTHORISED:
        headers["WWW-Authenticate"] = "Bearer"
    said = Failed(code=problem.code, error=problem.sentence)
    return JSONResponse(said.model_dump(), problem.status, headers=headers)


def install(app: FastAPI) -> None:
    """Have every failure answered so."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(Problem(Code.INVALID, _sentence(error)))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, Code.INVALID)
        if code is Code.TOO_LARGE:
            return answer(Problem(code, str(error.detail)))
        said = Failed(code=code, error=str(error.detail))
        return JSONResponse(said.model_dump(), error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> JSONResponse:
        log.error("a request failed", exc_info=error)
        return answer(Problem(Code.FAILED, "The service failed; its log says how."))


_CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.TOO_LARGE}


def _sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    message = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    if first["type"] == "json_invalid":
        return "The body is not JSON."
    if not where:
        return f"{message[:1].upper()}{message[1:]}."
    return f"{where}: {message[:1].lower()}{message[1:]}."
