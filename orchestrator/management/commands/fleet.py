"""`manage.py fleet …`: the fleet from the command line."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator import fleet_control, store
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.enrol import enrol
from orchestrator.fleet_report import FleetReport, fleet_report
from orchestrator.models import Node
from orchestrator.tasks import run_tick

_ORDERS = {
    "hold": fleet_control.hold,
    "release": fleet_control.release,
    "drain": fleet_control.drain,
}


class Command(BaseCommand):
    """Shows and steers the fleet."""

    help = "Show the fleet, run one tick, hold, release or drain a node, enrol a server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        status = actions.add_parser("status", help="what every node is doing")
        tick = actions.add_parser("tick", help="run one tick of the orchestrator now")
        for action, words in (
            ("hold", "leave a node as it is until released"),
            ("release", "give a held or drained node back to the fleet"),
            ("drain", "let a node finish its job, shelve it and leave it asleep"),
        ):
            order = actions.add_parser(action, help=words)
            order.add_argument("node")
            order.add_argument("--json", action="store_true", help="answer as JSON")
        for each in (status, tick):
            each.add_argument("--json", action="store_true", help="answer as JSON")
        new = actions.add_parser("enrol", help="make a server known as a node")
        new.add_argument("node")
        new.add_argument("--server", required=True, help="the server's id or name at the cloud")
        new.add_argument("--token-file", required=True, type=Path, help="holds the node's token")

    def handle(self, *_: Any, **options: Any) -> None:
        action = options["action"]
        if action == "enrol":
            self._enrol(options["node"], options["server"], options["token_file"])
        elif action == "tick":
            self._tick(options["json"])
        else:
            if action in _ORDERS:
                self._order(action, options["node"])
            self._status(options["json"])

    def _status(self, as_json: bool) -> None:
        report = fleet_report(DATABASE_CLOCK.now())
        if as_json:
            self.stdout.write(report.model_dump_json())
        else:
            self.stdout.write(_table(report))

    def _tick(self, as_json: bool) -> None:
        report = run_tick()
        if as_json:
            self.stdout.write(json.dumps(asdict(report)))
            return
        if report.skipped:
            self.stdout.write("Another orchestrator is at a tick right now.")
        if report.cloud_error:
            self.stdout.write(f"The cloud could not be asked: {report.cloud_error}")
        self.stdout.write("\n".join(report.steps) or "Nothing to do.")

    def _order(self, action: str, name: str) -> None:
        node = Node.objects.filter(name=name).first()
        if node is None:
            known = ", ".join(Node.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no node called {name}. Known nodes: {known}.")
        with store.atomic():
            _ORDERS[action](node, getpass.getuser(), DATABASE_CLOCK.now())

    def _enrol(self, name: str, server: str, token_file: Path) -> None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
            with store.atomic():
                enrol(name, server, token, DATABASE_CLOCK.now())
        except OSError as error:
            raise CommandError(f"The token file cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is enrolled.")


def _table(report: FleetReport) -> str:
    lines = [f"{report.queued} queued, {report.running} running"]
    for node in report.nodes:
        spent = ", ".join(f"{cause} {seconds:.0f} s" for cause, seconds in node.seconds.items())
        order = "held" if node.wanted == "held" else "parked" if node.parked else ""
        words = [f"{node.name}: {node.phase}", order, node.worker_sentence, node.note]
        lines.append("; ".join(word for word in words if word))
        lines.append(f"  last 24 h: {spent or 'nothing billed'}")
    return "\n".join(lines)
