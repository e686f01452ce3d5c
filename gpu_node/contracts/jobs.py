"""A job: what kind it is, what it is given, what it is to do. The same for every kind."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gpu_node.contracts.base import Contract, Document, LanguageTag
from gpu_node.contracts.blobs import Blob


class Payload(Contract):
    """What a job of one kind is asked to do. Each kind narrows `kind` and `version` to literals."""

    kind: str
    version: int


class DubPayload(Payload):
    """Speak a lesson in another language. Engine names of None: the best one that is there."""

    kind: Literal["dub"] = "dub"
    version: Literal[1] = 1
    source_language: LanguageTag
    target_language: LanguageTag
    transcriber: str | None = None
    translator: str | None = None
    synthesizer: str | None = None
    separator: str | None = None
    audio_track: int | None = Field(default=None, ge=1)
    """Counted from 1; None: the track in the source language, else the default one."""


class JobSpec(Document):
    """A job as it is handed to a node. `payload` is parsed by the kind it names."""

    payload: dict[str, object]
    inputs: dict[str, Blob]
