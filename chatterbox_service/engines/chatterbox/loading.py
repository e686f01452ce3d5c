"""The release's own classes, made ready for batches: loaded, cast, moved, with what they lack."""

from __future__ import annotations

import importlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatterbox_service.engines.chatterbox import requirements
from chatterbox_service.engines.chatterbox.facts import RELEASES, Edition
from chatterbox_service.engines.chatterbox.options import Device, Options, Precision
from chatterbox_service.ports import EngineFault

_CANGJIE = "Cangjie5_TC.json"


@dataclass(frozen=True, slots=True)
class Loaded:
    """An edition that can speak."""

    model: Any
    """Upstream's object: its T3, S3Gen, tokenizer and encoders are used, its `generate` never."""
    punctuate: Any
    """Its module's own `punc_norm`."""
    chinese_ready: bool


def load(options: Options) -> Loaded:
    """Raises EngineFault."""
    requirements.go_offline()
    torch = requirements.torch_module()
    requirements.installed_release()
    requirements.usable(options.device, torch)
    release = RELEASES[options.edition]
    folder = requirements.weights(release, options.folder)
    if options.device is Device.CUDA:
        capped(torch, options.most_bytes)
    try:
        requirements.watermarker()
        with requirements.segmenter_at_hand():
            module = importlib.import_module(release.module)
            # By the processor: files saved on a GPU would go back to that GPU, and in 32 bits.
            model = getattr(module, release.name).from_local(folder, Device.CPU.value)
    except EngineFault:
        raise
    except Exception as error:
        raise EngineFault(f"The model could not be loaded: {error}") from error
    chinese = options.edition is Edition.MULTILINGUAL and _chinese(model, folder)
    placed(model, options.device, options.precision)
    return Loaded(model, module.punc_norm, chinese)


def placed(model: Any, device: Device, precision: Precision) -> None:
    """Cast T3, and move everything but the watermarker."""
    import torch

    if device is Device.CUDA:
        model.t3.to(getattr(torch, precision.value))
        # References are encoded once: nothing is won by fewer bits.
        model.t3.cond_enc.float()
        # Matrices of 32 bits are multiplied with the tensor cores, as convolutions are anyway.
        torch.set_float32_matmul_precision("high")
    for part in (model.t3, model.s3gen, model.ve):
        part.to(device.value).eval()
    model.device = device.value
    if model.conds is not None:
        model.conds.to(device.value)


def capped(torch: Any, most_bytes: int) -> None:
    """Let this process take no more: what it asks for beyond fails, and others are left alone."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, most_bytes / total), 0)


def _chinese(model: Any, folder: Path) -> bool:
    """Whether Chinese can be spoken; gives the tokenizer the codes that it would have fetched.

    Upstream looks for them in the hub's cache *inside* the folder, where they never are.
    """
    converter = model.tokenizer.cangjie_converter
    table = folder / _CANGJIE
    if not converter.word2cj and table.is_file():
        try:
            entries = json.loads(table.read_text(encoding="utf-8"))
            for entry in entries:
                sign, code = entry.split("\t")[:2]
                converter.word2cj[sign] = code
                converter.cj2word.setdefault(code, []).append(sign)
        except (OSError, ValueError, AttributeError) as error:
            logging.getLogger(__name__).warning("the Chinese codes cannot be read: %s", error)
    return bool(converter.word2cj) and converter.segmenter is not None
