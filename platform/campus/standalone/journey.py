"""What the people of the demo do, by the same code as the site's buttons; and what must be true.

A partner hands in a course with one lesson, an admin accepts it and presses *Generate voiceover*,
the fleet wakes a node that dubs it, a reviewer marks the lines that could not be spoken and
approves, the video host takes the dub, the course goes on sale, and the node goes back to sleep.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import django


def main() -> None:
    """Travel, and write the report. The exit status is 0 if the journey came to its end."""
    parser = argparse.ArgumentParser(prog="python -m campus.standalone.journey")
    parser.add_argument("--lesson", type=Path, required=True)
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", dest="target", required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    django.setup()
    # Models can be loaded only now.
    from campus.standalone.travel import Stuck, Travel

    try:
        report = Travel(options.lesson, options.source, options.target).run()
    except Stuck as stuck:
        sys.stderr.write(f"demo: {stuck}\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"demo: {error.strerror}: {error.filename}\n")
        sys.exit(1)
    options.report.write_text(report.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
