"""A node's events in words. Pure."""

from __future__ import annotations

from orchestrator.policy.wording import why_words

_SAID = {
    "wake": "is woken",
    "wake_done": "runs",
    "wake_failed": "was not woken",
    "shelve": "is put to sleep",
    "shelve_done": "sleeps",
    "shelve_failed": "was not put to sleep",
    "gate_open": "takes jobs again",
    "gate_draining": "takes no more jobs",
    "gate_stopping": "its worker is told to stop",
    "quarantined": "is given no jobs for a while",
    "worker_restarted": "its worker was started anew",
    "worker_starting": "its worker starts",
    "worker_ready": "its worker is ready",
    "worker_broken": "its worker cannot work",
    "worker_stopping": "its worker stops",
    "worker_stopped": "its worker has stopped",
}

_PLAIN = frozenset({"held", "drained", "released", "retried", "retired", "renamed"})
"""What people did: the sentence says it all."""

_CLOUD = "cloud_"


def said(what: str, sentence: str) -> str:
    """Such as "takes no more jobs: idle for as long as the rules allow"."""
    if what in _PLAIN and sentence:
        return sentence.rstrip(".")
    if what.startswith(_CLOUD):
        return f"the cloud says {what.removeprefix(_CLOUD).upper()}"
    words = _SAID.get(what, what.replace("_", " "))
    if not sentence or sentence == "done":
        return words
    return f"{words}: {why_words(sentence).rstrip('.')}"
