"""Pretrained models of speech, from a folder or the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(name="wav2vec2", takes="audio", gives="frames")
def wav2vec2(
    data: Data,
    *,
    checkpoint: Annotated[str, "a folder, a name on the Hub, or a past run (run:7)"],
    revision: Annotated[str | None, "a branch, tag or commit on the Hub"] = None,
    freeze_features: Annotated[bool, "leave the convolutions that read samples as they are"] = True,
) -> nn.Module:
    """wav2vec 2.0 (Baevski et al., 2020), HuBERT, WavLM and their kin with a head for CTC.

    With the checkpoint's own characters; where it has none, with those of train's transcripts and a new head.
    """
    from modrack_plugins.models.speech import load_speech

    return load_speech(data, checkpoint, revision, freeze_features)
