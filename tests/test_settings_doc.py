"""docs/settings.md names every setting there is, with its default and bounds, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from campus.site_settings import SiteSettings
from gpu_node.contracts.settings import Settings
from gpu_node.engines.tts.settings import SpeechSettings
from gpu_node.guard.settings import GuardSettings
from gpu_node.worker.settings import NodeSettings
from orchestrator.deadman.settings import DeadmanSettings
from orchestrator.providers.local_host import HostSettings
from orchestrator.settings import FleetSettings
from orchestrator.sftp_settings import TransferSettings
from orchestrator.ssh import SshSettings
from orchestrator.states import CloudStatus

PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
ALL = (
    SiteSettings,
    FleetSettings,
    HostSettings,
    NodeSettings,
    SpeechSettings,
    SshSettings,
    TransferSettings,
    DeadmanSettings,
    GuardSettings,
)
FIELDS = [(model, name) for model in ALL for name in model.model_fields]


@dataclass(frozen=True)
class Row:
    """A variable as the page has it. `default`: as written; `alone`: it has the row for itself."""

    default: str
    meaning: str
    alone: bool


def section(model: type[Settings]) -> str:
    """What the page says about one program; the heading names its module."""
    for part in PAGE.split("\n## ")[1:]:
        modules = re.findall(r"`([\w.]+)`", part.splitlines()[0])
        if any(f"{model.__module__}.".startswith(f"{module}.") for module in modules):
            return part
    raise AssertionError(f"no section is about {model.__module__}")


def rows(model: type[Settings]) -> dict[str, Row]:
    """Every variable of a section, by its name."""
    return {
        name: row
        for line in section(model).splitlines()
        if line.startswith("| `")
        for name, row in _of_line(line)
    }


def _of_line(line: str) -> Iterator[tuple[str, Row]]:
    first, default, meaning = (cell.strip() for cell in line.split("|")[1:4])
    names = re.findall(r"`([A-Z_]+)`", first)
    alone = len(names) == 1
    same = alone or default in ("", "required")
    defaults = [default] * len(names) if same else re.split(r",\s*(?=`|,|$)", default)
    for name, own in zip(names, defaults, strict=True):
        yield name, Row(own.strip(), meaning, alone)


def written(field: FieldInfo) -> str:
    """A default as the page has to write it."""
    if field.is_required():
        return "required"
    default: Any = field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, tuple | frozenset):
        default = ",".join(default)
    if default in (None, ""):
        return ""
    if isinstance(default, bool):
        return f"`{default}`".lower()
    return f"`{default:.10g}`" if isinstance(default, float) else f"`{default}`"


def bounds(field: FieldInfo) -> Iterator[str]:
    """What the page has to say about what is refused."""
    for limit in field.metadata:
        if (most := getattr(limit, "le", None)) is not None:
            yield f"at most {most:.10g}"
        if (places := getattr(limit, "decimal_places", None)) is not None:
            yield f"at most {places} decimals"


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_setting_has_its_row_and_no_row_is_about_nothing(model: type[Settings]) -> None:
    assert set(rows(model)) == {field.upper() for field in model.model_fields}


@pytest.mark.parametrize(
    ("model", "name"), FIELDS, ids=lambda one: one if isinstance(one, str) else one.__name__
)
def test_defaults_and_bounds_are_as_in_the_code(model: type[Settings], name: str) -> None:
    field, row = model.model_fields[name], rows(model)[name.upper()]
    if row.default.startswith("all but "):
        left_out = set(re.findall(r"`(\w+)`", row.default))
        assert set(field.default) == set(CloudStatus) - left_out
    else:
        # Words may be written each for itself.
        assert row.default.replace("`, `", ",") == written(field)
    if row.alone:
        for bound in bounds(field):
            assert bound in row.meaning


def test_the_test_itself_sees_what_is_wrong() -> None:
    shared = dict(_of_line("| `A`, `B`, `C` | `587`, , `x,y` | what |"))
    assert [row.default for row in shared.values()] == ["`587`", "", "`x,y`"]
    price = FleetSettings.model_fields["fleet_price_per_hour"]
    assert (written(price), list(bounds(price))) == ("`0`", ["at most 4 decimals"])
    assert written(NodeSettings.model_fields["node_name"]) == "required"
    assert written(SiteSettings.model_fields["email_use_tls"]) == "`true`"
    assert list(bounds(SshSettings.model_fields["fleet_ssh_seconds"])) == ["at most 120"]
