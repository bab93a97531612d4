"""Convolutions and a bidirectional GRU over log-mel features, for speech recognition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(name="conv-gru", takes="audio", gives="frames")
def conv_gru(
    data: Data,
    *,
    mels: Annotated[int, Gt(7), "bands of the features"] = 40,
    channels: Annotated[int, Gt(0), "of the two convolutions"] = 24,
    width: Annotated[int, Gt(0), "units of a direction and layer"] = 128,
    layers: Annotated[int, Gt(0), "recurrent layers"] = 2,
    dropout: Annotated[float, Ge(0), Lt(1), "between layers and before the head"] = 0.2,
) -> nn.Module:
    """Two convolutions and bidirectional GRUs give a character, or none, fifty times a second.

    After Amodei et al., "Deep Speech 2" (arXiv 1512.02595), much smaller.
    """
    from modrack_plugins.models.sound_layers import FramesByGru

    between = dropout if layers > 1 else 0.0
    return FramesByGru(data.sample_rate or 16000, mels, channels, width, layers, between, data.outputs)
