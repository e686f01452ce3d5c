"""One text, spoken: as JSON, or as a WAV file."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile

from chatterbox_service.api.answers import metadata_of, order_of, spoken, status_of
from chatterbox_service.api.current import Current
from chatterbox_service.api.problems import ANSWERS
from chatterbox_service.api.recordings import uploaded
from chatterbox_service.api.schemas import FORM, Generate, Spoken
from chatterbox_service.service import Service
from chatterbox_service.sound import wav
from chatterbox_service.speech.saying import Order, Said

router = APIRouter(prefix="/api/tts", tags=["speech"], responses=ANSWERS)


class GenerateForm(Generate):
    """The same as a form, with the recording itself."""

    model_config = FORM

    reference_audio: UploadFile | None = None


@router.post("/generate")
async def generate(wishes: Generate, service: Current, request: Request) -> Spoken:
    """Say a text.

    With any of `n_candidates`, `whisper_threshold` and `max_retries` it is said several times, each
    take is listened to, and the best is answered.
    """

    async def answer() -> Spoken:
        order = await order_of(service, wishes, wishes.text, None)
        return await spoken(service, order, await _said(service, order))

    async with service.admission.admitted():
        return await service.admission.for_client(request, answer())


@router.post(
    "/generate-file",
    response_class=Response,
    responses={200: {"content": {"audio/wav": {}}, "description": "The sound."}},
)
async def generate_file(
    wishes: Annotated[GenerateForm, Form(media_type="multipart/form-data")],
    service: Current,
    request: Request,
) -> Response:
    """Say a text, in the voice of a recording if one is sent. Scores are in X-Tts-... headers."""

    async def answer() -> Response:
        async with uploaded(service, wishes.reference_audio) as recording:
            order = await order_of(service, wishes, wishes.text, recording)
        said = await _said(service, order)
        content = await asyncio.to_thread(wav.encode, said.samples, said.sample_rate)
        return Response(content, media_type="audio/wav", headers=_headers(service, order, said))

    async with service.admission.admitted():
        return await service.admission.for_client(request, answer())


async def _said(service: Service, order: Order) -> Said:
    return await service.speaker.say(order, owner=uuid.uuid4().hex)


def _headers(service: Service, order: Order, said: Said) -> dict[str, str]:
    """What JSON answers say in their body; `X-Tts-Best-Score` is left out where nobody listened."""
    headers = {
        "X-Tts-Status": status_of(said).value,
        "X-Tts-Sample-Rate": str(said.sample_rate),
        "X-Tts-Duration-Seconds": f"{said.seconds:.3f}",
    }
    if said.best_score is not None:
        headers["X-Tts-Best-Score"] = str(said.best_score)
    for name, value in metadata_of(service, order, said).model_dump().items():
        headers[f"X-Tts-{name.replace('_', '-').title()}"] = json.dumps(value)
    return headers
