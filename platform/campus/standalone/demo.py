"""`manage.py demo`: one lesson's whole journey on a site of its own, and the report on it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from campus.standalone.errors import StandaloneError
from campus.standalone.instance import only_instance
from campus.standalone.site import Site, Wish, running_site
from campus.standalone.stopping import Stopped, stopped_by_signals

ROOT = Path(__file__).resolve().parents[3]

SETTINGS = {
    # Everything that takes minutes in production takes seconds here; each is printed.
    "LOCAL_BOOT_SECONDS": "3",
    "FLEET_IDLE_MINUTES": "0.1",
    "FLEET_LEASE_SECONDS": "10",
    "FLEET_HEARTBEAT_SECONDS": "1",
    "FLEET_TICK_SECONDS": "1",
    "FLEET_PRICE_PER_HOUR": "82.76",
    "PUBLISHING_TICK_SECONDS": "1",
    "HOST_PROCESSING_SECONDS": "2",
}


def main(argv: Sequence[str]) -> int:
    """Run the journey; the exit status. What is printed is for people."""
    options = _parser().parse_args(argv)
    try:
        with stopped_by_signals(), only_instance(options.folder, "demo"):
            return _demo(options)
    except Stopped as stopped:
        sys.stderr.write("demo: Stopped.\n")
        return 128 + stopped.number
    except StandaloneError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"demo: {error.strerror}: {error.filename}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description="Take one lesson from the upload to the catalogue."
    )
    parser.add_argument("--lesson", type=Path, required=True, help="the lesson's video")
    parser.add_argument("--from", dest="source", required=True, help="the language it is in")
    parser.add_argument("--to", dest="target", required=True, help="the language to dub it into")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "demo" / "site")
    parser.add_argument("--report", type=Path, required=True, help="where to write the report")
    return parser


def _demo(options: argparse.Namespace) -> int:
    folder = options.folder.absolute()
    data, logs = folder / "data", folder / "log"
    for old in (data, logs):
        shutil.rmtree(old, ignore_errors=True)
    shown = " ".join(f"{name}={value}" for name, value in SETTINGS.items())
    _say(f"Starting the site with {shown}")
    settings = {**SETTINGS, "VOICEOVER_LANGUAGES": _pairs(options.source, options.target)}
    wish = Wish(folder=data, logs=logs, settings=settings, demo_logins=True, what="demo")
    with running_site(wish) as site:
        _say(f"site: {site.layout.url}   Flower: {site.layout.flower_url}   logs: {logs}")
        return _journey(site, options)


def _pairs(source: str, target: str) -> str:
    """What the site offers: its usual languages, and the two that were asked for."""
    return ",".join(dict.fromkeys(("en:es", "es:en", f"{source}:{target}")))


def _journey(site: Site, options: argparse.Namespace) -> int:
    """The people's part, in a process that has the site's own settings."""
    child = subprocess.Popen(
        (
            *(sys.executable, "-m", "orchestrator.parent_death", "--parent", str(os.getpid())),
            *("-m", "campus.standalone.journey"),
            *("--lesson", str(options.lesson.absolute())),
            *("--from", options.source, "--to", options.target),
            *("--report", str(options.report.absolute())),
        ),
        cwd=site.layout.folder,
        env={**site.environment, "SITE_LOG_LEVEL": "WARNING"},
        stdin=subprocess.DEVNULL,
        # Ctrl-C is ours to hear.
        start_new_session=True,
    )
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
