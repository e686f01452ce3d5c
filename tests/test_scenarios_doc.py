"""docs/scenarios.md has a row for every scenario, and the tests that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
FILES = list((ROOT / "tests").rglob("test_*.py"))
NAMES = {
    name
    for path in FILES
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_scenario_has_a_row() -> None:
    assert re.findall(r"^\| S(\d+) \|", PAGE, re.MULTILINE) == [str(n) for n in range(1, 24)]


@pytest.mark.parametrize("row", [line for line in PAGE.splitlines() if line.startswith("| S")])
def test_what_a_row_names_exists(row: str) -> None:
    files = set(re.findall(r"(test_\w+\.py)", row))
    names = set(re.findall(r"(test_\w+)(?!\w|\.py)", row))
    assert files or names
    assert files <= {path.name for path in FILES}
    assert names <= NAMES
