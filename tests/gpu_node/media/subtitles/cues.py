"""Two timing lines, the times that are read, and a refusal."""

from collections.abc import Callable

import pytest

from gpu_node.contracts.errors import DubfleetError
from gpu_node.media.subtitles import parse_subtitles

ONE = "00:00:01,000 --> 00:00:02,000\n"
TWO = "00:00:03,000 --> 00:00:04,000\n"


def times(text: str) -> list[tuple[float, float]]:
    return [(cue.start, cue.end) for cue in parse_subtitles(text)]


def refusal(action: Callable[[], object]) -> DubfleetError:
    with pytest.raises(DubfleetError) as caught:
        action()
    return caught.value
