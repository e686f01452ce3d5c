"""What we rely on in chatterbox-tts 0.1.7. A test reads the release itself and compares.

Nothing here needs the package: the numbers are its own, hard-coded in its code, and a release in
which one of them differs must not be used before the batched code has been read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

RELEASE = "0.1.7"

SAMPLE_RATE = 24_000
TOKENS_PER_SECOND = 25
SAMPLES_PER_TOKEN = SAMPLE_RATE // TOKENS_PER_SECOND
FRAMES_PER_TOKEN = 2
"""Mel frames that one speech token becomes."""
SPEECH_TOKENS = 6561
"""Tokens from here on are not speech: start, stop, and what the model was never taught to say."""
MOST_TOKENS = 1000
"""Upstream's `max_new_tokens`: 40 s, and it cuts there without a word. We report a fault."""
SILENCE_TOKEN = 4299
"""Turbo ends each line with three of these."""
TURBO_SILENCES = 3

ALIGNED_HEADS = ((12, 15), (13, 11), (9, 2))
"""(layer, head) of the multilingual model whose attention follows the text."""
MULTILINGUAL_TEXT_TOKENS = 2454
"""The size of the text vocabulary by which upstream itself knows the multilingual model."""

LANGUAGES = (
    "ar", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "it", "ja",
    "ko", "ms", "nl", "no", "pl", "pt", "ru", "sv", "sw", "tr", "zh",
)  # fmt: skip


class Edition(StrEnum):
    """Which of the release's models speaks."""

    MULTILINGUAL = "multilingual"
    ENGLISH = "english"
    TURBO = "turbo"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn, besides what a line says itself (`generate`'s defaults)."""

    repetition_penalty: float
    min_p: float
    top_p: float
    top_k: int = 0
    """0: all."""
    penalty_last: bool = False
    """Turbo punishes repetition after the other filters; the others before them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of T3's transformer: what its key-value cache is made of."""

    layers: int
    heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Release:
    """One edition as 0.1.7 has it."""

    module: str
    name: str
    """The class."""
    repository: str
    weights: tuple[str, ...]
    """Files that have to lie in its folder."""
    shape: Shape
    conditioning: int
    """Positions before the text, at most."""
    starts: int
    """Start tokens before the first spoken one: the Llama models are given two."""
    guided: bool
    """Whether it knows cfg_weight and exaggeration."""
    sampling: Sampling
    flow_steps: int
    shortest_reference: float
    """Seconds; below that upstream fails."""
    languages: tuple[str, ...]


_LLAMA = Shape(layers=30, heads=16, head_dim=64)
_GPT2 = Shape(layers=24, heads=16, head_dim=64)

RELEASES: Mapping[Edition, Release] = {
    Edition.MULTILINGUAL: Release(
        module="chatterbox.mtl_tts",
        name="ChatterboxMultilingualTTS",
        repository="ResembleAI/chatterbox",
        weights=(
            "ve.pt",
            "t3_mtl23ls_v2.safetensors",
            "s3gen.pt",
            "grapheme_mtl_merged_expanded_v1.json",
        ),
        shape=_LLAMA,
        # One for the speaker, 32 of the resampler, one for the emotion.
        conditioning=34,
        starts=2,
        guided=True,
        sampling=Sampling(repetition_penalty=2.0, min_p=0.05, top_p=1.0),
        flow_steps=10,
        shortest_reference=0.0,
        languages=LANGUAGES,
    ),
    Edition.ENGLISH: Release(
        module="chatterbox.tts",
        name="ChatterboxTTS",
        repository="ResembleAI/chatterbox",
        weights=("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json"),
        shape=_LLAMA,
        conditioning=34,
        starts=2,
        guided=True,
        sampling=Sampling(repetition_penalty=1.2, min_p=0.05, top_p=1.0),
        flow_steps=10,
        shortest_reference=0.0,
        languages=("en",),
    ),
    Edition.TURBO: Release(
        module="chatterbox.tts_turbo",
        name="ChatterboxTurboTTS",
        repository="ResembleAI/chatterbox-turbo",
        weights=("ve.safetensors", "t3_turbo_v1.safetensors", "s3gen_meanflow.safetensors"),
        shape=_GPT2,
        # One for the speaker, 375 tokens of the reference.
        conditioning=376,
        starts=1,
        guided=False,
        sampling=Sampling(
            repetition_penalty=1.2, min_p=0.0, top_p=0.95, top_k=1000, penalty_last=True
        ),
        flow_steps=2,
        shortest_reference=5.0,
        languages=("en",),
    ),
}
