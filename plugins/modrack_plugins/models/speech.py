"""What is behind `wav2vec2`: transformers' models for CTC, called as the task `ctc` calls a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

import modrack
from modrack_plugins.models.checkpoints import UNREADABLE, explained, folder_of, load_weights, source_of

ARCHITECTURES = (
    "wav2vec2",
    "wav2vec2-conformer",
    "hubert",
    "wavlm",
    "unispeech",
    "unispeech-sat",
    "data2vec-audio",
    "sew",
)

# The files that say how sounds are read, older and newer.
SETTINGS = ("preprocessor_config.json", "processor_config.json")


class Framed:
    """Mixed into a model of transformers: samples and lengths in; logits by frame, and how many are real, out."""

    config: Any
    processor: Any

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`samples` fp32 (n, t) in [-1, 1]; `lengths` int64 (n,), on the host; so are the frames' numbers."""
        extractor = getattr(self.processor, "feature_extractor", self.processor)
        real = _real(samples, lengths)
        if extractor.do_normalize:
            count = real.sum(1, keepdim=True)
            mean = (samples * real).sum(1, keepdim=True) / count
            spread = ((samples - mean) * real).square().sum(1, keepdim=True) / count
            samples = (samples - mean) * torch.rsqrt(spread + 1e-7) * real
        least = _least(self.config)
        if samples.shape[1] < least:
            samples = nn.functional.pad(samples, (0, least - samples.shape[1]))
        # What is shorter than a frame looks at is one frame, with silence behind it.
        lengths = lengths.clamp(min=least)
        frames = self._get_feat_extract_output_lengths(lengths)  # type: ignore[attr-defined]
        mask = None
        # Models with a group norm learned without a mask: zeros behind a sound are part of it for them.
        if extractor.return_attention_mask:
            mask = _real(samples, lengths).long()
        logits = super().forward(samples, attention_mask=mask).logits  # type: ignore[misc]
        return logits, frames


def _real(samples: Tensor, lengths: Tensor) -> Tensor:
    """Which samples are of the sound: bool (n, t)."""
    place = torch.arange(samples.shape[1], device=samples.device)
    return place < lengths.to(samples.device, non_blocking=True)[:, None]


def load_speech(data: modrack.Data, checkpoint: str, revision: str | None, freeze_features: bool) -> nn.Module:
    """The model with its processor. Raises UserError for what is missing, broken, or of another kind or rate."""
    local = data.restore or folder_of(checkpoint)
    source, where = source_of(checkpoint, local, revision)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **where)
        if config.model_type not in ARCHITECTURES:
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} holds a {config.model_type} model, which writes no speech down.",
                f"It can be: {', '.join(ARCHITECTURES)}.",
            )
        processor = _processor(source, local, where)
        extractor = getattr(processor, "feature_extractor", processor)
        if data.sample_rate != extractor.sampling_rate:
            raise modrack.UserError(
                f"model.checkpoint={checkpoint} knows sounds of {extractor.sampling_rate} samples a second; the data "
                f"have {data.sample_rate}.",
                f"Say dataset.rate={extractor.sampling_rate}.",
            )
        tokenizer = getattr(processor, "tokenizer", None)
        if tokenizer is None:
            config.vocab_size, config.pad_token_id = data.outputs, 0
        elif len(tokenizer) > config.vocab_size:
            raise modrack.UserError(
                f"model.checkpoint={checkpoint}: vocab.json has {len(tokenizer)} characters, the model "
                f"{config.vocab_size}.",
                "The two files are of different models.",
            )
        # They draw from another generator than the run's, fail on short sounds, and leave layers without gradients.
        config.apply_spec_augment, config.layerdrop = False, 0.0
        if data.restore is not None:
            model = AutoModelForCTC.from_config(config)
        else:
            model = load_weights(AutoModelForCTC, source, config, checkpoint, **where)
    except UNREADABLE as error:
        raise explained(error, checkpoint, local is not None) from None
    if freeze_features:
        model.freeze_feature_encoder()
    model.processor = processor
    model.__class__ = type(type(model).__name__, (Framed, type(model)), {})
    made: nn.Module = model
    return made


def _processor(source: str, local: Path | None, where: dict[str, Any]) -> Any:
    """The checkpoint's processor, or only what reads its sounds, where there are no characters with it."""
    if local is not None and not any((local / name).is_file() for name in SETTINGS):
        raise modrack.UserError(
            f"model.checkpoint={local}: there is no {SETTINGS[0]}, which says what sounds the model knows.",
            "Save it there: feature_extractor.save_pretrained(FOLDER).",
        )
    if local is not None and not (local / "vocab.json").is_file():
        return Wav2Vec2FeatureExtractor.from_pretrained(source, **where)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(source, **where)
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor.from_pretrained(source, **where), tokenizer)


def _least(config: Any) -> int:
    """Samples that one frame looks at."""
    least = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        least = (least - 1) * stride + kernel
    return int(least)
