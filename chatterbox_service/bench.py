"""How much faster a batch is than upstream's one call per line.

`python -m chatterbox_service.bench`, where there is a GPU; `--device cpu --tiny` anywhere.

Needs the service's environment with its extra `chatterbox`, and no weights: the architecture is the
release's, its numbers are random, and nobody listens. Random weights never come to an end by
themselves, so neither side may end: both say exactly `--tokens` tokens for each line, and turn
the same tokens into sound. Upstream runs as it comes, in 32 bits, but for the hooks that it leaves
on its layers: those are taken off after each call, or it would slow down from line to line. Ours
runs as the service sets it up, under its cap of GPU memory. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chatterbox_service.engines.chatterbox import loading, requirements
from chatterbox_service.engines.chatterbox.facts import (
    FRAMES_PER_TOKEN,
    RELEASES,
    SAMPLE_RATE,
    SPEECH_TOKENS,
    Edition,
)
from chatterbox_service.engines.chatterbox.options import Device, Options, Precision
from chatterbox_service.ports import EngineFault

if TYPE_CHECKING:
    from chatterbox_service.engines.chatterbox.flow_batch import Spoken

_EDITION = Edition.MULTILINGUAL
_CFG_WEIGHT = 0.5
_TINY_LAYERS = 14
"""The last of the heads that follow the text is in the fourteenth."""
_GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Work:
    """What both sides do."""

    lines: int
    tokens: int
    text_tokens: int
    reference_tokens: int
    device: Device
    precision: Precision
    tiny: bool
    upstream_lines: int
    """Fewer than `lines`: upstream's time is then multiplied up."""


@dataclass(frozen=True)
class Seconds:
    """Of all lines, apart; the end-to-end figure is a run of its own for ours."""

    t3: float
    s3gen: float
    watermark: float
    end_to_end: float


@dataclass(frozen=True)
class Given:
    """One line of it."""

    text: Any
    conditionals: Any
    speech: Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    work = _work(arguments)
    try:
        requirements.go_offline()
        torch = requirements.torch_module()
        requirements.installed_release()
        requirements.usable(work.device, torch)
        requirements.watermarker()
    except EngineFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    model, given = _made(work)
    loading.placed(model, work.device, work.precision)
    if work.device is Device.CUDA:
        loading.capped(torch, Options().most_bytes)
        torch.cuda.reset_peak_memory_stats()
    _ours(model, replace(work, tokens=8), given[:2])
    ours = _ours(model, work, given)
    memory = _memory(torch, work.device)
    # Upstream was never made for fewer bits, nor for a cap.
    model.t3.float()
    if work.device is Device.CUDA:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    _upstreams(model, replace(work, tokens=8), given[:2])
    upstream = _upstreams(model, work, given[: work.upstream_lines])
    report = _report(work, torch, ours, upstream, memory)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


def _work(arguments: Sequence[str] | None) -> Work:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=150, help="speech tokens a line: 25 a second")
    parser.add_argument("--text-tokens", type=int, default=80)
    parser.add_argument("--reference-tokens", type=int, default=250, help="10 s, what S3Gen takes")
    parser.add_argument("--device", type=Device, default=Device.CUDA, choices=list(Device))
    parser.add_argument("--precision", type=Precision, default=Options().precision)
    parser.add_argument("--tiny", action="store_true", help="T3 with 14 thin layers, for a trial")
    parser.add_argument("--upstream-lines", type=int, help="fewer than --lines, for a trial")
    given = parser.parse_args(arguments)
    precision = given.precision if given.device is Device.CUDA else Precision.FLOAT32
    return Work(
        lines=given.lines,
        tokens=given.tokens,
        text_tokens=given.text_tokens,
        reference_tokens=given.reference_tokens,
        device=given.device,
        precision=precision,
        tiny=given.tiny,
        upstream_lines=min(given.lines, given.upstream_lines or given.lines),
    )


