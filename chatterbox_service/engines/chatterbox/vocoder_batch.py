"""Mel frames to sound, for lines of different lengths at once.

Upstream's HiFT takes no mask: its convolutions look both ways, so that whatever follows a padded
line would be heard in its end. A line alone has nought beyond its end before each convolution; so
here everything past a line's own end is blanked before each. Three parts are done anew, because
their edges are not made of noughts: the Fourier transform of the source reflects the sound at its
end, the inverse divides by the windows that overlap there, and the source draws noise.
The weights, and the layers that hold them, are upstream's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  # as everybody calls it


@dataclass(frozen=True, slots=True)
class SourceNoise:
    """What the source of one line draws."""

    phases: torch.Tensor
    """(harmonics,), -π to π; the first is nought."""
    hiss: torch.Tensor
    """(harmonics, samples), normal."""


def source_noise(hift: Any, frames: int, dice: torch.Generator) -> SourceNoise:
    """On the generator's device."""
    source = hift.m_source.l_sin_gen
    harmonics, device = source.harmonic_num + 1, dice.device
    phases = torch.rand(harmonics, generator=dice, device=device) * (2 * np.pi) - np.pi
    phases[0] = 0
    samples = frames * samples_per_frame(hift)
    return SourceNoise(phases, torch.randn(harmonics, samples, generator=dice, device=device))


def samples_per_frame(hift: Any) -> int:
    return int(hift.f0_upsamp.scale_factor)


def sound(
    hift: Any, mels: Sequence[torch.Tensor], noises: Sequence[SourceNoise]
) -> list[torch.Tensor]:
    """Samples of each line. `mels`: (80, frames) each."""
    device = mels[0].device
    frames = torch.tensor([mel.shape[1] for mel in mels], device=device)
    mel = torch.nn.utils.rnn.pad_sequence([m.T for m in mels], batch_first=True).transpose(1, 2)
    source = _source(hift, _pitch(hift.f0_predictor, mel, frames), noises)
    spectrum = _spectrum(hift, source, frames * samples_per_frame(hift))
    magnitude, phase = _decoded(hift, mel, spectrum, frames)
    wave = _inverse(hift, magnitude, phase, frames)
    wave = wave.clamp(-hift.audio_limit, hift.audio_limit)
    ends = (frames * samples_per_frame(hift)).tolist()
    return [row[:end] for row, end in zip(wave, ends, strict=True)]


