"""Log-mel features: how loud a sound is, by pitch and time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Seconds of a frame and between frames, as in most speech recognition.
WINDOW, HOP = 0.025, 0.010


class LogMel(nn.Module):
    """Samples (n, samples) with their lengths (n,) to (n, mels, frames) and the lengths in frames, on the host.

    Each mel band has mean 0 and variance 1 over the frames of its row, so that loudness and microphone matter less.
    Frames beyond a row's end are 0.
    """

    def __init__(self, rate: int, mels: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        self.hop, self.size = max(1, round(rate * HOP)), max(2, round(rate * WINDOW))
        self.transform = 1 << (self.size - 1).bit_length()
        bank = mel_filter_bank(
            self.transform // 2 + 1, mels, min_frequency=50.0, max_frequency=rate / 2, sampling_rate=rate,
            norm="slaney", mel_scale="htk",
        )  # fmt: skip
        self.register_buffer("bank", torch.from_numpy(bank.T.copy()).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames sounds of `lengths` samples have."""
        return lengths // self.hop + 1

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        # A sum of squares of many samples is beyond what bf16 tells apart.
        with torch.autocast(samples.device.type, enabled=False):
            bank: Any = self.bank
            window: Any = self.window
            # Padded by hand: torch pads by a mirror, which a sound shorter than half a window lacks.
            half = self.transform // 2
            padded = nn.functional.pad(samples.float(), (half, half))
            spectrum = torch.stft(
                padded, self.transform, self.hop, self.size, window=window, center=False, return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            loud = (bank @ power).clamp_(min=1e-8).log()
            frames = self.frames(lengths)
            real = torch.arange(loud.shape[2], device=loud.device) < frames.to(loud.device)[:, None]
            mask = real[:, None, :]
            count = frames.to(loud.device)[:, None, None]
            mean = (loud * mask).sum(2, keepdim=True) / count
            centred = (loud - mean) * mask
            spread = (centred.square().sum(2, keepdim=True) / count).sqrt()
            return centred / (spread + 1e-3), frames
