"""What a node's row says of its present waking, and no longer when that is over."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.states import Gate

OVER: Mapping[str, object] = {
    "gate": Gate.OPEN,
    "gate_since": None,
    "gate_why": "",
    "wake_requested": False,
    "awake_since": None,
    "woken_here": False,
    "active_since": None,
    "ready_at": None,
    "boot_id": "",
    "worker_state": "",
    "worker_state_since": None,
    "worker_sentence": "",
    "worker_gpu": None,
    "worker_seen_at": None,
    "rung_at": None,
    "restarts": 0,
    "restarted_at": None,
    "settle_after": None,
}
"""The columns, as they are while nothing is known of a waking."""