def _pitch(predictor: Any, mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    x, inside = mel, _inside(frames, mel.shape[-1])
    for layer in predictor.condnet:
        x = layer(x)
        x = x * inside
    return predictor.classifier(x.transpose(1, 2)).squeeze(-1).abs()


def _source(hift: Any, pitch: torch.Tensor, noises: Sequence[SourceNoise]) -> torch.Tensor:
    """(lines, samples): sines of the pitch and its harmonics where voiced, noise elsewhere."""
    made = hift.m_source.l_sin_gen
    pitch = hift.f0_upsamp(pitch[:, None])
    rising = torch.arange(1, made.harmonic_num + 2, device=pitch.device)[:, None]
    turns = torch.cumsum(pitch * rising / made.sampling_rate, dim=-1) % 1
    phases = torch.stack([noise.phases for noise in noises])[:, :, None]
    sines = made.sine_amp * torch.sin(2 * np.pi * turns + phases)
    voiced = (pitch > made.voiced_threshold).to(pitch.dtype)
    loudness = voiced * made.noise_std + (1 - voiced) * made.sine_amp / 3
    hiss = torch.nn.utils.rnn.pad_sequence([noise.hiss.T for noise in noises], batch_first=True)
    waves = sines * voiced + loudness * hiss.transpose(1, 2)
    merged = hift.m_source.l_linear(waves.transpose(1, 2))
    return hift.m_source.l_tanh(merged).squeeze(-1)


def _spectrum(hift: Any, source: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """Real over imaginary parts, (lines, 2 * bins, columns), each line reflected at its own end."""
    size, hop = hift.istft_params["n_fft"], hift.istft_params["hop_len"]
    edge = size // 2
    places = torch.arange(-edge, source.shape[1] + edge, device=source.device)
    last = samples[:, None] - 1
    mirrored = places.abs()[None].expand(len(samples), -1)
    mirrored = torch.where(mirrored > last, 2 * last - mirrored, mirrored)
    window = hift.stft_window.to(source.device)
    spectrum = torch.stft(
        source.gather(1, mirrored.clamp(min=0)),
        size, hop, size, window=window, center=False, return_complex=True,
    )  # fmt: skip
    return torch.cat((spectrum.real, spectrum.imag), dim=1)


def _decoded(
    hift: Any, mel: torch.Tensor, spectrum: torch.Tensor, frames: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Magnitude and phase, (lines, bins, columns)."""
    columns = frames * (samples_per_frame(hift) // hift.istft_params["hop_len"]) + 1
    spectrum = spectrum * _inside(columns, spectrum.shape[-1])
    lengths = frames
    x = hift.conv_pre(mel * _inside(lengths, mel.shape[-1]))
    for stage, up in enumerate(hift.ups):
        x = F.leaky_relu(x, hift.lrelu_slope) * _inside(lengths, x.shape[-1])
        x = up(x)
        lengths = lengths * up.stride[0]
        if stage == hift.num_upsamples - 1:
            x = hift.reflection_pad(x)
            lengths = lengths + 1
        inside = _inside(lengths, x.shape[-1])
        driven = hift.source_downs[stage](spectrum)
        x = (x + _residual(hift.source_resblocks[stage], driven * inside, inside)) * inside
        first = stage * hift.num_kernels
        blocks = hift.resblocks[first : first + hift.num_kernels]
        x = sum(_residual(block, x, inside) for block in blocks) / hift.num_kernels
    x = hift.conv_post(F.leaky_relu(x) * _inside(lengths, x.shape[-1]))
    bins = hift.istft_params["n_fft"] // 2 + 1
    return x[:, :bins].exp(), x[:, bins:].sin()


def _residual(block: Any, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """`ResBlock.forward`; its activation keeps nought at nought, its convolutions do not."""
    for at, first in enumerate(block.convs1):
        inner = first(block.activations1[at](x) * inside)
        inner = block.convs2[at](block.activations2[at](inner) * inside)
        x = (inner + x) * inside
    return x


def _inverse(
    hift: Any, magnitude: torch.Tensor, phase: torch.Tensor, frames: torch.Tensor
) -> torch.Tensor:
    """Windows overlapped and added; what lies past a line's end adds neither sound nor window."""
    size, hop = hift.istft_params["n_fft"], hift.istft_params["hop_len"]
    columns = frames * (samples_per_frame(hift) // hop) + 1
    inside = _inside(columns, magnitude.shape[-1])
    window = hift.stft_window.to(magnitude.device)[:, None]
    magnitude = magnitude.clip(max=1e2)
    waves = torch.fft.irfft(torch.polar(magnitude, phase), n=size, dim=1) * window * inside
    weights = (window.square() * inside).expand_as(waves)
    total = size + hop * (waves.shape[-1] - 1)
    sums = [
        F.fold(part, (1, total), kernel_size=(1, size), stride=(1, hop))[:, 0, 0]
        for part in (waves, weights)
    ]
    edge = size // 2
    wave, weight = (part[:, edge : total - edge] for part in sums)
    return wave / weight.clamp(min=1e-11)


def _inside(lengths: torch.Tensor, most: int) -> torch.Tensor:
    """(lines, 1, most): one up to each line's end, nought beyond."""
    places = torch.arange(most, device=lengths.device)
    return (places < lengths[:, None]).unsqueeze(1).float()
