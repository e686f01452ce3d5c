"""Batched T3 against upstream's own, line by line: the same dice, words and logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

_WHY = "the real engine's packages are not in this environment"
torch = pytest.importorskip("torch", reason=_WHY)
pytest.importorskip("transformers", reason=_WHY)

from chatterbox_service.engines.chatterbox.backbone import Llama  # noqa: E402  # after the skip
from chatterbox_service.engines.chatterbox.conditionals import conditioning  # noqa: E402  # after the skip
from chatterbox_service.engines.chatterbox.facts import RELEASES, Edition  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.prompts import (  # noqa: E402  # as above
    gpt2_prompt,
    llama_prompt,
)
from chatterbox_service.engines.chatterbox.references import Encoding, Timbre  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.t3_batch import Asked, Said, speak  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.t3_model import T3Model  # noqa: E402  # as above
from tests.chatterbox_service.engines_chatterbox import random_models, upstream  # noqa: E402  # as above

pytestmark = pytest.mark.timeout(900)

_MULTILINGUAL = RELEASES[Edition.MULTILINGUAL].sampling
_ENGLISH = RELEASES[Edition.ENGLISH].sampling
_TURBO = RELEASES[Edition.TURBO].sampling
_LENGTHS = (4, 90, 12, 33)
"""Upstream itself fails on texts of less than four tokens."""
_WEIGHTS = (0.5, 0.0, 0.8, 0.3)
_STEPS = 24
_STOP = 6562


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def multilingual() -> Any:
    return random_models.t3()


@pytest.fixture(scope="module")
def english() -> Any:
    return random_models.t3(multilingual=False)


@pytest.fixture(scope="module")
def turbo() -> Any:
    return random_models.turbo()


def _asked(t3: Any, number: int, length: int, weight: float, most: int = _STEPS) -> Asked:
    prompt = llama_prompt(t3, _heard(t3, number), upstream.text(number, length), guided=weight > 0)
    return Asked(prompt, seed=number, most_tokens=most, cfg_weight=weight)


def _heard(t3: Any, number: int, prompt: int = 150) -> Any:
    from chatterbox_service.engines.chatterbox.conditionals import encoding

    gen = {
        "prompt_token": torch.zeros(1, 2),
        "prompt_token_len": torch.tensor([2]),
        "prompt_feat": torch.zeros(1, 4, 80),
        "embedding": torch.zeros(1, 192),
    }
    cond = upstream.voice(number, prompt=prompt)
    made = type("Conditionals", (), {"t3": cond, "gen": gen})()
    return conditioning(t3, encoding(t3, made), 0.5)


def _all(t3: Any, most: int = _STEPS) -> list[Asked]:
    return [
        _asked(t3, number, length, weight, most)
        for number, (length, weight) in enumerate(zip(_LENGTHS, _WEIGHTS, strict=True))
    ]


def _whole(said: Said) -> list[int]:
    """With the stop token, as upstream gives it."""
    return [*said.tokens, _STOP] if said.ended else list(said.tokens)


class _Logits:
    """Of each line, step by step."""

    def __init__(self, lines: int) -> None:
        self.of: list[list[Any]] = [[] for _ in range(lines)]

    def __call__(self, _: int, active: Sequence[int], logits: Any) -> None:
        for at, row in zip(active, logits, strict=True):
            self.of[at].append(row.clone())


def _furthest(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The largest difference over the steps that upstream took; ours may go on to the next look."""
    assert len(ours) >= len(theirs) > 1
    return max(float((mine - their).abs().max()) for mine, their in zip(ours, theirs, strict=False))


def test_multilingual_says_what_upstream_says(multilingual: Any) -> None:
    """Texts of 4 to 90 tokens, with and without guidance, in one batch."""
    logits = _Logits(len(_LENGTHS))
    said = speak(T3Model(multilingual, _MULTILINGUAL), _all(multilingual), listen=logits)
    for number, (length, weight) in enumerate(zip(_LENGTHS, _WEIGHTS, strict=True)):
        heard = upstream.said_by_llama(
            multilingual,
            upstream.voice(number),
            upstream.text(number, length),
            seed=number,
            most=_STEPS,
            cfg_weight=weight,
        )
        assert _whole(said[number]) == heard.tokens
        assert _furthest(logits.of[number], heard.logits) < 1e-3


