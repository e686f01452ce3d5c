"""Whatever is wrong with a request, or with us: a code for programs, one sentence for people."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The reason, as programs are told. The number of the answer follows from it."""

    EMPTY_TEXT = "empty_text"
    TEXT_TOO_LONG = "text_too_long"
    NOTHING_TO_SAY = "nothing_to_say"
    MARKUP = "markup"
    LANGUAGE_UNKNOWN = "language_unknown"
    LANGUAGE_UNREADY = "language_unready"
    LANGUAGES_DIFFER = "languages_differ"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    REFERENCE_INVALID = "reference_invalid"
    REFERENCE_UNREACHABLE = "reference_unreachable"
    REFERENCE_NOT_ALLOWED = "reference_not_allowed"
    VOICE_UNKNOWN = "voice_unknown"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BUSY = "busy"
    NOT_READY = "not_ready"
    STOPPING = "stopping"
    TOO_LATE = "too_late"
    NOT_SPOKEN = "not_spoken"
    FAILED = "failed"


STATUS = {
    Code.EMPTY_TEXT: 422,
    Code.TEXT_TOO_LONG: 422,
    Code.NOTHING_TO_SAY: 422,
    Code.MARKUP: 422,
    Code.LANGUAGE_UNKNOWN: 422,
    Code.LANGUAGE_UNREADY: 422,
    Code.LANGUAGES_DIFFER: 422,
    Code.INVALID: 422,
    Code.TOO_LARGE: 413,
    Code.REFERENCE_INVALID: 422,
    Code.REFERENCE_UNREACHABLE: 422,
    Code.REFERENCE_NOT_ALLOWED: 422,
    Code.VOICE_UNKNOWN: 404,
    Code.UNAUTHORISED: 401,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.BUSY: 503,
    Code.NOT_READY: 503,
    Code.STOPPING: 503,
    Code.TOO_LATE: 503,
    Code.NOT_SPOKEN: 422,
    Code.FAILED: 500,
}
"""What the answer's status is for each."""


class Problem(Exception):
    """A request that cannot be answered as it was meant. The text says what to do about it."""

    def __init__(self, code: Code, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after
        """Seconds after which it is worth another try."""

    @property
    def status(self) -> int:
        return STATUS[self.code]
