"""Which lines are spoken together: everybody gets a turn, and no batch is larger than it may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.speech.rounds import Limits, Ticket, next_round

OWNERS = st.sampled_from(["a", "b", "c"])
SIZES = st.integers(1, 50)


@st.composite
def waiting(draw: st.DrawFn) -> list[Ticket]:
    lines = draw(st.lists(st.tuples(OWNERS, SIZES), min_size=1, max_size=40))
    return [Ticket(owner, order, size) for order, (owner, size) in enumerate(lines)]


TURNS = st.dictionaries(OWNERS, st.integers(0, 100))
LIMITS = st.builds(Limits, most=st.integers(1, 10), budget=st.integers(1, 200))


@given(waiting(), TURNS, LIMITS)
def test_a_round_holds_what_it_may_and_each_line_once(
    tickets: list[Ticket], turns: dict[str, int], limits: Limits
) -> None:
    chosen = next_round(tickets, turns, limits)
    assert chosen
    assert len(set(chosen)) == len(chosen)
    largest = max(tickets[at].size for at in chosen)
    assert len(chosen) == 1 or limits.hold(len(chosen), largest)


@given(waiting(), LIMITS)
def test_everything_is_spoken_in_the_end(tickets: list[Ticket], limits: Limits) -> None:
    left, turns, spoken = list(tickets), dict[str, int](), 0
    while left:
        chosen = next_round(left, turns, limits)
        turns[left[chosen[0]].owner] = spoken
        spoken += len(chosen)
        left = [ticket for at, ticket in enumerate(left) if at not in chosen]
    assert spoken == len(tickets)


@given(waiting(), LIMITS)
def test_nobody_waits_for_longer_than_everybody_elses_turn(
    tickets: list[Ticket], limits: Limits
) -> None:
    owners = {ticket.owner for ticket in tickets}
    left, turns = list(tickets), dict[str, int]()
    heard: set[str] = set()
    for turn, _ in enumerate(owners):
        if not left:
            break
        chosen = next_round(left, turns, limits)
        turns[left[chosen[0]].owner] = turn
        heard |= {left[at].owner for at in chosen}
        left = [ticket for at, ticket in enumerate(left) if at not in chosen]
    assert heard == owners


@given(waiting(), TURNS, LIMITS)
def test_whoevers_turn_it_is_speaks_the_shortest_of_theirs(
    tickets: list[Ticket], turns: dict[str, int], limits: Limits
) -> None:
    chosen = next_round(tickets, turns, limits)
    owner = tickets[chosen[0]].owner
    own = [tickets[at].size for at in chosen if tickets[at].owner == owner]
    left = [
        ticket.size
        for at, ticket in enumerate(tickets)
        if ticket.owner == owner and at not in chosen
    ]
    assert not left or max(own) <= min(left)


def test_one_line_of_somebody_else_does_not_wait_for_a_thousand() -> None:
    many = [Ticket("many", order, 10) for order in range(1000)]
    one = Ticket("one", 5000, 30)
    limits = Limits(most=8, budget=1000)
    first = next_round([*many, one], {}, limits)
    assert len(first) == 8
    left = [ticket for at, ticket in enumerate([*many, one]) if at not in first]
    second = next_round(left, {"many": 0}, limits)
    assert one in [left[at] for at in second]
    assert len(second) == 8, "the room that is left goes to the others"


def test_nothing_waits() -> None:
    assert next_round([], {}, Limits(1, 1)) == []


def test_a_line_that_is_too_large_for_any_batch_is_spoken_alone() -> None:
    tickets = [Ticket("a", 0, 500), Ticket("a", 1, 500)]
    assert next_round(tickets, {}, Limits(8, 100)) == [0]