def test_multilingual_ends_where_upstream_is_made_to_end(multilingual: Any) -> None:
    """Long enough for upstream's rules to force the end of some lines and not of others."""
    numbers, most = (2, 5), 90
    said = speak(
        T3Model(multilingual, _MULTILINGUAL),
        [_asked(multilingual, number, 12, 0.4, most) for number in numbers],
    )
    ends = []
    for number, mine in zip(numbers, said, strict=True):
        heard = upstream.said_by_llama(
            multilingual,
            upstream.voice(number),
            upstream.text(number, 12),
            seed=number,
            most=most,
            cfg_weight=0.4,
        )
        assert _whole(mine) == heard.tokens
        ends.append(mine.ended)
    assert any(ends)


def test_the_logits_are_upstreams_under_forced_words(english: Any) -> None:
    forced = torch.randint(0, 6561, (len(_LENGTHS), _STEPS))
    logits = _Logits(len(_LENGTHS))
    model = T3Model(english, _ENGLISH)
    said = speak(model, _all(english), forced=forced, listen=logits)
    for number, (length, weight) in enumerate(zip(_LENGTHS, _WEIGHTS, strict=True)):
        heard = upstream.said_by_llama(
            english,
            upstream.voice(number),
            upstream.text(number, length),
            seed=number,
            most=_STEPS,
            cfg_weight=weight,
            penalty=1.2,
            forced=forced[number],
        )
        assert list(said[number].tokens) == forced[number].tolist() == heard.tokens
        assert _furthest(logits.of[number], heard.logits) < 1e-3


def test_turbo_says_what_upstream_says(turbo: Any) -> None:
    """Its references, too, are of different lengths."""
    prompts, lengths = (375, 100, 240), (3, 40, 12)
    texts = [upstream.text(number, length) for number, length in enumerate(lengths)]
    asked = [
        Asked(
            gpt2_prompt(turbo, _heard(turbo, number, prompts[number]), text),
            seed=number,
            most_tokens=_STEPS,
        )
        for number, text in enumerate(texts)
    ]
    logits = _Logits(len(asked))
    said = speak(T3Model(turbo, _TURBO), asked, listen=logits)
    for number, text in enumerate(texts):
        heard = upstream.said_by_turbo(
            turbo,
            upstream.voice(number, prompt=prompts[number]),
            text,
            seed=number,
            most=_STEPS,
        )
        assert list(said[number].tokens) == heard.tokens
        # Upstream's are seen after its other filters: what those left.
        for mine, their in zip(logits.of[number], heard.logits, strict=False):
            left = their.isfinite()
            assert float((mine / 0.8 - their)[left].abs().max()) < 1e-3


def test_a_line_does_not_depend_on_its_neighbours(english: Any) -> None:
    model, lines = T3Model(english, _ENGLISH), _all(english)
    together = speak(model, lines)
    assert [speak(model, [line])[0] for line in lines] == together
    assert speak(model, lines[::-1])[::-1] == together


