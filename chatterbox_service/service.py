"""All that a running service is made of, put together and taken apart."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from chatterbox_service.api.admission import Admission
from chatterbox_service.ports import Engine, Recogniser, Voice
from chatterbox_service.references.checking import Limits
from chatterbox_service.references.hosts import Hosts
from chatterbox_service.references.store import Store, StoreUnusable
from chatterbox_service.references.voices import Voices
from chatterbox_service.settings import EngineName, ModelName, SettingError, Settings
from chatterbox_service.speech.desk import Desk
from chatterbox_service.speech.saying import Ear, Speaker

_TURBO = Limits(least_seconds=5.1)
"""Turbo refuses 5 s and less."""
_LEXICON = TypeAdapter(dict[str, str])


class Service:
    """Made from settings; `start` and `stop` are called once each, in one event loop."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        recogniser: Recogniser | None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.desk = Desk(engine, on_broken)
        lexicon = _lexicon(settings.lexicon_file)
        self.ear = None if recogniser is None else Ear(recogniser, lexicon)
        self.speaker = Speaker(self.desk, self.ear)
        self.admission = Admission(settings.queue, settings.deadline_seconds)
        try:
            self.hosts = Hosts.parse(settings.reference_hosts)
            limits = _TURBO if settings.model is ModelName.TURBO else Limits()
            self.store = Store(settings.reference_folder, settings.reference_bytes, limits)
        except (ValueError, StoreUnusable) as error:
            raise SettingError(str(error)) from None
        self.voices = Voices(self._prepare, settings.voice_bytes, self.store.using)

    async def start(self) -> None:
        self.desk.start()
        if self.ear is not None:
            self.ear.start()

    async def stop(self) -> None:
        """What is being said may end; what has not begun is refused."""
        self.admission.closed = True
        await asyncio.to_thread(self.desk.stop, self.settings.stop_seconds)
        if self.ear is not None:
            self.ear.close()

    def seed(self) -> int:
        """For whoever has not given one."""
        return secrets.randbelow(2**31)

    async def _prepare(self, key: str, reference: Path, exaggeration: float) -> Voice:
        engine = self.desk.engine
        return await self.desk.run(lambda: engine.prepare(key, reference, exaggeration))


def engine_of(settings: Settings) -> Engine:
    """The engine that is asked for, not loaded yet."""
    if settings.engine is EngineName.ESPEAK:
        from chatterbox_service.engines.espeak import EspeakEngine

        return EspeakEngine()
    from chatterbox_service.engines.chatterbox.engine import ChatterboxEngine
    from chatterbox_service.engines.chatterbox.facts import Edition
    from chatterbox_service.engines.chatterbox.options import Device, Options, Precision

    return ChatterboxEngine(
        Options(
            edition=Edition(settings.model.value),
            folder=settings.model_folder,
            device=Device(settings.device.value),
            precision=Precision.BFLOAT16 if settings.half else Precision.FLOAT32,
        ).within(settings.gpu_bytes)
    )


def recogniser_of(settings: Settings) -> Recogniser | None:
    """The recogniser that is asked for, not loaded yet."""
    if not settings.recogniser:
        return None
    from chatterbox_service.recognisers.whisper import WhisperRecogniser

    return WhisperRecogniser(settings.recogniser, device=settings.device.value)


def _lexicon(file: Path | None) -> Mapping[str, str]:
    if file is None:
        return {}
    try:
        return _LEXICON.validate_python(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingError(
            f"TTS_LEXICON_FILE names a file that cannot be read: {error.strerror}."
        ) from None
    except (ValueError, ValidationError):
        raise SettingError(
            "TTS_LEXICON_FILE has to hold a JSON object of terms and how they are said."
        ) from None
