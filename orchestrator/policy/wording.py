"""Why a node is as it is, in a sentence. Pure."""

from __future__ import annotations

from datetime import datetime

from orchestrator.policy.forecast import about
from orchestrator.policy.phase import Phase, idle_limit, idle_since, phase
from orchestrator.policy.steps import Why
from orchestrator.policy.views import NodeView, Policy
from orchestrator.states import Gate, OperationKind, Wanted

WHY = {
    Why.DEMAND: "there is work",
    Why.IDLE: "idle for as long as the rules allow",
    Why.PARKED: "drained by an operator",
    Why.BOOT_TIMEOUT: "its worker did not become ready in time",
    Why.WORKER_SILENT: "its worker was not heard any more",
    Why.WORKER_BROKEN: "its worker could not work",
    Why.NOT_RUNNING: "its server did not run",
    Why.MAX_UPTIME: "awake for as long as the rules allow",
    Why.QUARANTINE: "it lost two different jobs in a row",
    Why.WORKER_DEAF: "its worker did not hear of work",
    Why.BUDGET: "the budget is spent",
    Why.KEPT_WARM: "one is kept warm",
    Why.STOPPED: "its worker has stopped",
    Why.NO_CAPACITY: "the cloud had no GPU free",
    Why.BOOT_FAILED: "its server did not start",
    Why.IMAGE_LOST: "its disk image is gone",
    Why.OPERATION_FAILED: "the cloud did not do it",
    Why.NOT_OFFLOADED: "the cloud has not let go of its GPU yet",
    Why.OPERATION_TIMEOUT: "the cloud did not finish in time",
    Why.NEVER_SENT: "the request was never made",
    Why.CALLED_OFF: "an operator said otherwise before the request was made",
    Why.DONE: "done",
}
"""For people; each stands after a colon or "because"."""


def why_words(code: str) -> str:
    """A reason as it is kept, in words; a sentence as it is."""
    if code in set(Why):
        return WHY[Why(code)]
    return code if " " in code else code.replace("_", " ")


def describe(node: NodeView, policy: Policy, now: datetime) -> str:
    """What it does and why, with everything that a person needs to know to judge it."""
    first = _phase(node, policy, now)
    return " ".join([first, *_besides(node, now)])


def _phase(node: NodeView, policy: Policy, now: datetime) -> str:
    for_so_long = f" for {_since(node.awake_since, now)}" if node.awake_since else ""
    match phase(node, policy, now):
        case Phase.UNKNOWN:
            return "The cloud has not been asked about it yet."
        case Phase.ASLEEP:
            return "It sleeps, and costs nothing."
        case Phase.WAKING:
            return f"It is being woken{for_so_long}; the cloud has not started it yet."
        case Phase.BOOTING:
            return f"It starts{for_so_long}; its worker has not said yet that it is ready."
        case Phase.IDLE:
            return _idle(node, policy, now)
        case Phase.WORKING if node.gate is not Gate.OPEN:
            return f"It works, and is to take no more jobs: {_gate(node)}."
        case Phase.WORKING:
            return "It works."
        case Phase.SILENT:
            heard = f" for {_since(node.worker.seen_at, now)}" if node.worker else ""
            return f"It is awake, but its worker has not been heard{heard}."
        case Phase.BROKEN:
            return "It is awake, but its worker says that it cannot work."
        case Phase.DRAINING:
            return f"It takes no more jobs: {_gate(node)}."
        case Phase.STOPPING:
            return f"Its worker is being stopped, to be put to sleep: {_gate(node)}."
        case Phase.SHELVING:
            because = f": {_gate(node)}" if node.gate_why else ""
            return f"It is being put to sleep{because}."
        case Phase.RESERVED:
            return "It is shelved, but the cloud still keeps its GPU, and bills it."
        case Phase.ERROR:
            return f"The cloud says {node.cloud}: it is of no use as it is."


def _idle(node: NodeView, policy: Policy, now: datetime) -> str:
    since = idle_since(node)
    if since is None or node.wanted is Wanted.HELD or node.parked or policy.keep_warm:
        return "It has nothing to do."
    left = since + idle_limit(node, policy) - now
    return f"It has nothing to do: without work it is put to sleep in {about(left)}."


def _gate(node: NodeView) -> str:
    return why_words(node.gate_why) if node.gate_why else "its gate is shut"


def _besides(node: NodeView, now: datetime) -> list[str]:
    said = []
    if node.wanted is Wanted.HELD:
        said.append("An operator holds it: it is neither woken nor put to sleep.")
    if node.parked:
        said.append("An operator wants it asleep until it is released.")
    if node.locked:
        said.append("Somebody has locked its server at the cloud: it is left alone.")
    if node.quarantined_until is not None and node.quarantined(now):
        left = about(node.quarantined_until - now)
        said.append(f"It lost two different jobs in a row, and is given none for {left}.")
    if node.not_before is not None and node.not_before > now:
        times = "once" if node.failures == 1 else f"{node.failures} times in a row"
        said.append(f"It failed {times}, and is tried again in {about(node.not_before - now)}.")
    if node.wake_requested:
        said.append("There is work for it: it is woken again right after.")
    if node.operation is not None and node.operation.sent_at is None:
        what = "wake" if node.operation.kind is OperationKind.UNSHELVE else "shelve"
        said.append(f"Whether the request to {what} it was made is being found out.")
    return said


def _since(moment: datetime | None, now: datetime) -> str:
    return about(now - moment) if moment is not None else ""
