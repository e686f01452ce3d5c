"""Upstream's own classes with random weights, small enough for a processor: nothing is downloaded.

Layers and feed-forward are cut; widths that upstream hard-codes (1024, 16 heads) stay.
"""

from __future__ import annotations

import importlib
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tests.chatterbox_service.engines_chatterbox import torchaudio_shim

torchaudio_shim.install()

from chatterbox.models.t3 import T3  # noqa: E402  # the shim has to come first
from chatterbox.models.t3.llama_configs import LLAMA_CONFIGS  # noqa: E402  # as above
from chatterbox.models.t3.modules.t3_config import T3Config  # noqa: E402  # as above

_TINY_LLAMA = "tiny_llama"
_TINY_GPT2 = "tiny_gpt2"


def t3(*, multilingual: bool = True, seed: int = 0, loud: float = 6.0) -> Any:
    """Fourteen layers: the aligned heads are in the tenth, thirteenth and fourteenth.

    `loud` widens the logits, so that what is drawn is not all but uniform.
    """
    torch.manual_seed(seed)
    LLAMA_CONFIGS[_TINY_LLAMA] = {
        **LLAMA_CONFIGS["Llama_520M"],
        "num_hidden_layers": 14,
        "intermediate_size": 128,
    }
    hp = T3Config.multilingual() if multilingual else T3Config.english_only()
    hp.llama_config_name = _TINY_LLAMA
    return _varied(T3(hp), loud)


def turbo(*, seed: int = 0, loud: float = 6.0) -> Any:
    torch.manual_seed(seed)
    LLAMA_CONFIGS[_TINY_GPT2] = {**LLAMA_CONFIGS["GPT2_medium"], "n_layer": 3, "n_inner": 256}
    hp = T3Config(text_tokens_dict_size=300)
    hp.llama_config_name = _TINY_GPT2
    hp.speech_tokens_dict_size = 6563
    hp.input_pos_emb = None
    hp.speech_cond_prompt_len = 375
    hp.use_perceiver_resampler = False
    hp.emotion_adv = False
    model = T3(hp)
    del model.tfmr.wte
    return _varied(model, loud)


def _varied(model: Any, loud: float) -> Any:
    """Fresh weights keep attention flat and logits even; real ones do not."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                weight.mul_(4.0)
            if "emb" in name and weight.ndim == 2:
                weight.mul_(loud if weight.std() < 0.1 else 1.0)
        model.speech_head.weight.mul_(loud)
    return model.eval()


def s3gen(*, meanflow: bool = False, seed: int = 0) -> Any:
    """The real architecture at its real size. Louder than fresh weights, and partly voiced."""
    from chatterbox.models.s3gen import S3Gen

    torch.manual_seed(seed)
    model = S3Gen(meanflow=meanflow).eval()
    with torch.no_grad():
        for name, weight in model.mel2wav.named_parameters():
            # The scale of a weight-normalised layer, in either spelling.
            if name.endswith(("weight_g", "original0")):
                weight.mul_(1.6)
        model.mel2wav.f0_predictor.classifier.weight.mul_(40.0)
        model.mel2wav.f0_predictor.classifier.bias.fill_(20.0)
        model.mel2wav.conv_post.bias[:9].fill_(-3.0)
    return model


@contextmanager
def thin_layers() -> Iterator[None]:
    """Whoever builds the real configuration meanwhile gets the tiny one."""
    t3()
    before = LLAMA_CONFIGS["Llama_520M"]
    LLAMA_CONFIGS["Llama_520M"] = LLAMA_CONFIGS[_TINY_LLAMA]
    try:
        yield
    finally:
        LLAMA_CONFIGS["Llama_520M"] = before


def write_multilingual(folder: Path) -> None:
    """All files that `from_local` reads, with random weights and a tokenizer of letters."""
    from chatterbox.models.voice_encoder import VoiceEncoder

    importlib.import_module("safetensors.torch").save_file(
        t3(loud=3.0).state_dict(), folder / "t3_mtl23ls_v2.safetensors"
    )
    torch.save(s3gen().state_dict(), folder / "s3gen.pt")
    torch.save(VoiceEncoder().state_dict(), folder / "ve.pt")
    _write_tokenizer(folder / "grapheme_mtl_merged_expanded_v1.json")
    (folder / "Cangjie5_TC.json").write_text('["\\u4f60\\tonf", "\\u597d\\tvnd"]')


def _write_tokenizer(path: Path) -> None:
    tokenizers = importlib.import_module("tokenizers")
    letters = string.ascii_lowercase + string.punctuation + string.digits
    vocabulary = {"[STOP]": 0, "[UNK]": 1, "[SPACE]": 2, "[START]": 255, "[en]": 300, "[ru]": 301}
    vocabulary.update({letter: 3 + place for place, letter in enumerate(letters)})
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.add_special_tokens([name for name in vocabulary if len(name) > 1])
    made.save(str(path))
