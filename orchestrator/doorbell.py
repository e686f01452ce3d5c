"""Celery as the doorbell: it makes things happen sooner, and nothing depends on it."""

from __future__ import annotations

import logging

from celery import current_app

from gpu_node.contracts.node_api import DOORBELL_SECONDS, NODE_QUEUE_PREFIX, WORK_TASK
from orchestrator import store

log = logging.getLogger(__name__)

TICK_TASK = "orchestrator.tick"
CONTROL_QUEUE = "control"


def ring_fleet_after_commit() -> None:
    """Ask for a tick once what this transaction writes can be seen."""
    store.on_commit(ring_fleet)


def ring_fleet() -> None:
    """Ask the orchestrator for a tick now. Beat asks anyway, a little later."""
    _send(TICK_TASK, CONTROL_QUEUE)


def ring_node(name: str) -> None:
    """Ask a node's worker to claim. Its heartbeat's answer asks it too."""
    _send(WORK_TASK, NODE_QUEUE_PREFIX + name)


def stop_consuming(name: str) -> None:
    """Ask a worker to leave its queue alone: a hint, for it is told through its heartbeat too."""
    _control(name, "cancel_consumer")


def consume_again(name: str) -> None:
    """Ask a worker to listen to its queue again."""
    _control(name, "add_consumer")


def _control(name: str, command: str) -> None:
    try:
        current_app.control.broadcast(
            command,
            arguments={"queue": NODE_QUEUE_PREFIX + name},
            pattern=f"{name}@*",
            matcher="glob",  # type: ignore[arg-type]  # kombu takes the name, its stubs do not
        )
    except Exception as error:  # a hint that is lost costs a few seconds
        log.warning("%s was not sent to %s: %s", command, name, type(error).__name__)


def _send(task: str, queue: str) -> None:
    try:
        current_app.send_task(
            task, queue=queue, expires=DOORBELL_SECONDS, retry=False, ignore_result=False
        )
    except Exception as error:  # whatever the broker does, the caller's work is done
        log.warning("the doorbell %s was not rung: %s", task, type(error).__name__)
