"""From a request to an order, and from its sound to an answer."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from chatterbox_service.api.recordings import voice_of
from chatterbox_service.api.schemas import Metadata, Spoken, Status, Wishes
from chatterbox_service.ports import Manner
from chatterbox_service.service import Service
from chatterbox_service.sound import wav
from chatterbox_service.speech.languages import one_of, resolve
from chatterbox_service.speech.saying import Check, Order, Said
from chatterbox_service.text.refusing import checked

_DEFAULTS = Manner()
_USUAL = Check()


async def order_of(service: Service, wishes: Wishes, text: str, recording: Path | None) -> Order:
    """What is to be said, as the engine takes it. Raises Problem."""
    said = checked(text, most=service.settings.most_characters)
    language = resolve(one_of(wishes.language, wishes.language_id), service.desk.engine.languages())
    manner = manner_of(wishes)
    return Order(
        text=said,
        language=language,
        seed=wishes.seed if wishes.seed is not None else service.seed(),
        manner=manner,
        voice=await voice_of(service, wishes, recording, manner.exaggeration),
        check=check_of(wishes),
    )


def manner_of(wishes: Wishes) -> Manner:
    def given(value: float | None, usual: float) -> float:
        return usual if value is None else float(value)

    return Manner(
        exaggeration=given(wishes.exaggeration, _DEFAULTS.exaggeration),
        cfg_weight=given(wishes.cfg_weight, _DEFAULTS.cfg_weight),
        temperature=given(wishes.temperature, _DEFAULTS.temperature),
    )


def check_of(wishes: Wishes) -> Check | None:
    """None unless any of its three figures is given."""
    figures = (wishes.n_candidates, wishes.whisper_threshold, wishes.max_retries)
    if figures == (None, None, None):
        return None
    candidates, threshold, retries = figures
    return Check(
        candidates=_USUAL.candidates if candidates is None else candidates,
        threshold=_USUAL.threshold if threshold is None else threshold,
        retries=_USUAL.retries if retries is None else retries,
    )


async def spoken(service: Service, order: Order, said: Said) -> Spoken:
    """The sound as an answer."""
    audio = await asyncio.to_thread(_encoded, said)
    seconds = round(said.seconds, 3)
    return Spoken(
        status=status_of(said),
        audio_base64=audio,
        sample_rate=said.sample_rate,
        duration_seconds=seconds,
        audio_duration_seconds=seconds,
        best_score=said.best_score,
        metadata=metadata_of(service, order, said),
    )


def status_of(said: Said) -> Status:
    if said.best_score is None:
        return Status.UNCHECKED
    return Status.SUCCESS if said.passed else Status.BELOW_THRESHOLD


def metadata_of(service: Service, order: Order, said: Said) -> Metadata:
    engine, effort = service.desk.engine, said.effort
    return Metadata(
        candidates_generated=effort.generated,
        candidates_passed=effort.passed,
        all_scores=effort.scores,
        retries_used=effort.retries,
        generation_time_ms=round(effort.generation * 1000),
        validation_time_ms=round(effort.validation * 1000),
        seed=order.seed,
        watermarked=engine.watermarked,
        voice_cloned=engine.clones and order.voice is not None,
    )


def _encoded(said: Said) -> str:
    return base64.b64encode(wav.encode(said.samples, said.sample_rate)).decode("ascii")
