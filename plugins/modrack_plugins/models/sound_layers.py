"""The networks for sounds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from modrack_plugins.models.mel import LogMel


def _mask(hidden: Tensor, frames: Tensor) -> Tensor:
    """Which frames of (n, channels, bands, frames) are of the sound, bool (n, 1, 1, frames)."""
    real = torch.arange(hidden.shape[-1], device=hidden.device) < frames.to(hidden.device)[:, None]
    return real[:, None, None, :]


class SoundClassifier(nn.Module):
    """(n, samples) and lengths to logits (n, outputs)."""

    def __init__(self, rate: int, mels: int, width: int, depth: int, dropout: float, outputs: int) -> None:
        super().__init__()
        self.features = LogMel(rate, mels)
        blocks, channels, bands = [], 1, mels
        for level in range(depth):
            out = width * 2**level
            blocks.append(nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)))
            channels, bands = out, -(-bands // 2)
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * channels * bands, outputs))

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        loud, frames = self.features(samples, lengths)
        hidden = loud[:, None]
        for block in self.blocks:
            # What lies beyond a sound's end must not reach into it, however far its batch is padded.
            hidden = block(hidden).relu() * _mask(hidden, frames)
            hidden = nn.functional.max_pool2d(hidden, 2, ceil_mode=True)
            frames = (frames + 1) // 2
        mask = _mask(hidden, frames)
        mean = (hidden * mask).sum(3) / frames.to(hidden.device)[:, None, None]
        # After a ReLU nothing is below the 0 of the padding.
        most = (hidden * mask).amax(3)
        return self.head(torch.cat([mean, most], 1).flatten(1))  # type: ignore[no-any-return]


class FramesByGru(nn.Module):
    """(n, samples) and lengths to logits (n, frames, outputs) and how many frames of each row are real, on the host."""

    def __init__(
        self, rate: int, mels: int, channels: int, width: int, layers: int, dropout: float, outputs: int
    ) -> None:
        super().__init__()
        self.features = LogMel(rate, mels)
        # Both halve the bands; the first halves the frames too, to fifty a second.
        self.first = nn.Conv2d(1, channels, (5, 7), stride=(2, 2), padding=(2, 3), bias=False)
        self.second = nn.Conv2d(channels, channels, (5, 7), stride=(2, 1), padding=(2, 3), bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)])
        bands = ((mels + 1) // 2 + 1) // 2
        self.gru = nn.GRU(channels * bands, width, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, outputs))

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        loud, frames = self.features(samples, lengths)
        hidden = loud[:, None]
        for convolve, norm, halves in zip((self.first, self.second), self.norms, (True, False), strict=True):
            hidden = norm(convolve(hidden)).relu()
            frames = (frames + 1) // 2 if halves else frames
            hidden = hidden * _mask(hidden, frames)
        packed = nn.utils.rnn.pack_padded_sequence(
            hidden.permute(0, 3, 1, 2).flatten(2), frames.cpu(), batch_first=True, enforce_sorted=False
        )
        states: Any = self.gru(packed)[0]
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=hidden.shape[3])
        return self.head(states), frames
