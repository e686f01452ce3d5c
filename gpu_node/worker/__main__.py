"""`python -m gpu_node.worker`: the worker, with the options it is meant to run with."""

from __future__ import annotations

import os
import sys

from gpu_node.contracts.settings import SettingError, load
from gpu_node.worker import app
from gpu_node.worker.settings import NodeSettings

OPTIONS = (
    *("-P", "prefork", "-c", "1"),
    # Flower reads the events; gossip and mingle are talk between workers that need not know
    # each other.
    *("-E", "--without-gossip", "--without-mingle"),
    *("-l", "info"),
)


def main() -> None:
    """Run until told to stop by SIGTERM."""
    try:
        settings = load(NodeSettings, os.environ)
    except SettingError as error:
        sys.exit(str(error))
    app.worker_main(["worker", "-n", f"{settings.node_name}@%h", *OPTIONS])


if __name__ == "__main__":
    main()
