"""Bounds, sizes and who goes together: pure numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatterbox_service.engines.chatterbox import limits, plan
from chatterbox_service.engines.chatterbox.facts import MOST_TOKENS, RELEASES, Edition
from chatterbox_service.engines.chatterbox.options import Options, Precision

_SHAPE = RELEASES[Edition.MULTILINGUAL].shape
_LENGTHS = st.lists(st.integers(1, 3000), max_size=40)
_LINES = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 1000)), max_size=40)


def _square(length: int) -> int:
    return length * length


def _columns(text: int, most: int) -> int:
    return text + most


@given(_LENGTHS, st.integers(1, 10**8))
def test_groups_hold_each_line_once_and_fit_unless_alone(lengths: list[int], budget: int) -> None:
    groups = plan.groups(lengths, _square, budget)
    assert sorted(at for group in groups for at in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[at] for at in group)
        assert len(group) == 1 or len(group) * _square(longest) <= budget
        assert longest <= 1.5 * min(lengths[at] for at in group)


@given(_LINES, st.integers(1, 10**5))
def test_batches_hold_each_line_once_and_fit_unless_alone(
    lines: list[tuple[int, int]], budget: int
) -> None:
    batches = plan.fitting(lines, _columns, budget)
    assert sorted(at for batch in batches for at in batch) == list(range(len(lines)))
    for batch in batches:
        text, most = (max(lines[at][part] for at in batch) for part in (0, 1))
        assert len(batch) == 1 or len(batch) * _columns(text, most) <= budget


@given(_LINES.filter(bool))
def test_what_fits_altogether_is_one_batch(lines: list[tuple[int, int]]) -> None:
    text, most = (max(line[part] for line in lines) for part in (0, 1))
    assert len(plan.fitting(lines, _columns, len(lines) * _columns(text, most))) == 1


def test_the_cache_of_the_real_model() -> None:
    """120 KiB a position and row in 16 bits: 30 layers, keys and values, 1,024 numbers each."""
    assert plan.cache_bytes(_SHAPE, 1, 1, 2) == 120 * 1024


def test_64_lines_of_six_seconds_fit_the_default_budget() -> None:
    """The benchmark's batch: 80 text tokens, 150 of speech, guidance, 16 bits."""
    one = plan.line_bytes(_SHAPE, 2, prompt=34 + 80 + 2 + 2, most_tokens=150, guided=True)
    assert 64 * one <= 4 << 30


@given(st.integers(1, 500), st.integers(1, 1000), st.sampled_from([2, 4]))
def test_guidance_doubles_a_line_and_more_is_never_smaller(
    prompt: int, most: int, element: int
) -> None:
    def size(prompt: int, most: int, *, guided: bool) -> int:
        return plan.line_bytes(_SHAPE, element, prompt=prompt, most_tokens=most, guided=guided)

    assert size(prompt, most, guided=True) == 2 * size(prompt, most, guided=False)
    assert size(prompt + 1, most, guided=True) >= size(prompt, most, guided=True)
    assert size(prompt, most + 1, guided=True) >= size(prompt, most, guided=True)


@given(st.text(max_size=300), st.text(max_size=50), st.sampled_from(["en", "ru", "zh", "ja"]))
def test_more_text_never_has_a_lower_bound(text: str, more: str, language: str) -> None:
    bound = limits.most_tokens(text, language)
    assert 50 <= bound <= MOST_TOKENS
    assert limits.most_tokens(text + more, language) >= bound


def test_bounds_leave_room_for_slow_speech_and_not_for_much_more() -> None:
    sentence = "This is a sentence that a teacher says slowly, and it has about ninety characters."
    usual = len(sentence) / 15 * 25
    assert 1.5 * usual < limits.most_tokens(sentence, "en") < 3 * usual


def test_digits_are_said_at_length_and_signs_are_whole_syllables() -> None:
    assert limits.most_tokens("1234567890", "en") > 2 * limits.most_tokens("abcdefghij", "en") - 50
    assert limits.most_tokens("你好你好你好", "zh") > limits.most_tokens("privet", "ru")


def test_a_runaway_is_said_to_be_one() -> None:
    assert "40 s, the most there is" in limits.runaway(1000)
    assert "within 8 s, as its text should" in limits.runaway(200)


@given(st.integers(4 << 30, 1 << 37), st.sampled_from(list(Precision)))
def test_a_share_of_the_gpu_is_never_overspent(share: int, precision: Precision) -> None:
    divided = Options(precision=precision).within(share)
    assert divided.most_bytes == share
    both = divided.cache_bytes + divided.working_bytes
    weights = 536e6 * precision.bytes + 264e6 * 4
    assert both + weights <= share
    assert divided.cache_bytes >= divided.working_bytes


def test_eight_gibibytes_are_divided_as_they_are_by_default() -> None:
    divided = Options().within(8 << 30)
    assert abs(divided.cache_bytes - Options().cache_bytes) < 200 << 20
    assert divided.cache_bytes >= 64 * plan.line_bytes(
        _SHAPE, 2, prompt=118, most_tokens=150, guided=True
    )
