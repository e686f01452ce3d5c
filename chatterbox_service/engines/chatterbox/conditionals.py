"""A reference, encoded once; and what a line is given of it.

Exaggeration is one number that T3 sees as the last position of its conditioning, and nothing else:
so one encoding serves every exaggeration, exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile
import torch

from chatterbox_service.engines.chatterbox.facts import Release
from chatterbox_service.engines.chatterbox.references import Encoding, Timbre
from chatterbox_service.ports import EngineFault


def encode(model: Any, release: Release, reference: Path) -> Encoding:
    """By upstream's own `prepare_conditionals`; its current voice stays. Raises EngineFault."""
    try:
        seconds = soundfile.info(str(reference)).duration
    except (soundfile.SoundFileError, OSError) as error:
        raise EngineFault("The reference could not be read: give a WAV file.") from error
    if seconds <= release.shortest_reference:
        raise EngineFault(
            f"The reference lasts {seconds:.1f} s, and this model needs more than "
            f"{release.shortest_reference:.0f} s: give a longer one."
        )
    before = model.conds
    try:
        with torch.inference_mode():
            model.prepare_conditionals(str(reference))
            made = model.conds
    except Exception as error:
        raise EngineFault(f"The reference could not be encoded: {error}") from error
    finally:
        model.conds = before
    return encoding(model.t3, made)


def encoding(t3: Any, conditionals: Any) -> Encoding:
    """Of upstream's `Conditionals`, also of the voice that comes with the weights."""
    given, gen = conditionals.t3, conditionals.gen
    device = t3.speech_head.weight.device
    with torch.inference_mode():
        encoder = t3.cond_enc
        kind = encoder.spkr_enc.weight.dtype
        speaker = given.speaker_emb.to(device, kind).view(-1, t3.hp.speaker_embed_size)[:1]
        parts = [encoder.spkr_enc(speaker)]
        if given.cond_prompt_speech_tokens is not None:
            tokens = given.cond_prompt_speech_tokens.to(device)[0]
            heard = t3.speech_emb(tokens).to(kind)
            if not t3.is_gpt:
                heard = heard + t3.speech_pos_emb.emb.weight[: len(tokens)].to(kind)
            if encoder.perceiver is not None:
                heard = encoder.perceiver(heard[None])[0]
            parts.append(heard)
        # No longer than said: upstream's tables are padded.
        length = int(gen["prompt_token_len"].view(-1)[0])
        return Encoding(
            conditioning=torch.cat(parts).clone(),
            timbre=Timbre(
                tokens=gen["prompt_token"].to(device).view(-1)[:length].long().clone(),
                frames=gen["prompt_feat"].to(device).float()[0].clone(),
                embedding=gen["embedding"].to(device).float().view(-1).clone(),
            ),
        )


def conditioning(t3: Any, encoded: Encoding, exaggeration: float) -> torch.Tensor:
    """What comes before the text, (positions, width). Turbo knows no exaggeration."""
    layer = t3.cond_enc.emotion_adv_fc
    if layer is None:
        return encoded.conditioning
    with torch.inference_mode():
        emotion = layer(layer.weight.new_full((1, 1), exaggeration))
        return torch.cat((encoded.conditioning, emotion))
