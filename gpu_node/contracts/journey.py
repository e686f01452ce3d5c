"""What the demo's journey through the whole system reports to whoever measures it."""

from __future__ import annotations

from gpu_node.contracts.base import Contract, Document
from gpu_node.contracts.dub import DubReport


class Promise(Contract):
    """Something that must hold, what was measured, and whether it was kept."""

    what: str
    measured: str
    kept: bool


class JourneyReport(Document):
    """From the button to the node's sleep. `published`: the dub's file at the video host."""

    dub: DubReport
    published: str
    seconds_to_review: float
    promises: tuple[Promise, ...]
