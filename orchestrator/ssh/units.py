"""The few commands that are ever sent to a node, and how their answers are read. Pure.

Every command is one of a list that can be written down beforehand (`allowed`), so that the node
may refuse all others. Units are named in the settings and checked: nothing that comes from outside
is ever a part of a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,200}\.service", re.ASCII)
_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "NRestarts")


class ActiveState(StrEnum):
    """systemd's own words (systemd.unit(5), ActiveState of org.freedesktop.systemd1)."""

    ACTIVE = "active"
    RELOADING = "reloading"
    REFRESHING = "refreshing"
    INACTIVE = "inactive"
    FAILED = "failed"
    ACTIVATING = "activating"
    DEACTIVATING = "deactivating"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class UnitState:
    """How a unit stands. `sub` is systemd's finer word; `restarts` are those that it did itself."""

    loaded: bool
    active: ActiveState
    sub: str
    restarts: int

    @property
    def running(self) -> bool:
        return self.loaded and self.active is ActiveState.ACTIVE


class NotUnderstood(ValueError):
    """The answer is not what systemctl says."""


def is_unit(name: str) -> bool:
    """Whether it is a service's full name, with nothing in it that a shell would look at."""
    return _UNIT.fullmatch(name) is not None


def show(units: Sequence[str]) -> str:
    """Asks how these units stand."""
    properties = ",".join(_PROPERTIES)
    return f"systemctl show --no-pager --property={properties} -- {' '.join(_checked(units))}"


def restart(unit: str) -> str:
    """Restarts a unit. It is not waited for: that it worked is seen by a new boot of the worker."""
    return f"sudo -n {_restarting(unit)}"


def journal(unit: str, lines: int) -> str:
    """Gives the last lines of a unit's log."""
    (name,) = _checked((unit,))
    return f"journalctl --no-pager --output=short-iso --lines={lines:d} --unit={name}"


def allowed(units: Sequence[str], lines: int) -> tuple[str, ...]:
    """Every command that is ever sent to a node of this installation."""
    return (
        show(units),
        *(restart(unit) for unit in units),
        *(journal(unit, lines) for unit in units),
    )


def sudoers(user: str, units: Sequence[str]) -> tuple[str, ...]:
    """Lines for /etc/sudoers.d: the account may restart these units as root, and nothing more."""
    return tuple(f"{user} ALL=(root) NOPASSWD: /usr/bin/{_restarting(unit)}" for unit in units)


def parse(said: str, units: Sequence[str]) -> Mapping[str, UnitState]:
    """The answer to `show(units)`: a block for each unit, in that order. Raises NotUnderstood."""
    blocks = [block for block in said.strip().split("\n\n") if block.strip()]
    if len(blocks) != len(units):
        raise NotUnderstood(f"{len(blocks)} answers for {len(units)} units")
    # Not by Id: a unit that was asked for by an alias is called by its real name there.
    return {unit: _state(block) for unit, block in zip(units, blocks, strict=True)}


def _state(block: str) -> UnitState:
    said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    try:
        return UnitState(
            loaded=said["LoadState"] == "loaded",
            active=ActiveState(said["ActiveState"]),
            sub=said["SubState"],
            # Absent for a unit that does not exist.
            restarts=int(said.get("NRestarts") or 0),
        )
    except (KeyError, ValueError) as error:
        raise NotUnderstood(f"not an answer about a unit: {error}") from None


def _restarting(unit: str) -> str:
    (name,) = _checked((unit,))
    return f"systemctl restart --no-block -- {name}"


def _checked(units: Sequence[str]) -> Sequence[str]:
    for unit in units:
        if not is_unit(unit):
            raise ValueError(f"not the name of a service: {unit!r}")
    return units
