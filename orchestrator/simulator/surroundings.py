"""Has the orchestrator's own code meet the simulated world instead of this machine."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator import alerting, blobs, doorbell, errands, transitions
from orchestrator.errands import Then
from orchestrator.settings import fleet_settings
from orchestrator.simulator.processes import Violation
from orchestrator.simulator.rules import Rules


class NoFiles:
    """Every blob is there, and none is kept."""

    def path(self, digest: str) -> Path:
        return Path(digest)


class Bells:
    """What rings; whoever is in charge hears it."""

    def __init__(self) -> None:
        self.heard: Any = lambda _what, _where: None

    def ring(self, what: str, where: str) -> None:
        self.heard(what, where)


@contextmanager
def surroundings(seed: int, rules: Rules, bells: Bells) -> Iterator[None]:
    """These settings, no broker, no files, no handlers of the site, and chance from the seed."""
    chance = random.Random(f"chance {seed}")  # noqa: S311  # it has to be repeatable
    storage = NoFiles()
    before = random.getstate()
    with ExitStack() as stack:
        stack.enter_context(_environment(rules.environment()))
        for where, name, value in (
            (doorbell, "_send", bells.ring),
            (doorbell, "_control", lambda _name, _command: None),
            (errands, "_side_by_side", _one_by_one),
            (blobs, "storage", lambda: storage),
            (transitions, "_handlers", []),
            (alerting, "_handlers", []),
            # uuid4 and secrets draw from these two.
            (os, "urandom", chance.randbytes),
            (random, "_urandom", chance.randbytes),
        ):
            stack.enter_context(replaced(where, name, value))
        random.seed(seed)
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
            random.setstate(before)


def follow(rules: Rules) -> None:
    """From now on these are the settings."""
    os.environ.update(rules.environment())
    fleet_settings.cache_clear()


def _one_by_one(asks: Sequence[Callable[[], Then]]) -> Iterable[Then]:
    """In place of threads: all were looked at before the first is made, and their answers are
    written down after the last."""
    return [ask() for ask in asks]


@contextmanager
def replaced(where: ModuleType | type, name: str, value: object) -> Iterator[None]:
    """An attribute has another value for a while. Raises Violation if there is none."""
    if name not in vars(where):
        raise Violation(f"{where.__name__} has no {name} any more")
    before = vars(where)[name]
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = _read(values)
    os.environ.update(values)
    fleet_settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        fleet_settings.cache_clear()


def _read(names: Iterable[str]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}
