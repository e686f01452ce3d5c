from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from campus.standalone.errors import StandaloneError
from campus.standalone.instance import only_instance

HOLDER = """
import sys
from pathlib import Path
from campus.standalone.instance import only_instance
with only_instance(Path(sys.argv[1]), "demo") as instance:
    instance.announce("http://127.0.0.1:8003")
    print("held", flush=True)
    input()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_one_is_told_where_the_first_is(tmp_path: Path) -> None:
    with hold(tmp_path) as holder:
        with pytest.raises(StandaloneError) as refusal, only_instance(tmp_path, "demo"):
            pass
        holder.kill()
    assert str(refusal.value) == (
        f"A demo is already running here at http://127.0.0.1:8003 (its data: {tmp_path}); "
        "stop that one first."
    )


def test_one_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    with hold(tmp_path) as holder:
        holder.kill()
    with only_instance(tmp_path):
        assert not (tmp_path / "running").exists()  # the dead one's address is gone


def test_one_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        with only_instance(tmp_path / "new") as instance:
            instance.announce("here")
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["lock"]


def test_different_folders_do_not_mind_each_other(tmp_path: Path) -> None:
    with only_instance(tmp_path / "a"), only_instance(tmp_path / "b"):
        pass
