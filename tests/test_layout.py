"""Guards on the shape of the tree: each such fault is silent until something distant breaks."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLATFORM = ROOT / "platform"
MEBIBYTE = 1024 * 1024
HEAVY = {"django", "numpy", "pocketsphinx", "torch", "whisperx"}

# Runs in an interpreter of its own: this one has loaded half the world already.
IMPORT_CONTRACTS = """
import importlib, pkgutil, sys
import gpu_node
import gpu_node.contracts as contracts
for module in pkgutil.walk_packages(contracts.__path__, contracts.__name__ + "."):
    importlib.import_module(module.name)
sys.stdout.write("\\n".join(sys.modules))
"""


def is_test_file(path: Path) -> bool:
    return path.suffix == ".py" and (path.stem.startswith("test_") or path.stem.endswith("_test"))


def test_the_standard_librarys_platform_wins_over_our_folder() -> None:
    assert platform.__file__ is not None
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    assert Path(platform.__file__).resolve().parent == stdlib


def test_nothing_makes_the_platform_folder_importable() -> None:
    # Directly in platform/ either file makes Python or pytest take it for the module "platform".
    assert [n for n in ("__init__.py", "conftest.py") if (PLATFORM / n).exists()] == []


def test_no_test_lives_under_platform() -> None:
    found = [p for p in PLATFORM.rglob("*.py") if is_test_file(p) or p.name == "conftest.py"]
    assert found == []


def test_every_folder_on_the_way_to_a_test_is_a_package() -> None:
    # Without it two tests of one name collide, and which of them runs depends on the order.
    tests = ROOT / "tests"
    folders = {
        folder
        for path in tests.rglob("*.py")
        if is_test_file(path)
        for folder in path.parents
        if folder.is_relative_to(tests)
    }
    assert tests in folders
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_the_contracts_load_nothing_heavy() -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_CONTRACTS],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "gpu_node" in loaded
    assert loaded & HEAVY == set()


def test_locks_name_no_address() -> None:
    # Where packages are fetched from is the machine's business.
    locks = {p.name: p for p in (ROOT / "requirements").glob("*.txt") if p.name != "system.txt"}
    assert {"dev.txt", "node.txt"} <= locks.keys()
    assert [name for name, p in locks.items() if "http" in p.read_text(encoding="utf-8")] == []


def test_no_tracked_file_is_larger_than_a_mebibyte() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip(f"git does not say what is tracked: {listed.stderr.strip()}")
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    # A file deleted but not yet committed is still listed.
    large = [p for p in tracked if p.is_file() and p.stat().st_size > MEBIBYTE]
    assert large == []
