"""The contracts: what they refuse, and that they survive a trip as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpu_node.contracts.base import CONTRACT_VERSION
from gpu_node.contracts.blobs import Blob
from gpu_node.contracts.jobs import DubPayload, JobSpec
from gpu_node.contracts.timeline import Placement, Span, Utterance, Utterances

BLOB = Blob(digest="0" * 64, size=1, suffix=".wav")


def test_a_document_says_which_version_it_is() -> None:
    spec = JobSpec(payload={"kind": "dub"}, inputs={"lesson": BLOB})
    assert spec.model_dump()["contract_version"] == CONTRACT_VERSION
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_document_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError):
        JobSpec.model_validate({"contract_version": 2, "payload": {}, "inputs": {}})


def test_a_field_that_nobody_knows_is_an_error_not_a_default() -> None:
    with pytest.raises(ValidationError, match="targetlanguage"):
        DubPayload.model_validate(
            {"source_language": "en", "target_language": "es", "targetlanguage": "de"}
        )


def test_a_contract_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        BLOB.size = 2


@pytest.mark.parametrize("tag", ["en", "es-419", "pt-BR", "zh-Hant-TW", "fil"])
def test_language_tags_by_shape(tag: str) -> None:
    assert DubPayload(source_language=tag, target_language="ru").source_language == tag


@pytest.mark.parametrize(
    "tag", ["", "e", "engl", "en_US", "../etc", "en-", "ру", "en-verylongpart"]
)
def test_what_cannot_be_a_language_tag(tag: str) -> None:
    with pytest.raises(ValidationError):
        DubPayload(source_language=tag, target_language="ru")


@pytest.mark.parametrize("suffix", ["wav", "../x", ".wav/..", ".toolongsuffix"])
def test_a_blobs_suffix_cannot_be_a_path(suffix: str) -> None:
    with pytest.raises(ValidationError):
        Blob(digest="0" * 64, size=1, suffix=suffix)


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (-1, 1), (0, float("nan"))])
def test_a_span_runs_forward_and_is_finite(start: float, end: float) -> None:
    with pytest.raises(ValidationError):
        Span(start=start, end=end)


def test_utterances_neither_overlap_nor_share_an_id() -> None:
    def lines(*spans: tuple[str, float, float]) -> dict[str, Any]:
        items = [Utterance(id=i, start=a, end=b, text="x") for i, a, b in spans]
        return {"language": "en", "items": items}

    assert len(Utterances(**lines(("u1", 0, 1), ("u2", 1, 2))).items) == 2
    with pytest.raises(ValidationError, match="starts before"):
        Utterances(**lines(("u1", 0, 2), ("u2", 1, 3)))
    with pytest.raises(ValidationError, match="same id"):
        Utterances(**lines(("u1", 0, 1), ("u1", 1, 2)))


@given(
    start=st.floats(0, 1e5),
    rate=st.floats(1, 1.25),
    duration=st.floats(0.1, 60),
    share=st.floats(0, 0.1),
)
def test_a_placements_times_agree(start: float, rate: float, duration: float, share: float) -> None:
    lead = duration * share
    placed = Placement(
        id="u1", audio=BLOB, start=start, rate=rate, duration=duration, lead=lead, lateness=0
    )
    assert placed.file_start <= placed.start < placed.end
    assert placed.end - placed.file_start == pytest.approx(duration / rate, abs=1e-6)
