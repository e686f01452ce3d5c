"""The node's worker: claims jobs from the main server, does them, and says how it stands.

`python -m gpu_node.worker` starts it; so does `celery -A gpu_node.worker worker` with the options
that `gpu_node.worker.__main__` gives.
"""

from gpu_node.kinds.registry import KINDS
from gpu_node.worker.celery_app import make_app

app = make_app(KINDS)

__all__ = ["app"]
