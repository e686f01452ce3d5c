"""What is sent and answered, as the OpenAPI document shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chatterbox_service.speech.seeds import LARGEST


class Status(StrEnum):
    """What is known of the sound."""

    SUCCESS = "success"
    """Every piece of it was listened to, and has reached the threshold."""
    BELOW_THRESHOLD = "below_threshold"
    """It was listened to, and this is the best of what was said."""
    UNCHECKED = "unchecked"
    """Nobody has listened to it."""


class Sent(BaseModel):
    """The base of what clients send: what is not known is refused, not passed over or guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _without_null(schema: dict[str, Any]) -> None:
    """A form cannot hold it: what is not meant is left out."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del field["anyOf"]
            field.update(kinds[0])
            field.pop("default", None)


FORM = ConfigDict(
    extra="forbid", strict=False, allow_inf_nan=False, json_schema_extra=_without_null
)
"""What a form holds is text, whatever it means."""

Text = Annotated[str, Field(description="Plain text to be said.", examples=["Good morning."])]
LanguageTag = Annotated[
    str, Field(min_length=2, max_length=35, description='Such as "en" or "pt-BR".')
]
Exaggeration = Annotated[float, Field(ge=0.0, le=2.0, description="How lively it is.")]
CfgWeight = Annotated[
    float, Field(ge=0.0, le=2.0, description="How closely the text is kept to; lower is slower.")
]
Temperature = Annotated[float, Field(ge=0.05, le=2.0)]
Seed = Annotated[int, Field(ge=0, le=LARGEST, description="The same again gives the same again.")]
Candidates = Annotated[int, Field(ge=1, le=10, description="Takes to choose from.")]
Threshold = Annotated[int, Field(ge=0, le=100, description="The score a take has to reach.")]
Retries = Annotated[int, Field(ge=0, le=5, description="Rounds of takes after the first.")]
VoiceKey = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="What POST /api/voices answered.")
]
Url = Annotated[str, Field(max_length=4096, description="A recording of the voice.")]


class Wishes(Sent):
    """How something is to be said. What is left out is as the service has it."""

    language: LanguageTag | None = None
    language_id: LanguageTag | None = Field(None, description="The same as `language`.")
    exaggeration: Exaggeration | None = None
    cfg_weight: CfgWeight | None = None
    temperature: Temperature | None = None
    seed: Seed | None = None
    voice: VoiceKey | None = None
    audio_prompt_url: Url | None = None
    n_candidates: Candidates | None = None
    whisper_threshold: Threshold | None = None
    max_retries: Retries | None = None

    @model_validator(mode="after")
    def _one_voice(self) -> Wishes:
        if self.voice is not None and self.audio_prompt_url is not None:
            raise ValueError("voice and audio_prompt_url are both given: keep one of them")
        return self


class Generate(Wishes):
    """One text."""

    text: Text


class BatchLine(Wishes):
    """One line of a batch; what it leaves out is as the batch has it."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    text: Text


class Batch(Wishes):
    """Many lines, and what holds for all that do not say otherwise."""

    lines: Annotated[list[BatchLine], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> Batch:
        if len({line.id for line in self.lines}) < len(self.lines):
            raise ValueError("two lines have the same id")
        return self


class Metadata(BaseModel):
    """What it took."""

    candidates_generated: int
    candidates_passed: int
    all_scores: list[int]
    retries_used: int
    generation_time_ms: int
    validation_time_ms: int
    seed: int
    watermarked: bool = Field(
        description="Whether an inaudible watermark says that it is synthetic."
    )
    voice_cloned: bool = Field(description="Whether the reference was heeded.")


class Spoken(BaseModel):
    """A text's sound: a WAV file in base64. `best_score` null: nobody listened."""

    status: Status
    audio_base64: str
    sample_rate: int
    duration_seconds: float
    audio_duration_seconds: float = Field(description="The same as `duration_seconds`.")
    best_score: int | None
    metadata: Metadata


class BatchSpoken(Spoken):
    """A line that was spoken."""

    id: str


class BatchFailed(BaseModel):
    """A line that was not: the others are none the worse."""

    id: str
    status: Literal["error"] = "error"
    code: str
    error: str


class BatchSummary(BaseModel):
    """The last line of all: without it the answer was cut short."""

    status: Literal["end"] = "end"
    spoken: int
    failed: int


class VoiceAnswer(BaseModel):
    """A recording that was taken for a voice."""

    voice: str = Field(description="Its content's hash: what `voice` takes.")
    duration_seconds: float
    speech_seconds: float


class LanguageAnswer(BaseModel):
    """A language; `lacks` says why it cannot be spoken now."""

    ready: bool
    lacks: str = ""


class QueueAnswer(BaseModel):
    requests: int
    most: int
    lines: int


class Health(BaseModel):
    """How the service is. It answers whatever else goes on."""

    status: Literal["initialising", "healthy", "error", "stopping"]
    model_loaded: bool
    device: str
    vram_used_gb: float
    error: str | None = None
    engine: str
    engine_version: str
    clones: bool
    watermarked: bool
    recogniser: str | None
    languages: dict[str, LanguageAnswer]
    queue: QueueAnswer
    version: str


class Failed(BaseModel):
    """Why there is no answer: a code for programs, a sentence for people."""

    code: str
    error: str
