"""The few things that upstream takes from torchaudio, where that is not installed.

There is no build of it for processors alone. The values differ a little from the real ones; with
random weights that does not matter, and the comparisons run both sides over the same numbers.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from typing import Any

import torch


def install() -> None:
    """Only where the real one is missing."""
    if "torchaudio" in sys.modules or importlib.util.find_spec("torchaudio") is not None:
        return
    root, compliance = types.ModuleType("torchaudio"), types.ModuleType("torchaudio.compliance")
    kaldi = types.ModuleType("torchaudio.compliance.kaldi")
    transforms = types.ModuleType("torchaudio.transforms")
    vars(kaldi)["fbank"] = _fbank
    vars(transforms).update(
        Resample=_Resample,
        Spectrogram=_Spectrogram,
        InverseSpectrogram=_InverseSpectrogram,
        TimeStretch=_TimeStretch,
    )
    vars(root).update(compliance=compliance, transforms=transforms)
    vars(compliance)["kaldi"] = kaldi
    for module in (root, compliance, kaldi, transforms):
        # Some packages look whether it is there by its spec.
        module.__spec__ = importlib.util.spec_from_loader(module.__name__, loader=None)
        sys.modules[module.__name__] = module


def _fbank(waveform: Any, num_mel_bins: int = 23, sample_frequency: float = 16_000.0) -> Any:
    import librosa

    window = torch.hann_window(400, device=waveform.device)
    spectrum = torch.stft(waveform, 512, 160, 400, window, center=False, return_complex=True)
    bank = librosa.filters.mel(sr=sample_frequency, n_fft=512, n_mels=num_mel_bins)
    mel = torch.from_numpy(bank).to(waveform) @ spectrum[0].abs().square()
    return mel.clamp(min=1e-10).log().T


class _Resample(torch.nn.Module):  # type: ignore[misc]  # torch is untyped where this is checked
    def __init__(self, orig_freq: int, new_freq: int) -> None:
        super().__init__()
        self._rates = orig_freq, new_freq

    def forward(self, waveform: Any) -> Any:
        import librosa

        old, new = self._rates
        sound = librosa.resample(waveform.cpu().numpy(), orig_sr=old, target_sr=new)
        return torch.from_numpy(sound).to(waveform)


class _Spectrogram(torch.nn.Module):  # type: ignore[misc]  # as above
    def __init__(self, n_fft: int, win_length: int, hop_length: int, **options: Any) -> None:
        super().__init__()
        self._sizes = n_fft, hop_length, win_length
        self.register_buffer("window", options["window_fn"](win_length))

    def forward(self, waveform: Any) -> Any:
        return torch.stft(waveform, *self._sizes, self.window, return_complex=True)


class _InverseSpectrogram(_Spectrogram):
    def forward(self, spectrum: Any) -> Any:
        return torch.istft(spectrum, *self._sizes, self.window)


class _TimeStretch(torch.nn.Module):  # type: ignore[misc]  # as above
    """The watermarker makes one, and never asks it anything."""

    def __init__(self, n_freq: int, hop_length: int) -> None:
        super().__init__()
        self.register_buffer(
            "phase_advance", torch.linspace(0, math.pi * hop_length, n_freq)[:, None]
        )
