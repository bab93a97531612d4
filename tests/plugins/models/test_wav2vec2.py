"""Checkpoints of the wav2vec 2.0 kind, from a folder: as transformers computes them, trained, stored, asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCTC,
    HubertConfig,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
)

import modrack
from modrack_plugins.models.speech import Framed
from modrack_plugins.models.wav2vec2 import wav2vec2

soundfile = pytest.importorskip("soundfile")
SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24, "conv_dim": [8, 8],
    "conv_kernel": [10, 8], "conv_stride": [5, 4], "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
KINDS = {"wav2vec2": Wav2Vec2Config, "hubert": HubertConfig, "wavlm": WavLMConfig}


def checkpoint(
    folder: Path, kind: str = "wav2vec2", *, tokenizer: bool = True, rate: int = 8000, mask: bool = True
) -> Path:
    torch.manual_seed(0)
    config = KINDS[kind](
        **SMALL, vocab_size=len(LETTERS), pad_token_id=0, feat_extract_norm="layer" if mask else "group"
    )
    AutoModelForCTC.from_config(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=rate, padding_value=0.0, do_normalize=True, return_attention_mask=mask
    ).save_pretrained(folder)
    if tokenizer:
        (folder / "letters.json").write_text(json.dumps({name: number for number, name in enumerate(LETTERS)}))
        Wav2Vec2CTCTokenizer(str(folder / "letters.json")).save_pretrained(folder)
    return folder


class Facts:
    """What the model's factory asks of data."""

    restore, sample_rate, outputs = None, 8000, 6


def made(folder: Path, facts: Any = Facts, **options: Any) -> Any:
    asked = {"revision": None, "freeze_features": True, **options}
    return wav2vec2(facts, checkpoint=str(folder), **asked).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_transformers_does(kind: str, tmp_path: Path) -> None:
    model = made(checkpoint(tmp_path, kind))
    assert isinstance(model, Framed)
    generator = torch.Generator().manual_seed(1)
    sounds = [torch.rand(each, generator=generator) - 0.3 for each in (3000, 2000)]
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path)
    given = extractor([each.numpy() for each in sounds], sampling_rate=8000, padding=True, return_tensors="pt")
    wanted = AutoModelForCTC.from_pretrained(tmp_path).eval()(**given).logits
    samples = torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True)
    logits, frames = model(samples, torch.tensor([3000, 2000]))
    assert frames.tolist() == [148, 98]
    for row, length in enumerate(frames.tolist()):
        torch.testing.assert_close(logits[row, :length], wanted[row, :length], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mask", [True, False])
def test_a_sound_shorter_than_a_frame_is_heard(mask: bool, tmp_path: Path) -> None:
    logits, frames = made(checkpoint(tmp_path, mask=mask))(torch.rand(1, 10), torch.tensor([10]))
    assert frames.tolist() == [1]
    assert torch.isfinite(logits).all()


def test_the_convolutions_rest_unless_asked(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    for freeze in (True, False):
        body = made(tmp_path, freeze_features=freeze).wav2vec2.feature_extractor
        assert all(each.requires_grad is not freeze for each in body.parameters())


def spoken(folder: Path) -> Path:
    """Twelve tones with a name each."""
    lines = ["file_name,transcript"]
    (folder / "train").mkdir(parents=True)
    for row in range(12):
        pitch = 300 + 200 * (row % 2)
        samples = 0.5 * np.sin(2 * np.pi * pitch * np.arange(2400 + 100 * row) / 8000)
        soundfile.write(folder / "train" / f"{row}.wav", samples, 8000)
        lines.append(f"{row}.wav,{'low tone' if row % 2 else 'high'}")
    (folder / "train" / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("tokenizer", [True, False], ids=["own letters", "letters of train"])
def test_it_is_trained_stored_and_asked(tokenizer: bool, tmp_path: Path) -> None:
    folder, data = checkpoint(tmp_path / "c", tokenizer=tokenizer), spoken(tmp_path / "d")
    words: dict[str, Any] = {
        "model": "wav2vec2", "model.checkpoint": str(folder), "dataset": "audiofolder", "dataset.path": str(data),
        "dataset.rate": 8000, "steps": 2, "batch_size": 4, "threads": 1,
    }  # fmt: skip
    run = modrack.train(home=tmp_path / "home", **words)
    assert run.task == "ctc"
    assert {"test.wer", "test.cer", "test.loss"} <= set(run.metrics)
    stored = made(folder).state_dict().keys() if tokenizer else None
    # The run needs the checkpoint no more.
    folder.rename(tmp_path / "away")
    sound = data / "train/0.wav"
    (one,), (other,) = run.predict(str(sound)), run.predict(str(sound))
    assert one == other
    assert 0 <= one["probability"] <= 1
    if stored is not None:
        assert run.load_model().state_dict().keys() == stored


def test_mistakes_say_what_to_do(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "c", rate=16000)
    with pytest.raises(modrack.UserError, match=r"dataset\.rate=16000"):
        made(folder)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert/config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "bert/model.safetensors").write_bytes(b"")
    with pytest.raises(modrack.UserError, match="bert model, which writes no speech down"):
        made(tmp_path / "bert")
    with pytest.raises(modrack.UserError, match="no such folder"):
        made(tmp_path / "nothing")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(modrack.UserError, match="preprocessor_config"):
        made(folder)
    broken = checkpoint(tmp_path / "b")
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:500])
    with pytest.raises(modrack.UserError, match="cut off or damaged"):
        made(broken)
