"""A graph that cannot work is refused when it is built."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest

from gpu_node.contracts.base import Contract
from gpu_node.graph import Graph, Outcomes, Stage, StageContext, WiringError
from tests.gpu_node.graph.sums import Number, Scale, double


class BigNumber(Number):
    pass


class Word(Contract):
    id: str
    text: str


class Words(Contract):
    items: tuple[Word, ...]


class OtherScale(Contract):
    factor: int = 2


def bigger(number: Number) -> BigNumber:
    return BigNumber(value=number.value + 1)


def add(left: Number, right: Number) -> Number:
    return Number(value=left.value + right.value)


def scaled(ctx: StageContext, settings: Scale, number: Number) -> Number:
    return Number(value=settings.factor * number.value)


def split(number: Number) -> Words:
    return Words(items=tuple(Word(id=str(n), text="w" * n) for n in range(number.value)))


def length(item: Word) -> Number:
    return Number(value=len(item.text))


def length_of_number(item: Number) -> Number:
    return item


def doubled_length(item: Word, length: Number) -> Number:
    return Number(value=2 * length.value)


def total(lengths: Outcomes[Number]) -> Number:
    return Number(value=sum(n.value for n in lengths.values.values()))


def anything(number: Any) -> Number:
    return Number(value=hash(number))


def untyped(number) -> Number:  # type: ignore[no-untyped-def]  # what is being refused
    return Number(value=number)


def no_contract(number: Number) -> int:
    return number.value


def says_nothing(number: Number):  # type: ignore[no-untyped-def]  # what is being refused
    return number


SOURCES: Mapping[str, Contract] = {"one": Number(value=1), "words": Words(items=())}


def build(*stages: Stage) -> Graph:
    return Graph(SOURCES, stages)


def test_a_whole_graph_of_every_sort_of_edge_is_accepted() -> None:
    graph = build(
        Stage("split", "1", split, {"number": "one"}),
        Stage("length", "1", length, each="split"),
        Stage("more", "1", doubled_length, {"length": "length"}, each="split"),
        Stage("total", "1", total, {"lengths": "more"}),
        Stage("scaled", "1", scaled, {"number": "total"}, settings=Scale()),
        Stage("given", "1", length, each="words"),
    )
    assert [stage.name for stage in graph] == [
        "split",
        "length",
        "more",
        "total",
        "scaled",
        "given",
    ]


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        pytest.param(
            [Stage("a", "1", double, {"number": "nowhere"})],
            "a reads nowhere, which comes from nowhere",
            id="an input that is not there",
        ),
        pytest.param(
            [Stage("a", "1", length, each="nowhere")],
            "a reads nowhere, which comes from nowhere",
            id="items that are not there",
        ),
        pytest.param(
            [
                Stage("a", "1", double, {"number": "b"}),
                Stage("b", "1", double, {"number": "one"}),
            ],
            "a reads b, which comes from nowhere",
            id="a later stage",
        ),
        pytest.param(
            [Stage("a", "1", double, {"number": "a"})], "a reads a", id="a stage that reads itself"
        ),
        pytest.param(
            [Stage("a", "1", double)], "takes .*number", id="a parameter without an input"
        ),
        pytest.param(
            [Stage("a", "1", double, {"number": "one", "extra": "one"})],
            "is given .*extra",
            id="an input without a parameter",
        ),
        pytest.param(
            [Stage("a", "1", double, {"nubmer": "one"})], "takes .*number", id="a misspelt one"
        ),
        pytest.param(
            [Stage("a", "1", length)], "takes .*item", id="an item where nothing fans out"
        ),
        pytest.param(
            [Stage("a", "1", double, {"number": "one"}, each="words")],
            "is given .*item",
            id="a fan-out that wants no item",
        ),
        pytest.param(
            [Stage("a", "1", scaled, {"number": "one"})],
            "takes .*settings",
            id="settings that are not given",
        ),
        pytest.param(
            [Stage("a", "1", double, {"number": "one"}, settings=Scale())],
            "is given .*settings",
            id="settings that are not wanted",
        ),
        pytest.param(
            [Stage("a", "1", scaled, {"number": "one"}, settings=OtherScale())],
            "a: settings is .*Scale.*, not .*OtherScale",
            id="settings of another type",
        ),
        pytest.param(
            [Stage("a", "1", double, {"number": "words"})],
            "a: number is .*Number.*, not .*Words",
            id="an input of another type",
        ),
        pytest.param(
            [Stage("a", "1", untyped, {"number": "one"})],
            "a: number is None",
            id="a parameter without a type",
        ),
        pytest.param(
            [Stage("a", "1", length, each="one")],
            "a fans out over one, which has no items",
            id="a value that is no list",
        ),
        pytest.param(
            [Stage("a", "1", length, each="words"), Stage("b", "1", length, each="a")],
            "b fans out over a, which has no items",
            id="a fan-out of a fan-out",
        ),
        pytest.param(
            [Stage("a", "1", length_of_number, each="words")],
            "a: item is .*Number.*, not .*Word",
            id="an item of another type",
        ),
        pytest.param(
            [
                Stage("a", "1", length, each="words"),
                Stage("b", "1", double, {"number": "a"}),
            ],
            "b: number is .*Number.*, not .*Outcomes",
            id="all items where one value is wanted",
        ),
        pytest.param(
            [
                Stage("a", "1", length, each="words"),
                Stage("split", "1", split, {"number": "one"}),
                Stage("b", "1", doubled_length, {"length": "a"}, each="split"),
            ],
            "b: length is .*Number.*, not .*Outcomes",
            id="items of another list",
        ),
        pytest.param(
            [Stage("a", "1", total, {"lengths": "one"})],
            "a: lengths is .*Outcomes.*, not .*Number",
            id="one value where all items are wanted",
        ),
        pytest.param(
            [Stage("a", "1", length, {"item": "one"}, each="words")],
            "a: item is taken",
            id="an input in the item's place",
        ),
        pytest.param(
            [Stage("a", "1", scaled, {"number": "one", "settings": "one"}, settings=Scale())],
            "a: settings is taken",
            id="an input in the settings' place",
        ),
        pytest.param(
            [Stage("a", "1", scaled, {"number": "one", "ctx": "one"}, settings=Scale())],
            "a: ctx is taken",
            id="an input in the context's place",
        ),
        pytest.param(
            [Stage("one", "1", double, {"number": "one"})],
            "two things are called one",
            id="a stage named like a source",
        ),
        pytest.param(
            [
                Stage("a", "1", double, {"number": "one"}),
                Stage("a", "1", bigger, {"number": "one"}),
            ],
            "two things are called a",
            id="two stages of one name",
        ),
        pytest.param(
            [Stage("a", "1", no_contract, {"number": "one"})],  # type: ignore[arg-type]
            "a must say which Contract",
            id="a result that is no contract",
        ),
        pytest.param(
            [Stage("a", "1", says_nothing, {"number": "one"})],
            "a must say which Contract",
            id="a result that is not declared",
        ),
    ],
)
def test_wrong_wiring_is_refused_with_the_stages_name(stages: list[Stage], complaint: str) -> None:
    with pytest.raises(WiringError, match=complaint):
        build(*stages)


def test_a_narrower_type_and_any_are_accepted() -> None:
    build(
        Stage("big", "1", bigger, {"number": "one"}),
        Stage("double", "1", double, {"number": "big"}),
        Stage("any", "1", anything, {"number": "words"}),
    )


def test_what_a_partial_has_filled_in_is_not_asked_for() -> None:
    half = functools.partial(add, right=Number(value=3))
    (stage,) = build(Stage("sum", "1", half, {"left": "one"}))
    assert stage.parameters == {"left"}
    assert stage.result_type is Number


def test_the_context_is_given_only_to_those_who_ask() -> None:
    assert "ctx" in Stage("a", "1", scaled, {"number": "one"}, settings=Scale()).parameters
    assert "ctx" not in Stage("a", "1", double, {"number": "one"}).parameters