def test_what_is_done_leaves_the_batch(english: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those that stay say the same as alone, though they moved."""
    bounds = (5, 40, 3, 40)
    lines = [
        _asked(english, number, length, weight, most)
        for number, (length, weight, most) in enumerate(
            zip(_LENGTHS, _WEIGHTS, bounds, strict=True)
        )
    ]
    model = T3Model(english, _ENGLISH)
    rows: list[int] = []
    forward = model.backbone.forward

    def counting(x: Any, *rest: Any) -> Any:
        rows.append(len(x))
        return forward(x, *rest)

    monkeypatch.setattr(model.backbone, "forward", counting)
    together = speak(model, lines)
    # Seven rows: four lines, three of them guided. Two lines, one guided, are left.
    assert rows[1] == 7
    assert rows[-1] == 3
    assert [len(said.tokens) for said in together][::2] == [5, 3]
    assert together == [speak(model, [line])[0] for line in lines]


def test_a_line_that_reaches_its_bound_did_not_end(english: Any) -> None:
    forced = torch.arange(100, 109).expand(1, -1)
    said = speak(T3Model(english, _ENGLISH), [_asked(english, 0, 6, 0.5, most=9)], forced=forced)
    assert said == [Said(tuple(range(100, 109)), ended=False)]


def test_the_stop_token_ends_a_line_and_is_not_said(english: Any) -> None:
    forced = torch.tensor([[11, 12, _STOP, 13, 14, 15, 16, 17, 18]])
    said = speak(T3Model(english, _ENGLISH), [_asked(english, 0, 6, 0.5, most=9)], forced=forced)
    assert said == [Said((11, 12), ended=True)]


def test_stop_is_heard_within_a_few_steps(english: Any) -> None:
    steps = 0

    def listening(step: int, _: Sequence[int], __: Any) -> None:
        nonlocal steps
        steps = step

    asked = [_asked(english, 0, 6, 0.5, most=200)]
    said = speak(T3Model(english, _ENGLISH), asked, lambda: steps >= 10, listen=listening)
    assert not said[0].ended
    assert steps < 20


def test_nothing_is_hung_on_the_layers_and_nothing_changed(multilingual: Any) -> None:
    # There is no public way to see either.
    def hung() -> object:
        hooks = [len(vars(module)["_forward_hooks"]) for module in multilingual.modules()]
        return hooks, multilingual.tfmr.config.to_dict()

    before = hung()
    model = T3Model(multilingual, _MULTILINGUAL)
    line = [_asked(multilingual, 0, 4, 0.0, most=2)]
    first = speak(model, line)
    for _ in range(100):
        assert speak(model, line) == first
    assert hung() == before


def test_sixteen_bits_keep_their_place_far_into_a_line(english: Any) -> None:
    """Casting a model casts its rotary frequencies: late positions go astray."""
    cast = random_models.t3(multilingual=False).to(torch.bfloat16)
    place = torch.tensor([[900]])
    exact, _ = english.tfmr.rotary_emb(torch.zeros(1), place)
    naive, _ = cast.tfmr.rotary_emb(torch.zeros(1), place)
    assert float((naive - exact).abs().max()) > 0.2
    ours = Llama(cast.tfmr, 1000).rotation(place)[0]
    assert ours.dtype == torch.bfloat16
    assert float((ours.float() - exact).abs().max()) < 0.01


def test_sixteen_bits_say_something_alike() -> None:
    exact, cast = (random_models.t3(multilingual=False, loud=2.0) for _ in range(2))
    cast.to(torch.bfloat16).cond_enc.float()
    forced = torch.randint(0, 6561, (1, 8))
    found = []
    for t3 in (exact, cast):
        logits = _Logits(1)
        line = [_asked(t3, 1, 200, 0.5, most=8)]
        speak(T3Model(t3, _ENGLISH), line, forced=forced, listen=logits)
        found.append(torch.stack(logits.of[0]))
    alike = torch.nn.functional.cosine_similarity(found[0], found[1], dim=-1)
    assert float(alike.min()) > 0.9


def test_an_encoding_serves_every_exaggeration_exactly(english: Any) -> None:
    """Upstream, asked for another exaggeration, encodes T3's part anew: the same comes out."""
    other = upstream.voice(3)
    other.emotion_adv = 1.4 * torch.ones(1, 1, 1)
    with torch.inference_mode():
        theirs = english.prepare_conditioning(other)[0]
    whole = _heard(english, 3)
    encoded = Encoding(whole[:-1], Timbre(*(torch.zeros(0) for _ in range(3))))
    ours = conditioning(english, encoded, 1.4)
    assert float((ours - theirs).abs().max()) < 1e-5
