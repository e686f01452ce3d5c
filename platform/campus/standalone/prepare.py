"""What has to be there before the site starts: tables, static files, nodes, people to log in as.

Run as a program of its own with the site's environment, because Django reads its settings once.
Prints the logins as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

import django
from django.core.management import call_command
from django.db import transaction


def main() -> None:
    """Prepare everything; doing it again changes nothing."""
    parser = argparse.ArgumentParser(prog="python -m campus.standalone.prepare")
    parser.add_argument("--demo-password-file", type=Path, help="make demo logins with it")
    options = parser.parse_args()

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    _collect_static()
    _enrol_nodes()
    logins: list[dict[str, str]] = []
    if options.demo_password_file is not None:
        logins = _demo_logins(options.demo_password_file.read_text(encoding="utf-8").strip())
    sys.stdout.write(json.dumps(logins) + "\n")


def _collect_static() -> None:
    # Compressing them takes seconds; they change only with the program.
    call_command("collectstatic", interactive=False, verbosity=0)


def _enrol_nodes() -> None:
    from orchestrator.clock import DATABASE_CLOCK  # models can be loaded only after setup()
    from orchestrator.enrol import enrol
    from orchestrator.settings import fleet_settings

    fleet = fleet_settings()
    with transaction.atomic():
        now: datetime = DATABASE_CLOCK.now()
        for name in fleet.fleet_servers:
            token = Path(fleet.fleet_local_folder, name, "token").read_text(encoding="utf-8")
            enrol(name, name, token.strip(), now)


def _demo_logins(password: str) -> list[dict[str, str]]:
    from campus.accounts.demo import ensure_demo_users  # as above

    users = ensure_demo_users(password)
    return [{"role": user.role, "username": user.username} for user in users]


if __name__ == "__main__":
    main()
