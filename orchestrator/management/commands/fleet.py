"""`manage.py fleet …`: the fleet from the command line."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator import fleet_control, fleet_words, store
from orchestrator.clock import DATABASE_CLOCK
from orchestrator.cost_report import By, cost_report
from orchestrator.enrol import enrol
from orchestrator.fleet_control import OrderRefused
from orchestrator.fleet_report import fleet_report, latest_alerts, open_alerts
from orchestrator.models import Node
from orchestrator.months import month_named, month_of
from orchestrator.providers import provider
from orchestrator.retired import active_nodes
from orchestrator.settings import fleet_settings
from orchestrator.tasks import run_tick

_Order = Callable[[Node, str, datetime], None]

_ORDERS: dict[str, tuple[_Order, str]] = {
    "hold": (fleet_control.hold, "leave a node as it is until released"),
    "release": (fleet_control.release, "give a held or drained node back to the fleet"),
    "drain": (fleet_control.drain, "let a node finish its job, shelve it and leave it asleep"),
    "retry": (fleet_control.retry, "forget a node's failures and quarantine: it may be woken now"),
    "retire": (fleet_control.retire, "let a sleeping node go for good; its history stays"),
}

_ALERTS = 50


class Command(BaseCommand):
    """Shows and steers the fleet."""

    help = "Show the fleet, its alerts and costs; run one tick; steer, enrol or retire nodes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        status = actions.add_parser("status", help="what every node is doing")
        tick = actions.add_parser("tick", help="run one tick of the orchestrator now")
        check = actions.add_parser("check", help="whether the cloud and the settings go together")
        alerts = actions.add_parser("alerts", help="what a person should know of")
        alerts.add_argument("--all", action="store_true", help="also those that are over")
        costs = actions.add_parser("costs", help="what a month has cost")
        costs.add_argument("--month", help="such as 2026-11; the present one if not given")
        costs.add_argument("--by", choices=[by.value for by in By], default=By.LESSON.value)
        rename = actions.add_parser("rename", help="call a sleeping node something else")
        rename.add_argument("node")
        rename.add_argument("new")
        orders = []
        for action, (_, words) in _ORDERS.items():
            orders.append(actions.add_parser(action, help=words))
            orders[-1].add_argument("node")
        for each in (status, tick, check, alerts, costs, rename, *orders):
            each.add_argument("--json", action="store_true", help="answer as JSON")
        new = actions.add_parser("enrol", help="make a server known as a node")
        new.add_argument("node")
        new.add_argument("--server", required=True, help="the server's id or name at the cloud")
        new.add_argument("--token-file", required=True, type=Path, help="holds the node's token")

    def handle(self, *_: Any, **options: Any) -> None:
        match options["action"]:
            case "enrol":
                self._enrol(options["node"], options["server"], options["token_file"])
            case "tick":
                self._tick(options["json"])
            case "check":
                self._check(options["json"])
            case "alerts":
                self._alerts(options["all"], options["json"])
            case "costs":
                self._costs(options["month"], By(options["by"]), options["json"])
            case "rename":
                new = options["new"]
                self._order(lambda n, by, at: fleet_control.rename(n, new, by, at), options["node"])
                self._status(options["json"])
            case "status":
                self._status(options["json"])
            case action:
                self._order(_ORDERS[action][0], options["node"])
                self._status(options["json"])

    def _status(self, as_json: bool) -> None:
        report = fleet_report(DATABASE_CLOCK.now())
        self.stdout.write(report.model_dump_json() if as_json else fleet_words.status(report))

    def _check(self, as_json: bool) -> None:
        """Asks the cloud what is wrong with the set-up; spends nothing. 1 when it cannot work."""
        complaints = provider(fleet_settings()).check()
        if as_json:
            self.stdout.write(json.dumps([asdict(complaint) for complaint in complaints]))
        else:
            self.stdout.write("\n".join(one.sentence for one in complaints) or "All is well.")
        if any(complaint.blocking for complaint in complaints):
            raise SystemExit(1)

    def _alerts(self, over_too: bool, as_json: bool) -> None:
        alerts = latest_alerts(_ALERTS) if over_too else open_alerts()
        if as_json:
            self.stdout.write(json.dumps([alert.model_dump(mode="json") for alert in alerts]))
        else:
            self.stdout.write(fleet_words.alerts(alerts))

    def _costs(self, name: str | None, by: By, as_json: bool) -> None:
        now = DATABASE_CLOCK.now()
        try:
            month = month_named(name) if name else month_of(now)
        except ValueError as error:
            raise CommandError(str(error)) from None
        report = cost_report(by, month, now)
        self.stdout.write(report.model_dump_json() if as_json else fleet_words.costs(report))

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

    def _order(self, give: _Order, name: str) -> None:
        node = Node.objects.filter(name=name).first()
        if node is None:
            known = ", ".join(active_nodes().values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no node called {name}. Known nodes: {known}.")
        try:
            with store.atomic():
                give(node, getpass.getuser(), DATABASE_CLOCK.now())
        except OrderRefused as refused:
            raise CommandError(refused.sentence) from None

    def _enrol(self, name: str, server: str, token_file: Path) -> None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
            with store.atomic():
                enrol(name, server, token, DATABASE_CLOCK.now())
        except OSError as error:
            raise CommandError(f"The token file cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise CommandError("The token file is not UTF-8 text.") from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is enrolled.")
