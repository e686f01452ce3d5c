"""What a dub consists of, and the report on how it went."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from gpu_node.contracts.base import Contract, Document, LanguageTag, Seconds
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.errors import Reason
from gpu_node.contracts.media import Loudness, MediaInfo


class DubInput(StrEnum):
    """The names of the files that a dub is given."""

    LESSON = "lesson"
    SUBTITLES = "subtitles"
    TARGET_SUBTITLES = "target_subtitles"


class DubOutput(StrEnum):
    """The names of the files that a dub gives; the source's subtitles if its words are known."""

    VIDEO = "video"
    AUDIO = "audio"
    TARGET_VTT = "target_vtt"
    SOURCE_VTT = "source_vtt"
    TARGET_SRT = "target_srt"
    SOURCE_SRT = "source_srt"


class Bed(Contract):
    """What lies under the voice. `ducked`: it still holds the original voice and must step back."""

    audio: Blob
    ducked: bool


class StretchedLine(Contract):
    """A line at its final length; its first sample is due at `file_start`, maybe before 0."""

    id: str
    audio: Blob
    file_start: float


class VoiceTrack(Contract):
    audio: Blob


class Mix(Contract):
    """Voice over bed, before loudness; `voice_gain_db` brought the voice to the speaker's level."""

    audio: Blob
    voice_gain_db: float


class SubtitleFiles(Contract):
    """Both languages in both formats; None where the source's words are not known."""

    source_srt: Blob | None
    source_vtt: Blob | None
    target_srt: Blob
    target_vtt: Blob


class DubbedVideo(Contract):
    video: Blob


class Percentiles(Contract):
    """In seconds, over lines; None when there is none."""

    p50: float | None
    p95: float | None
    max: float | None


class Scorecard(Contract):
    """Measured in the finished file, not copied from the plan.

    `onset_error`: onsets heard in the file against the speakers' own. `unheard`: lines of which
    no onset was found. Loudness is that of the dub's track after its encoding.
    """

    picture_unchanged: bool
    loudness: Loudness
    onset_error: Percentiles
    unheard: tuple[str, ...]
    lines_expected: int
    lines_spoken: int
    highest_rate: float | None
    lines_stretched: int
    duration: Seconds
    duration_difference: float


class StageReport(Contract):
    """`seconds` from its first start to its last end; stages overlap."""

    stage: str
    seconds: float
    tasks: int
    reused: int


class UtteranceReport(Contract):
    """One line: where it was, what became of it. Blocked lines have a reason and no placement."""

    id: str = Field(min_length=1, max_length=40)
    start: Seconds
    end: Seconds
    source: str
    target: str | None
    placed_at: Seconds | None = None
    placed_until: Seconds | None = None
    rate: float | None = None
    lateness: float | None = None
    blocker: Reason | None = None
    sentence: str | None = None


class EnginesReport(Contract):
    transcriber: str
    translator: str
    synthesizer: str
    separator: str
    voice: str


class DubReport(Document):
    """What `--report` writes."""

    program_version: str
    source_language: LanguageTag
    target_language: LanguageTag
    engines: EnginesReport
    lesson: MediaInfo
    seconds: float
    real_time_factor: float
    peak_memory_mb: float = Field(description="of the largest single process, ours or a child")
    stages: tuple[StageReport, ...]
    utterances: tuple[UtteranceReport, ...]
    blockers: int
    score: Scorecard
