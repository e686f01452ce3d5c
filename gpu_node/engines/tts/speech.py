"""The synthesizer: every line is spoken by the speech service, over HTTP."""

from __future__ import annotations

import io
import re
import threading
import time
from typing import Any

import soundfile
from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from gpu_node.contracts.base import Contract
from gpu_node.contracts.errors import DubfleetError, ItemFailed, Reason
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.engines.tts.asking import Address, Answer, Unanswered, ask, pause
from gpu_node.engines.tts.service import SpeechService, foreign
from gpu_node.engines.tts.trimming import trim
from gpu_node.graph import StageContext

_PATH = "/api/tts/generate"
_LONGEST_SECONDS = 300.0
"""For one line, all waiting included."""
_LONGEST_PAUSE = 5.0
_USUAL_PAUSE = 1.0
_ATTEMPTS = 2
_OK, _UNAUTHORISED, _TOO_MUCH = 200, 401, 503

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SIGNS_OF_MARKUP = str.maketrans("<>&", "   ")


class SpeakSettings(Contract):
    """What a line depends on besides its words; the same seed makes the same sound."""

    language: str
    """As the service spells it."""
    seed: int = 1


class _Answered(BaseModel):
    """There is more in an answer than is known here."""

    model_config = ConfigDict(extra="ignore")


class _Spoken(_Answered):
    audio_base64: Base64Bytes


class _Refused(_Answered):
    code: str
    error: str


class Speech:
    """Speaks lines; any number of threads may have it speak."""

    def __init__(self, service: SpeechService) -> None:
        self._service = service

    def speak(
        self, ctx: StageContext, settings: SpeakSettings, item: Utterance, translation: Translation
    ) -> SpokenLine:
        """Raises ItemFailed: NOTHING_TO_SPEAK, SPEECH_FAILED; DubfleetError(ENGINE_FAILED)."""
        line = _Line(self._service, settings, translation.spoken, ctx.stop)
        samples, rate = soundfile.read(io.BytesIO(line.sound()), dtype="float32")
        trimmed = ctx.new_file("line.wav")
        found = trim(samples, rate, trimmed)
        if found is None:
            raise _failed("the synthesizer gave silence")
        duration, lead = found
        return SpokenLine(id=item.id, audio=ctx.keep(trimmed), duration=duration, lead=lead)


class _Line:
    """One line on its way: how often it was tried, and until when it may be."""

    def __init__(
        self,
        service: SpeechService,
        settings: SpeakSettings,
        text: str,
        stop: threading.Event,
    ) -> None:
        self._service = service
        self._stop = stop
        # A control character or half a character would be refused, and is nothing to be said.
        plain = _CONTROL.sub(" ", text).encode("utf-8", "replace").decode()
        self._question: dict[str, Any] = {"text": plain, **settings.model_dump()}
        self._failures = 0
        self._deadline = time.monotonic() + _LONGEST_SECONDS

    def sound(self) -> bytes:
        """A WAV file. Raises ItemFailed, DubfleetError."""
        while True:
            found = self._service.found(self._stop)
            try:
                answer = self._asked(found.address)
            except Unanswered as error:
                self._failures += 1
                self._service.lost(found)
                if self._failures == _ATTEMPTS:
                    raise DubfleetError(
                        Reason.ENGINE_FAILED,
                        "The speech service went away while it spoke, and again after that: try "
                        "again.",
                        detail=str(error),
                    ) from error
                continue
            if answer.status == _OK:
                return _wav(found.address, answer)
            refused = _refusal(found.address, answer)
            if answer.status == _TOO_MUCH and refused.code == "not_ready":
                # Its health says how that is, and for how long.
                self._service.lost(found)
            self._heed(answer, refused)

    def _asked(self, address: Address) -> Answer:
        left = max(0.0, self._deadline - time.monotonic())
        try:
            return ask(address, _PATH, self._question, timeout=left, stop=self._stop)
        except DubfleetError as error:
            if error.reason is Reason.PROGRAM_TIMEOUT:
                raise _failed(str(error)) from error
            raise

    def _heed(self, answer: Answer, refused: _Refused) -> None:
        """Make ready for another try, or raise."""
        match refused.code:
            case "empty_text" | "nothing_to_say":
                raise ItemFailed(
                    Reason.NOTHING_TO_SPEAK,
                    "There is nothing to say in this line's translation: write some words.",
                )
            case "markup" if (read := self._without_markup()) != self._question["text"]:
                # It is read, not obeyed.
                self._question["text"] = read
            case "busy" | "not_ready" | "stopping":
                self._wait(answer, refused)
            case "failed" if self._failures + 1 < _ATTEMPTS:
                self._failures += 1
            case _:
                raise _failed(refused.error)

    def _without_markup(self) -> str:
        return str(self._question["text"]).translate(_SIGNS_OF_MARKUP)

    def _wait(self, answer: Answer, refused: _Refused) -> None:
        told = answer.headers.get("retry-after", "")
        seconds = min(float(told) if told.isdecimal() else _USUAL_PAUSE, _LONGEST_PAUSE)
        if time.monotonic() + seconds > self._deadline:
            raise DubfleetError(
                Reason.ENGINE_FAILED,
                "The speech service has had no time for a line for "
                f"{_LONGEST_SECONDS / 60:.0f} minutes: try again when it is less busy.",
                detail=refused.error,
            )
        pause(seconds, self._stop)


def _wav(address: Address, answer: Answer) -> bytes:
    try:
        return _Spoken.model_validate_json(answer.body).audio_base64
    except ValidationError as error:
        raise foreign(address, str(error)) from error


def _refusal(address: Address, answer: Answer) -> _Refused:
    if answer.status == _UNAUTHORISED:
        raise DubfleetError(
            Reason.ENGINE_FAILED,
            "The speech service does not take our token: see SPEECH_TOKEN_FILE.",
        )
    try:
        return _Refused.model_validate_json(answer.body)
    except ValidationError as error:
        raise foreign(address, f"{answer.status}: {error}") from error


def _failed(detail: str) -> ItemFailed:
    return ItemFailed(
        Reason.SPEECH_FAILED,
        "This line could not be spoken: change its words and try again.",
        detail=detail,
    )
