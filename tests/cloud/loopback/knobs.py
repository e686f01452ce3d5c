"""What a test may have go wrong with the cloud, or take its time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FOR_EVER = -1


class ApiFault(StrEnum):
    """What happens to a request on its way to Nova's API, or to the answer on its way back."""

    NONE = "none"
    ERROR = "500"
    UNAVAILABLE = "503"
    TOO_MANY = "429"
    NONSENSE = "200"
    """Somebody else answers, with a page for people."""
    DROP_BEFORE = "drop_before"
    """The connection breaks, and Nova never hears of the request."""
    DROP_AFTER = "drop_after"
    """Nova did what was asked, and the answer is lost."""


class SpawnFault(StrEnum):
    """Why a hypervisor does not start a server."""

    NONE = "none"
    REFUSED = "refused"
    ABORTED = "aborted"
    NO_RESOURCES = "no_resources"
    NO_NETWORK = "no_network"


@dataclass
class Knobs:
    """Times in seconds; counts say how often the fault is still to happen, FOR_EVER without end."""

    boot_seconds: float = 0.0
    snapshot_seconds: float = 0.0
    destroy_seconds: float = 0.0
    spawn_fault: SpawnFault = SpawnFault.NONE
    spawn_fault_count: int = FOR_EVER
    snapshot_fault_count: int = 0
    destroy_fault_count: int = 0
    api_fault: ApiFault = ApiFault.NONE
    api_fault_count: int = FOR_EVER
    api_fault_method: str = ""
    api_fault_path: str = ""
    """A part of the path; empty: any."""
    api_delay_seconds: float = 0.0
    api_delay_method: str = ""

    def change(self, given: dict[str, Any]) -> None:
        """Set what is named. Raises KeyError for a knob that there is not."""
        known = {field.name: type(getattr(self, field.name)) for field in dataclasses.fields(self)}
        for name, value in given.items():
            setattr(self, name, known[name](value))

    def takes(self, count: str) -> bool:
        """Whether the fault with this count happens now; it has happened then."""
        left = getattr(self, count)
        if left > 0:
            setattr(self, count, left - 1)
        return bool(left)
