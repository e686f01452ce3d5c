"""docs/settings.md names every setting there is, with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campus.site_settings import SiteSettings
from gpu_node.contracts.settings import Settings
from gpu_node.guard.settings import GuardSettings
from gpu_node.worker.settings import NodeSettings
from orchestrator.deadman.settings import DeadmanSettings
from orchestrator.providers.local_host import HostSettings
from orchestrator.settings import FleetSettings
from orchestrator.sftp_settings import TransferSettings
from orchestrator.ssh import SshSettings

PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
ALL = (
    SiteSettings,
    FleetSettings,
    HostSettings,
    NodeSettings,
    SshSettings,
    TransferSettings,
    DeadmanSettings,
    GuardSettings,
)


def rows() -> dict[str, tuple[str, ...]]:
    """Each row's variables, and its default as written."""
    found = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            names, default = line.split("|")[1:3]
            found[default.strip() + names] = tuple(re.findall(r"`([A-Z_]+)`", names))
    return found


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_setting_has_its_row(model: type[Settings]) -> None:
    documented = {name for names in rows().values() for name in names}
    assert {field.upper() for field in model.model_fields} <= documented


def test_no_row_is_about_nothing() -> None:
    known = {field.upper() for model in ALL for field in model.model_fields}
    assert {name for names in rows().values() for name in names} <= known


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (model, name)
        for model in ALL
        for name, field in model.model_fields.items()
        if isinstance(field.default, int | float)
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_numbers_are_as_in_the_code(model: type[Settings], field: str) -> None:
    default = model.model_fields[field].default
    written = f"{default}".lower() if isinstance(default, bool) else f"{default:.10g}"
    if f"{default}".endswith("000000000"):
        written = str(default)
    alone = [row for row, names in rows().items() if names == (field.upper(),)]
    assert not alone or any(f"`{written}`" in row for row in alone), written
