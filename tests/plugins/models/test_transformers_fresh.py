"""New text models in every architecture: they learn, and are rebuilt from what was saved."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import modrack
from modrack_plugins.models import transformers as models

TEXTS = ["hello world", "Élodie Dupont", "a b c", "東京 tower", "the quick brown fox"] * 4
SMALL: dict[str, Any] = {
    "pretrained": False, "layers": 2, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 12
}  # fmt: skip
NAMED = [models.bert, models.distilbert, models.roberta]
# One of each way to number padding, to name sizes, and to find the place that is classified.
ARCHITECTURES = ["electra", "mpnet", "deberta-v2", "modernbert", "bart", "t5", "gpt2", "llama", "qwen2", "xlnet"]


def facts(**changes: Any) -> Any:
    usual = {"gives": "text", "target": "class", "classes": ["x", "y", "z"], "restore": None, "processor": None}
    made = SimpleNamespace(**{**usual, "texts": lambda limit=None: iter(TEXTS), "targets": {}, **changes})
    made.outputs = len(made.classes or [0])
    return made


def call(model: Any, texts: list[str]) -> torch.Tensor:
    tokenizer = model.processor
    batch = tokenizer(texts, padding=True, truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt")
    logits: torch.Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return logits


def comes_back(make: Callable[..., Any], folder: Path, **options: Any) -> None:
    model = make(facts(), **options)
    texts = [*TEXTS[:3], "a " * 50]
    call(model.train(), texts).square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    model.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with torch.no_grad():
        before = call(model.eval(), texts)
        assert before.shape == (4, 3)
        again = make(facts(restore=folder, texts=None))
        assert again.config._attn_implementation == model.config._attn_implementation
        again.load_state_dict(model.state_dict())
        assert torch.equal(call(again.eval(), texts), before)


@pytest.mark.parametrize("make", NAMED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe", "characters"])
def test_named_ones(make: Callable[..., Any], tokenizer: str, tmp_path: Path) -> None:
    comes_back(make, tmp_path, **SMALL, tokenizer=tokenizer)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_architecture(architecture: str, tmp_path: Path) -> None:
    comes_back(models.transformer, tmp_path, **SMALL, architecture=architecture)


@pytest.mark.parametrize("make", NAMED, ids=lambda make: make.__name__)
def test_padding_changes_nothing(make: Callable[..., Any]) -> None:
    model = make(facts(), **SMALL).eval()
    ids = model.processor(["a b"], return_tensors="pt").input_ids
    with torch.no_grad():
        alone = model(input_ids=ids, attention_mask=None).logits
        torch.testing.assert_close(call(model, ["a b", "the quick brown fox"])[:1], alone, atol=1e-6, rtol=0)


def test_the_head_follows_the_data() -> None:
    for target, problem in (("class", "single_label"), ("classes", "multi_label")):
        config = models.bert(facts(target=target), **SMALL).config
        assert config.problem_type == f"{problem}_classification"
        assert config.id2label == {0: "x", 1: "y", 2: "z"}
        assert config.label2id == {"x": 0, "y": 1, "z": 2}
    number = models.bert(facts(target="number", classes=None), **SMALL)
    assert number.config.problem_type == "regression"
    assert call(number, ["a"]).shape == (1, 1)


def test_dropout_and_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    without = models.bert(facts(), **SMALL, dropout=0.0)
    assert {m.p for m in without.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
    assert without.config._attn_implementation == "sdpa"
    much = models.bert(facts(), **SMALL, dropout=0.3)
    assert {m.p for m in much.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    assert much.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"width": 15}, r"width=15 is no multiple of model\.heads=2"),
        ({"architecture": "electr"}, r"has none of this name(.|\n)*electra"),
        ({"architecture": "vit"}, "has none of this name that can classify texts"),
        ({"architecture": "funnel"}, r"funnel model of this size cannot be made: .*block_sizes"),
    ],
)
def test_what_cannot_be_made(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(modrack.UserError, match=said):
        models.transformer(facts(), **{**SMALL, **asked})


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "characters"])
def test_tokens_are_framed_and_cut(kind: str) -> None:
    for make, start, end in ((models.bert, "[CLS]", "[SEP]"), (models.roberta, "<s>", "</s>")):
        tokenizer = make(facts(), **SMALL, tokenizer=kind).processor
        ids = tokenizer(["fox", "the quick brown fox " * 9], truncation=True, max_length=12)["input_ids"]
        for row in ids:
            tokens = tokenizer.convert_ids_to_tokens(row)
            assert (tokens[0], tokens[-1]) == (start, end)
        assert len(ids[1]) == tokenizer.model_max_length == 12
        assert tokenizer.decode(ids[0], skip_special_tokens=True) == "fox"


def test_the_same_tokens_in_every_process() -> None:
    """Ties between merges once went by the order of a hash map that is seeded anew in each process."""
    code = (
        "from modrack_plugins.models.tokenizers import train_tokenizer as train\n"
        "texts = ['Über allen Gipfeln ist Ruh', 'in allen Wipfeln spürest du kaum einen Hauch'] * 3\n"
        "for kind in ('wordpiece', 'bpe', 'characters'):\n"
        "    print(sorted(train(texts, kind, 300, 20).get_vocab().items(), key=lambda pair: pair[1]))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert len({run.stdout for run in runs}) == 1
    assert "##" in runs[0].stdout


def test_an_endless_stream_trains_a_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    from modrack_plugins.models import fresh

    monkeypatch.setattr(fresh, "TEXTS", 50)

    def endless(limit: int | None = None) -> Any:
        while True:
            yield "over and over"

    assert len(models.bert(facts(texts=endless), **SMALL).processor) > 5


def test_nothing_global_stays_changed(capfd: pytest.CaptureFixture[str]) -> None:
    from huggingface_hub import utils as hub
    from transformers.utils import logging as chatter

    def state() -> tuple[Any, ...]:
        levels = [logging.getLogger(name).level for name in ("transformers", "huggingface_hub")]
        return (*levels, chatter.is_progress_bar_enabled(), hub.are_progress_bars_disabled(), dict(os.environ))

    before = state()
    models.bert(facts(), **SMALL)
    with pytest.raises(modrack.UserError):
        models.bert(facts(), checkpoint="./nowhere")
    assert state() == before
    assert capfd.readouterr() == ("", "")