def _made(work: Work) -> tuple[Any, list[Given]]:
    """The release's parts with random weights, and lines that each have a voice of their own."""
    import perth
    import torch

    t3, config = _module("models.t3").T3, _module("models.t3.modules.t3_config").T3Config
    hp = config.multilingual()
    if work.tiny:
        configs = _module("models.t3.llama_configs").LLAMA_CONFIGS
        thin = {"num_hidden_layers": _TINY_LAYERS, "intermediate_size": 128}
        configs["tiny"] = {**configs[hp.llama_config_name], **thin}
        hp.llama_config_name = "tiny"
    # No token is this one: nobody ends.
    hp.stop_speech_token = -1
    torch.manual_seed(0)
    model = SimpleNamespace(
        t3=t3(hp),
        s3gen=_module("models.s3gen").S3Gen(),
        ve=_module("models.voice_encoder").VoiceEncoder(),
        conds=None,
        device=work.device.value,
        watermarker=perth.PerthImplicitWatermarker(),
    )
    return model, [_given(work) for _ in range(work.lines)]


def _given(work: Work) -> Given:
    import torch

    device, length = work.device.value, work.reference_tokens
    cond = _module("models.t3.modules.cond_enc").T3Cond(
        speaker_emb=torch.randn(1, 256),
        cond_prompt_speech_tokens=torch.randint(0, SPEECH_TOKENS, (1, 150)),
        emotion_adv=0.5 * torch.ones(1, 1, 1),
    )
    gen = {
        "prompt_token": torch.randint(0, SPEECH_TOKENS, (1, length)),
        "prompt_token_len": torch.tensor([length]),
        "prompt_feat": torch.randn(1, FRAMES_PER_TOKEN * length, 80),
        "prompt_feat_len": None,
        "embedding": torch.randn(1, 192),
    }
    conditionals = _module("mtl_tts").Conditionals(cond, gen).to(device)
    text = torch.randint(1, 255, (work.text_tokens,), device=device)
    speech = torch.randint(0, SPEECH_TOKENS, (work.tokens,), device=device)
    return Given(text, conditionals, speech)


def _ours(model: Any, work: Work, given: Sequence[Given]) -> Seconds:
    """Each stage apart, and then all of it, the watermark beside the rest as in the service."""
    from chatterbox_service.engines.chatterbox.s3gen_batch import SeededNoise, sounds
    from chatterbox_service.engines.chatterbox.watermark import Watermark

    steps, options = RELEASES[_EDITION].flow_steps, Options()
    watermark = Watermark(model.watermarker, options.watermark_threads)

    def sounded() -> list[Any]:
        spoken = _spoken(model, given, work.tokens)
        noise = SeededNoise(model.s3gen, spoken, range(len(spoken)))
        made = sounds(model.s3gen, spoken, noise, steps=steps, budget=options.working_bytes)
        return [wave.float().cpu().numpy() for _, wave in made]

    def marked(waves: Sequence[Any]) -> None:
        for future in [watermark.mark(wave) for wave in waves]:
            future.result()

    try:
        clock = _Clock(work.device)
        _said(model, work, given)
        t3 = clock.lap()
        waves = sounded()
        s3gen = clock.lap()
        marked(waves)
        apart = clock.lap()
        _said(model, work, given)
        marked(sounded())
        return Seconds(t3, s3gen, apart, clock.lap())
    finally:
        watermark.close()


def _said(model: Any, work: Work, given: Sequence[Given]) -> None:
    import torch

    from chatterbox_service.engines.chatterbox import conditionals
    from chatterbox_service.engines.chatterbox.prompts import llama_prompt
    from chatterbox_service.engines.chatterbox.t3_batch import Asked, speak
    from chatterbox_service.engines.chatterbox.t3_model import T3Model

    with torch.inference_mode():
        asked = []
        for seed, line in enumerate(given):
            encoded = conditionals.encoding(model.t3, line.conditionals)
            voice = conditionals.conditioning(model.t3, encoded, 0.5)
            prompt = llama_prompt(model.t3, voice, line.text, guided=True)
            asked.append(Asked(prompt, seed, work.tokens, cfg_weight=_CFG_WEIGHT))
    said = speak(T3Model(model.t3, RELEASES[_EDITION].sampling), asked)
    if {len(line.tokens) for line in said} != {work.tokens}:
        raise EngineFault("The lines are not of equal length: the figures would mean nothing.")
    if work.device is Device.CUDA:
        torch.cuda.empty_cache()


