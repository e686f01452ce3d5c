#!/usr/bin/env python
"""Django's command line for the main server."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    # Started from anywhere: `campus` lies beside this file, `orchestrator` one folder up.
    root = str(Path(__file__).resolve().parent.parent)
    if root not in sys.path:
        sys.path.append(root)
    if sys.argv[1:2] == ["serve"]:
        # It makes the settings that Django is to read, and so cannot need them itself.
        _end_on_interrupt()
        from campus.standalone.serve import main as serve

        sys.exit(serve(sys.argv[2:]))
    if sys.argv[1:2] == ["demo"]:
        _end_on_interrupt()
        from campus.standalone.demo import main as demo

        sys.exit(demo(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campus.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _end_on_interrupt() -> None:
    """Until somebody listens for Ctrl-C it simply ends us: nothing has been started yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
