"""A worker for the host to keep running: it notes its start, and ends as files beside it say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

DISK = Path(os.environ["NODE_WORK_FOLDER"])


def stop(*_: object) -> None:
    if (DISK / "deaf").exists():
        return
    time.sleep(float((DISK / "slow").read_text()) if (DISK / "slow").exists() else 0)
    (DISK / "stopped").touch()
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    # As FFmpeg is started for a lesson: in a group of its own, and it hears of nothing.
    helper = subprocess.Popen(["sleep", "600"], process_group=0)
    boots = DISK / "boots"
    with boots.open("a") as file:
        boot = {"pid": os.getpid(), "helper": helper.pid, "environment": dict(os.environ)}
        file.write(json.dumps(boot) + "\n")
    sys.stdout.write("working\n")
    while True:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
