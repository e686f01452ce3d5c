"""Why something could not be done: a code for programs, a sentence for people."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every reason a job, or one item of it, can fail for. Values are stored: never reuse one."""

    # The lesson itself.
    INPUT_MISSING = "input_missing"
    INPUT_UNREADABLE = "input_unreadable"
    INPUT_EMPTY = "input_empty"
    INPUT_NOT_MEDIA = "input_not_media"
    INPUT_DAMAGED = "input_damaged"
    INPUT_NO_AUDIO = "input_no_audio"
    INPUT_NO_PICTURE = "input_no_picture"
    INPUT_NO_SPEECH = "input_no_speech"
    PICTURE_NOT_IN_MP4 = "picture_not_in_mp4"
    AUDIO_TRACK_MISSING = "audio_track_missing"
    # Subtitles.
    SUBTITLES_MISSING = "subtitles_missing"
    SUBTITLES_ENCODING = "subtitles_encoding"
    SUBTITLES_BROKEN = "subtitles_broken"
    SUBTITLES_EMPTY = "subtitles_empty"
    SUBTITLES_TIMING = "subtitles_timing"
    # Languages and engines.
    LANGUAGE_UNKNOWN = "language_unknown"
    LANGUAGE_SAME = "language_same"
    PAIR_UNSUPPORTED = "pair_unsupported"
    ENGINE_UNKNOWN = "engine_unknown"
    ENGINE_FAILED = "engine_failed"
    # Where it runs.
    PROGRAM_MISSING = "program_missing"
    PROGRAM_FAILED = "program_failed"
    PROGRAM_TIMEOUT = "program_timeout"
    DISK_FULL = "disk_full"
    OUTPUT_UNWRITABLE = "output_unwritable"
    OUTPUT_IS_INPUT = "output_is_input"
    OUTPUT_NOT_MP4 = "output_not_mp4"
    BUSY = "busy"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    # Between the main server and its nodes.
    INPUT_LOST = "input_lost"
    LEASE_LOST = "lease_lost"
    POISON = "poison"
    # One utterance.
    NO_TARGET_TEXT = "no_target_text"
    NOTHING_TO_SPEAK = "nothing_to_speak"
    SPEECH_FAILED = "speech_failed"
    TRANSLATION_FAILED = "translation_failed"
    DOES_NOT_FIT = "does_not_fit"


class DubfleetError(Exception):
    """A failure that has been understood.

    `sentence` is shown to a person as it stands: what is wrong and what to do. `detail` is for the
    operator's log and may hold a program's last words.
    """

    def __init__(self, reason: Reason, sentence: str, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.detail = detail


def stopped() -> DubfleetError:
    """Somebody asked us to stop."""
    return DubfleetError(Reason.CANCELLED, "Stopped. Nothing was written.")


def disk_full(detail: str = "") -> DubfleetError:
    """The disk, or the quota, is full."""
    return DubfleetError(
        Reason.DISK_FULL,
        "The disk is full: free some space (or name another folder with --work) and try again.",
        detail=detail,
    )


class ItemFailed(DubfleetError):
    """One item of a fan-out failed; the others go on, and the item is reported."""