def _spoken(model: Any, given: Sequence[Given], tokens: int) -> list[Spoken]:
    from chatterbox_service.engines.chatterbox import conditionals
    from chatterbox_service.engines.chatterbox.flow_batch import Spoken

    return [
        Spoken(line.speech[:tokens], conditionals.encoding(model.t3, line.conditionals).timbre)
        for line in given
    ]


def _upstreams(model: Any, work: Work, given: Sequence[Given]) -> Seconds:
    """As `generate` does it from the text's tokens on, line by line."""
    import torch

    t3 = s3gen = watermark = 0.0
    begun = _Clock(work.device)
    for line in given:
        clock = _Clock(work.device)
        with torch.inference_mode():
            text = _twice(model.t3.hp, line.text)
            said = model.t3.inference(
                t3_cond=line.conditionals.t3,
                text_tokens=text,
                max_new_tokens=work.tokens,
                temperature=0.8,
                cfg_weight=_CFG_WEIGHT,
                repetition_penalty=2.0,
                min_p=0.05,
                top_p=1.0,
            )
            if said.shape[1] != work.tokens:
                raise EngineFault("Upstream ended early: the figures would mean nothing.")
            t3 += clock.lap()
            wave, _ = model.s3gen.inference(
                speech_tokens=line.speech[: work.tokens], ref_dict=line.conditionals.gen
            )
            samples = wave.squeeze(0).cpu().numpy()
            s3gen += clock.lap()
            model.watermarker.apply_watermark(samples, sample_rate=SAMPLE_RATE)
            watermark += clock.lap()
        for layer in model.t3.tfmr.layers:
            layer.self_attn._forward_hooks.clear()  # upstream leaves them there
    return Seconds(t3, s3gen, watermark, begun.lap())


def _twice(hp: Any, text: Any) -> Any:
    import torch

    ends = text.new_tensor([hp.start_text_token]), text.new_tensor([hp.stop_text_token])
    return torch.cat((ends[0], text, ends[1])).expand(2, -1)


def _report(
    work: Work, torch: Any, ours: Seconds, upstream: Seconds, memory: dict[str, float]
) -> dict[str, Any]:
    scale = work.lines / work.upstream_lines
    whole = Seconds(**{name: scale * value for name, value in asdict(upstream).items()})
    on_gpu = work.device is Device.CUDA
    return {
        "work": asdict(work),
        "device": torch.cuda.get_device_name(0) if on_gpu else "cpu",
        "torch": torch.__version__,
        "seconds_of_sound": work.lines * work.tokens / 25,
        "ours": asdict(ours),
        "upstream": asdict(whole),
        "ratio": {
            name: round(value / max(1e-9, asdict(ours)[name]), 2)
            for name, value in asdict(whole).items()
        },
        "memory_gib": memory,
    }


def _memory(torch: Any, device: Device) -> dict[str, float]:
    """Of ours alone: upstream has not run yet. `process` is the driver's, CUDA's share included."""
    if device is Device.CPU:
        return {}
    from chatterbox_service.engines.chatterbox.memory import GpuMemory

    return {
        "peak_allocated": torch.cuda.max_memory_allocated() / _GIBIBYTE,
        "peak_reserved": torch.cuda.max_memory_reserved() / _GIBIBYTE,
        "process_after": GpuMemory(torch).held() / _GIBIBYTE,
    }


class _Clock:
    """Seconds since the last lap, with all that was asked of the GPU done."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._last = self._now()

    def lap(self) -> float:
        before, self._last = self._last, self._now()
        return self._last - before

    def _now(self) -> float:
        if self._device is Device.CUDA:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


def _module(name: str) -> Any:
    return importlib.import_module(f"chatterbox.{name}")


if __name__ == "__main__":
    sys.exit(main())
