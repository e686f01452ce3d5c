"""How the service is: it answers whatever else goes on."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from chatterbox_service import __version__
from chatterbox_service.api.current import Current
from chatterbox_service.api.schemas import Health, LanguageAnswer, QueueAnswer
from chatterbox_service.service import Service
from chatterbox_service.speech.desk import State

router = APIRouter(tags=["health"])

_Word = Literal["initialising", "healthy", "error", "stopping"]

_WORDS: dict[State, _Word] = {
    State.INITIALISING: "initialising",
    State.READY: "healthy",
    State.ERROR: "error",
    State.STOPPED: "stopping",
}
_GIBIBYTE = 1024**3


@router.get("/health")
async def health(service: Current) -> Health:
    """Whether it can speak, and each language; 200 also while it loads and after it failed to."""
    return health_of(service)


def health_of(service: Service) -> Health:
    desk, ear = service.desk, service.ear
    engine = desk.engine
    ready = desk.state is State.READY
    error = desk.error or (ear.error if ear is not None else "")
    broken = bool(error) and desk.state is State.READY
    word: _Word = "stopping" if service.admission.closed else _WORDS[desk.state]
    return Health(
        status="error" if broken else word,
        model_loaded=ready,
        device=engine.device(),
        vram_used_gb=round(engine.memory_used() / _GIBIBYTE, 2),
        error=error or None,
        engine=engine.name,
        engine_version=engine.version,
        clones=engine.clones,
        watermarked=engine.watermarked,
        recogniser=None if ear is None else ear.recogniser.name,
        languages={
            code: LanguageAnswer(ready=ready and not one.lacks, lacks=one.lacks)
            for code, one in engine.languages().items()
        },
        queue=QueueAnswer(
            requests=service.admission.inside,
            most=service.admission.most,
            lines=desk.lines_waiting,
        ),
        version=__version__,
    )
