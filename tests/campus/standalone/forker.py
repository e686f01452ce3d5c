"""A program for the supervisor: forks as a pool does, and writes down who is who."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main() -> None:
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    Path(sys.argv[1]).write_text(f"{os.getpid()} {child}")
    time.sleep(600)


if __name__ == "__main__":
    main()
