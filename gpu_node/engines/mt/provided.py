"""The partner's own translation, taken as it is."""

from __future__ import annotations

from gpu_node.contracts.errors import ItemFailed, Reason
from gpu_node.contracts.timeline import Translation, Utterance
from gpu_node.engines.spoken import spoken_form

NAME = "provided"


def translate(item: Utterance) -> Translation:
    """Raises ItemFailed(NO_TARGET_TEXT) where the partner's subtitles have a gap."""
    if item.provided is None or not item.provided.strip():
        raise ItemFailed(
            Reason.NO_TARGET_TEXT,
            "The given translation has no line here: add one to the target subtitles.",
        )
    return Translation(id=item.id, text=item.provided, spoken=spoken_form(item.provided))
