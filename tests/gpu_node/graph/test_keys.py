"""A piece of work has one name, and so has what a fan-out gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_node.contracts.errors import Reason
from gpu_node.graph import ItemFailure, Outcomes, Stage
from tests.gpu_node.graph.sums import Number, Scale, double

# A shared machine may hold one example up for longer than Hypothesis would wait.
PATIENT = settings(deadline=None)


# The name of a piece of work.

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
DIGESTS = st.dictionaries(NAMES, st.sampled_from(["a" * 64, "b" * 64, "c" * 64]), max_size=4)
SETTINGS = st.none() | st.builds(Scale, factor=st.integers())


@st.composite
def works(draw: st.DrawFn) -> tuple[Stage, Mapping[str, str]]:
    stage = Stage(draw(NAMES), draw(NAMES), double, settings=draw(SETTINGS))
    return stage, draw(DIGESTS)


def facts(stage: Stage, digests: Mapping[str, str]) -> object:
    factor = stage.settings.factor if isinstance(stage.settings, Scale) else None
    return stage.name, stage.version, factor, sorted(digests.items())


@PATIENT
@given(works(), works())
def test_two_pieces_of_work_share_a_key_only_if_nothing_differs(
    one: tuple[Stage, Mapping[str, str]], other: tuple[Stage, Mapping[str, str]]
) -> None:
    same = facts(*one) == facts(*other)
    assert (one[0].key(one[1]) == other[0].key(other[1])) is same


@PATIENT
@given(works(), NAMES, st.integers())
def test_every_single_change_changes_the_key(
    work: tuple[Stage, Mapping[str, str]], other: str, number: int
) -> None:
    stage, digests = work
    key = stage.key(digests)
    changed = [
        Stage(stage.name + "x", stage.version, double, settings=stage.settings).key(digests),
        Stage(stage.name, stage.version + "x", double, settings=stage.settings).key(digests),
        stage.key({**digests, other + "new": "d" * 64}),
        *(stage.key({**digests, name: "d" * 64}) for name in digests),
        *(stage.key({k: v for k, v in digests.items() if k != name}) for name in digests),
    ]
    if not isinstance(stage.settings, Scale) or stage.settings.factor != number:
        settings = Scale(factor=number)
        changed.append(Stage(stage.name, stage.version, double, settings=settings).key(digests))
    assert key not in changed
    assert len(set(changed)) == len(changed)


@PATIENT
@given(works(), st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_does_not_change_the_key(
    work: tuple[Stage, Mapping[str, str]], random: Any
) -> None:
    stage, digests = work
    shuffled = list(digests.items())
    random.shuffle(shuffled)
    assert stage.key(dict(shuffled)) == stage.key(digests)


# The digest of what a fan-out gave.

OUTCOMES = st.dictionaries(
    st.sampled_from("abcd"),
    st.integers(0, 2).map(lambda n: Number(value=n))
    | st.sampled_from(["too long", "too short"]).map(
        lambda s: ItemFailure(id="", stage="speak", reason=Reason.SPEECH_FAILED, sentence=s)
    ),
    max_size=4,
)


def outcomes(found: Mapping[str, Number | ItemFailure]) -> Outcomes[Number]:
    return Outcomes(
        {key: value for key, value in found.items() if isinstance(value, Number)},
        {
            key: value.model_copy(update={"id": key})
            for key, value in found.items()
            if isinstance(value, ItemFailure)
        },
    )


def seen(found: Outcomes[Number]) -> object:
    """All that a stage which gathers can see, the order included."""
    return list(found.values.items()), list(found.failures.items())


@PATIENT
@given(OUTCOMES.map(outcomes), OUTCOMES.map(outcomes))
def test_outcomes_share_a_digest_only_if_a_stage_could_not_tell_them_apart(
    one: Outcomes[Number], other: Outcomes[Number]
) -> None:
    assert (one.digest() == other.digest()) is (seen(one) == seen(other))


def test_outcomes_in_another_order_are_other_outcomes() -> None:
    one, two = Number(value=1), Number(value=2)
    assert (
        Outcomes({"a": one, "b": two}, {}).digest() != Outcomes({"b": two, "a": one}, {}).digest()
    )


def test_who_failed_an_item_is_part_of_the_digest() -> None:
    def failed(stage: str) -> Outcomes[Number]:
        failure = ItemFailure(id="a", stage=stage, reason=Reason.SPEECH_FAILED, sentence="No.")
        return Outcomes({}, {"a": failure})

    assert failed("translate").digest() != failed("speak").digest()
