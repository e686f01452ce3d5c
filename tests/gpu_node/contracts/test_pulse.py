"""Signs of life as they are written and read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpu_node.contracts.pulse import CONTROLLER_KEY, ControllerPulse, NodePulse, node_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pulse(**what: object) -> NodePulse:
    said = {"boot_id": "boot-id-1", "beat": 1, "at": NOW, "node": "gpu-1", "busy": False, **what}
    return NodePulse.model_validate(said)


@given(st.integers(min_value=0), st.none() | st.text(max_size=64), st.booleans(), st.booleans())
def test_what_is_written_is_read(beat: int, job: str | None, busy: bool, kept: bool) -> None:
    said = pulse(beat=beat, job=job, busy=busy, kept=kept)
    assert NodePulse.model_validate_json(said.model_dump_json()) == said


def test_it_shows_no_job_only_when_there_is_none_and_none_is_asked_for() -> None:
    assert pulse().shows_no_job
    assert not pulse(busy=True).shows_no_job
    assert not pulse(busy=True, job="job-1").shows_no_job
    assert not pulse(job="job-1").shows_no_job


def test_each_beat_and_each_boot_has_a_mark_of_its_own() -> None:
    said = [pulse(), pulse(beat=2), pulse(boot_id="boot-id-2"), pulse(boot_id="boot-id-1-2")]
    assert len({one.mark for one in said}) == 4


def test_a_pulse_of_another_version_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(ValidationError):
        pulse(contract_version=2)
    with pytest.raises(ValidationError):
        pulse(temperature=70)


def test_one_is_not_taken_for_the_other() -> None:
    said = ControllerPulse(boot_id="boot-id-1", beat=1, at=NOW).model_dump_json()
    with pytest.raises(ValidationError):
        NodePulse.model_validate_json(said)
    with pytest.raises(ValidationError):
        ControllerPulse.model_validate_json(pulse().model_dump_json())


@pytest.mark.parametrize("name", ["controller", "gpu-1", ""])
def test_no_nodes_key_is_the_controllers(name: str) -> None:
    assert node_key(name) != CONTROLLER_KEY
    assert node_key(name).startswith("hb:")
