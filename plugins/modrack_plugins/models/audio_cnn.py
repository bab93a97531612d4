"""A convolutional network over log-mel features, for sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(name="audio-cnn", takes="audio", gives="logits")
def audio_cnn(
    data: Data,
    *,
    mels: Annotated[int, Gt(7), "bands of the features"] = 40,
    width: Annotated[int, Gt(0), "channels of the first convolution; each further one has twice as many"] = 24,
    depth: Annotated[int, Gt(0), "convolutions, each with a pooling that halves bands and frames"] = 3,
    dropout: Annotated[float, Ge(0), Lt(1), "share of pooled features left out in training"] = 0.2,
) -> nn.Module:
    """Log-mel features, convolutions with batch norm and pooling, the mean and the maximum over time, the classes."""
    from modrack_plugins.models.sound_layers import SoundClassifier

    return SoundClassifier(data.sample_rate or 16000, mels, width, depth, dropout, data.outputs)
