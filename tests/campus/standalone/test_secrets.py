from __future__ import annotations

import stat
from pathlib import Path

from campus.standalone.secrets import kept, long_secret, password, write_private


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "key"
    first = kept(file)
    assert len(first) >= 50
    assert kept(file) == first
    assert file.read_text() == first


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "key"
    kept(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("\n")
    assert kept(file, password)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_two_are_alike() -> None:
    assert len({make() for make in (long_secret, password) for _ in range(50)}) == 100


def test_what_is_replaced_was_readable_by_nobody_else_at_any_time(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new password")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["config"]
