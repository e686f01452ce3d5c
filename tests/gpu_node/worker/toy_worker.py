"""The real worker with a second kind of job, to be named to `celery -A`."""

from __future__ import annotations

import os

from gpu_node.kinds.registry import KINDS
from gpu_node.worker import celery_app
from tests.support.count_kind import COUNT

# So that a test need not wait for as long as a machine would.
celery_app.STOP_SECONDS = int(os.environ.get("TOY_STOP_SECONDS", celery_app.STOP_SECONDS))

app = celery_app.make_app({**KINDS, COUNT.name: COUNT})
