"""A line, said by a speech service; what tests of the services need in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gpu_node.contracts.errors import DubfleetError
from gpu_node.contracts.timeline import SpokenLine, Translation, Utterance
from gpu_node.engines.tts.service import SpeechService
from gpu_node.engines.tts.speech import SpeakSettings, Speech
from gpu_node.graph import StageContext

ROOT = Path(__file__).resolve().parents[3]
ITEM = Utterance(id="u0001", start=0.0, end=1.0, text="A house.")
SPANISH = SpeakSettings(language="es")
SOON = 30.0


def say(found: SpeechService, ctx: StageContext, text: str) -> SpokenLine:
    line = Translation(id=ITEM.id, text=text, spoken=text)
    return Speech(found).speak(ctx, SPANISH, ITEM, line)


def refusal(found: SpeechService, ctx: StageContext, text: str = "Hola.") -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        say(found, ctx, text)
    assert list(ctx.folder.iterdir()) == []
    return caught.value


def wait_for(wanted: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not wanted():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def services(of: int | None = None) -> list[psutil.Process]:
    """Those that a process (we) has started."""
    children = psutil.Process(of).children()
    return [one for one in children if "chatterbox_service" in " ".join(one.cmdline())]
