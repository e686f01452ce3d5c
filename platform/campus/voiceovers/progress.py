"""How far a dub is, as people see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from gpu_node.contracts.node_api import StageState

_LABELS = {
    "download": "Fetching the lesson",
    "media": "Looking at the file",
    "picture": "Fingerprinting the picture",
    "audio": "Extracting the sound",
    "bed": "Preparing the background",
    "detect": "Finding speech",
    "recognise": "Recognising speech",
    "transcript": "Writing the transcript",
    "utterances": "Dividing it into lines",
    "translate": "Translating",
    "speak": "Speaking",
    "fit": "Fitting lines to the timeline",
    "stretch": "Adjusting the pace",
    "voice": "Assembling the voice",
    "mix": "Mixing voice and background",
    "master": "Mastering the sound",
    "captions": "Writing subtitles",
    "mux": "Joining picture and sound",
    "score": "Measuring the result",
    "upload": "Sending the result",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. `fraction` from 0 to 1; `amount` such as "12 of 40"."""

    label: str
    fraction: float
    amount: str
    finished: bool

    @property
    def percent(self) -> int:
        return int(self.fraction * 100)


def stages(reported: Any) -> list[Stage]:
    """A job's stages as its node last told them; what makes no sense is left out."""
    found = reported if isinstance(reported, list) else []
    return [stage for one in found if (stage := _stage(one)) is not None]


def overall(steps: Iterable[Stage]) -> float:
    """Of all steps together, each counting the same."""
    known = list(steps)
    return sum(step.fraction for step in known) / len(known) if known else 0.0


def _stage(reported: Any) -> Stage | None:
    if not isinstance(reported, Mapping):
        return None
    try:
        state = StageState.model_validate(reported)
    except ValidationError:
        return None
    label = _LABELS.get(state.stage, state.stage.replace("_", " ").capitalize())
    return Stage(label, _fraction(state), _amount(state), state.finished)


def _fraction(state: StageState) -> float:
    if state.finished:
        return 1.0
    return min(1.0, state.done / state.total) if state.total else 0.0


def _amount(state: StageState) -> str:
    if state.finished:
        return "done"
    if state.total > 1 and state.total.is_integer() and state.done.is_integer():
        return f"{int(state.done)} of {int(state.total)}"
    return f"{int(_fraction(state) * 100)} %" if state.done else ""
