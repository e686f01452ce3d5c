"""`make serve`: the site, kept running on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from campus.standalone.errors import StandaloneError
from campus.standalone.site import FLOWER_USER, Site, Wish, running_site
from campus.standalone.stopping import Stopped, stopped_by_signals

ROOT = Path(__file__).resolve().parents[3]


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the exit status."""
    options = _parser().parse_args(argv)
    began = time.monotonic()
    try:
        with stopped_by_signals(), running_site(_wish(options)) as site:
            _say(_greeting(site, time.monotonic() - began))
            try:
                site.watch()
            except Stopped:
                began = time.monotonic()
                _say("\nserve: stopping (a second Ctrl-C stops at once)")
    except Stopped as stopped:
        return 128 + stopped.number
    except StandaloneError as error:
        _say(f"serve: {error}", sys.stderr)
        return 1
    except OSError as error:
        _say(f"serve: {error.strerror}: {error.filename}", sys.stderr)
        return 1
    _say(f"serve: stopped in {time.monotonic() - began:.0f} s; nothing of it runs any more")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py serve", description="Run the whole site on this machine until Ctrl-C."
    )
    parser.add_argument("--port", type=_port, default=8000, help="the site's, if it is free")
    parser.add_argument("--flower-port", type=_port, default=5555, help="Flower's, if it is free")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "serve", help="where its data is kept"
    )
    parser.add_argument("--logs", type=Path, default=ROOT / "var" / "log", help="and its logs")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1024 to 65535")
    return int(text)


def _wish(options: argparse.Namespace) -> Wish:
    return Wish(
        folder=options.folder,
        logs=options.logs,
        site_port=options.port,
        flower_port=options.flower_port,
        demo_logins=True,
    )


def _greeting(site: Site, seconds: float) -> str:
    layout = site.layout
    width = max((len(login.username) for login in site.logins), default=0)
    logins = [
        f"  {login.username:<{width}}  {login.password}  ({login.role})" for login in site.logins
    ]
    return "\n".join(
        (
            f"serve: ready after {seconds:.0f} s",
            f"site: {layout.url}",
            *logins,
            f"Flower: {layout.flower_url}",
            f"  {FLOWER_USER}  {site.flower_password}",
            f"logs: {layout.logs}",
            f"data: {layout.folder}",
            "Ctrl-C stops all of it.",
        )
    )


def _say(text: str, stream: TextIO | None = None) -> None:
    """Print at once. The terminal may be gone by now: that is no reason to stop stopping."""
    stream = stream or sys.stdout
    with contextlib.suppress(OSError):
        stream.write(f"{text}\n")
        stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
