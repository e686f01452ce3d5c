"""Batched S3Gen against upstream's own, line by line, given the same noise."""

from __future__ import annotations

from typing import Any

import pytest

_WHY = "the real engine's packages are not in this environment"
torch = pytest.importorskip("torch", reason=_WHY)
pytest.importorskip("transformers", reason=_WHY)

from chatterbox_service.engines.chatterbox.flow_batch import Spoken  # noqa: E402  # after the skip
from chatterbox_service.engines.chatterbox.references import Timbre  # noqa: E402  # as above
from chatterbox_service.engines.chatterbox.s3gen_batch import SeededNoise, sounds  # noqa: E402  # as above
from tests.chatterbox_service.engines_chatterbox import random_models, upstream  # noqa: E402  # as above

pytestmark = pytest.mark.timeout(900)

_ROOMY = 1 << 34
_LINES = ((7, 20, 0), (24, 12, 1), (12, 30, 0), (1, 9, 0))
"""Speech tokens, the reference's tokens, and frames that it has beyond two a token."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model() -> Any:
    return random_models.s3gen()


@pytest.fixture(scope="module")
def lines() -> list[Spoken]:
    torch.manual_seed(3)
    return [
        Spoken(
            torch.randint(0, 6561, (tokens,)),
            Timbre(
                torch.randint(0, 6561, (reference,)),
                torch.randn(2 * reference + odd, 80),
                torch.randn(192),
            ),
        )
        for tokens, reference, odd in _LINES
    ]


def _upstreams(model: Any, line: Spoken, seed: int, steps: int) -> Any:
    given = {
        "prompt_token": line.timbre.tokens[None],
        "prompt_token_len": torch.tensor([len(line.timbre.tokens)]),
        "prompt_feat": line.timbre.frames[None],
        "prompt_feat_len": None,
        "embedding": line.timbre.embedding[None],
    }
    with upstream.noise(model, seed):
        wave, _ = model.inference(speech_tokens=line.tokens, ref_dict=given, n_cfm_timesteps=steps)
    return wave[0]


def _made(model: Any, lines: list[Spoken], steps: int = 10, budget: int = _ROOMY) -> dict[int, Any]:
    noise = SeededNoise(model, lines, range(len(lines)))
    return dict(sounds(model, lines, noise, steps=steps, budget=budget))


def test_each_line_sounds_as_upstream_has_it_alone(
    model: Any, lines: list[Spoken], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one batch, whatever their lengths."""
    monkeypatch.setattr("chatterbox_service.engines.chatterbox.plan._PADDING", 100.0)
    ours = _made(model, lines)
    for at, line in enumerate(lines):
        theirs = _upstreams(model, line, at, 10)
        assert ours[at].shape == theirs.shape
        assert float(theirs.std()) > 1e-2
        assert float((ours[at] - theirs).abs().max()) < 1e-4


def test_groups_do_not_change_the_sound(model: Any, lines: list[Spoken]) -> None:
    alone = _made(model, lines, budget=1)
    grouped = _made(model, lines)
    assert alone.keys() == grouped.keys()
    for at, wave in alone.items():
        assert float((wave - grouped[at]).abs().max()) < 1e-4


def test_turbos_straight_flow(lines: list[Spoken], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatterbox_service.engines.chatterbox.plan._PADDING", 100.0)
    model = random_models.s3gen(meanflow=True)
    ours = _made(model, lines, steps=2)
    for at, line in enumerate(lines):
        assert float((ours[at] - _upstreams(model, line, at, 2)).abs().max()) < 1e-4


def test_nothing_more_is_made_after_a_stop(model: Any, lines: list[Spoken]) -> None:
    noise = SeededNoise(model, lines, range(len(lines)))
    made = sounds(model, lines, noise, steps=1, budget=1, stop=lambda: True)
    assert list(made) == []
