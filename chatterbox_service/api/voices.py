"""Recordings that many requests are spoken in the voice of: sent once, named by their hash."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from pydantic import model_validator

from chatterbox_service.api.current import Current
from chatterbox_service.api.problems import ANSWERS
from chatterbox_service.api.recordings import from_url, registered, uploaded
from chatterbox_service.api.schemas import FORM, Sent, Url, VoiceAnswer
from chatterbox_service.references.checking import Reference

router = APIRouter(prefix="/api", tags=["voices"], responses=ANSWERS)


class VoiceForm(Sent):
    """One of the two."""

    model_config = FORM

    reference_audio: UploadFile | None = None
    audio_prompt_url: Url | None = None

    @model_validator(mode="after")
    def _one(self) -> VoiceForm:
        if (self.reference_audio is None) == (self.audio_prompt_url is None):
            raise ValueError("send reference_audio or audio_prompt_url, one of them")
        return self


@router.post("/voices")
async def register(
    sent: Annotated[VoiceForm, Form(media_type="multipart/form-data")],
    service: Current,
    request: Request,
) -> VoiceAnswer:
    """Check a recording and keep it; the answer's `voice` is what requests name it by.

    It is kept until others need its room: whoever is told `voice_unknown` sends it again.
    """

    async def answer() -> VoiceAnswer:
        if sent.audio_prompt_url is not None:
            return _answer(await from_url(service, sent.audio_prompt_url))
        async with uploaded(service, sent.reference_audio) as recording:
            assert recording is not None  # noqa: S101  # one of the two is there
            return _answer(await registered(service, recording))

    async with service.admission.admitted():
        return await service.admission.for_client(request, answer())


def _answer(reference: Reference) -> VoiceAnswer:
    return VoiceAnswer(
        voice=reference.key,
        duration_seconds=round(reference.duration, 3),
        speech_seconds=round(reference.speech_seconds, 3),
    )
