"""The OpenAPI document against the running program: what it promises is what is answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chatterbox_service.served import Program, program


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with program(tmp_path_factory.mktemp("contract"), most_lines="20") as it:
        it.wait_until_healthy()
        yield it


# What a text or a recording is like cannot be said in a schema: some that fit it are refused with a
# sentence. All else that is promised is held to.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "413", "422", "503"]
"""


def test_schemathesis_finds_nothing(running: Program, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={configuration}",
            "run",
            f"{running.url}/openapi.json",
            "--checks=all",
            "--max-examples=25",
            "--seed=1",
            "--generation-database=none",
            "--suppress-health-check=all",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert running.process.poll() is None


def test_the_page_is_there(running: Program) -> None:
    with running.client() as client:
        assert "/api/tts/batch" in client.get("/openapi.json").json()["paths"]
        assert client.get("/docs").status_code == 200
