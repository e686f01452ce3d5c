"""The worker that `benchmarks.broker` measures: our settings, and a task that only waits.

`celery -A benchmarks.broker_worker worker`, with PROFILE (node or site), DIARY and what the
profile's own settings need in the environment.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from celery import Celery, signals

from benchmarks.broker_bench import (
    BEGUN,
    ENDED,
    LATE_VARIABLE,
    READY,
    TASK,
    TRANSPORT_VARIABLE,
    Profile,
)
from gpu_node.worker.celery_app import celery_settings
from gpu_node.worker.settings import node_settings


def make_app(profile: Profile) -> Celery:
    """A Celery app with the settings of a node's worker, or of the main server's."""
    app = Celery("benchmarks_broker", set_as_current=False, fixups=[])
    changes = json.loads(os.environ.get(TRANSPORT_VARIABLE, "{}"))
    if profile is Profile.NODE:
        settings = celery_settings(node_settings())
        app.conf.update(settings)
        options = settings["broker_transport_options"]
    else:
        from campus.celery_settings import PATIENT

        app.config_from_object("campus.celery_settings")
        # Changed in place: campus.celery gives it to every worker when it starts.
        PATIENT.update(changes)
        options = PATIENT
    app.conf.broker_transport_options = {**options, **changes}
    if LATE_VARIABLE in os.environ:
        app.conf.task_acks_late = True
    app.task(name=TASK, shared=False)(work)
    signals.worker_ready.connect(_ready, weak=False)
    return app


def work(name: str, seconds: float) -> None:
    """Wait, and leave a word before and after."""
    _note(BEGUN, name)
    time.sleep(seconds)
    _note(ENDED, name)


def _ready(**_: object) -> None:
    _note(READY, "worker")


def _note(what: str, name: str) -> None:
    with Path(os.environ["DIARY"]).open("a", encoding="utf-8") as diary:
        diary.write(f"{time.monotonic():.3f} {what} {name}\n")


app = make_app(Profile(os.environ["PROFILE"]))
