"""Masked and causal language models: exact steps, steady masks, a perplexity that falls, and what becomes of a run."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict
from torch.nn import functional as F

import modrack
from modrack.data.facts import Data, derive
from modrack.runner.encode import encode_split
from modrack.runner.feeder import Feeder
from modrack.runner.parts import Parts
from modrack.runner.stored import load_stored
from modrack.runner.update import Update
from modrack.seam import Batch, Task
from modrack_plugins.metrics.perplexity import Perplexity
from modrack_plugins.models.gpt import gpt
from modrack_plugins.models.transformers import bert, distilbert, roberta, transformer
from modrack_plugins.tasks.causal_lm import CausalLm
from modrack_plugins.tasks.masked_lm import NOTHING, MaskedLm

CPU = torch.device("cpu")
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs", "run", "by", "an", "old", "red", "house"]
TEXTS = [" ".join(WORDS[place : place + 3 + place % 9]) + f" {place}" for place in range(16)] * 2
SIZE: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "dropout": 0.0}


def data_of(texts: list[str] = TEXTS) -> tuple[Data, dict[str, Any]]:
    rows = Dataset.from_dict({"text": texts})
    return derive(DatasetDict(train=rows, validation=rows, test=rows), name="x", gives="text", target="none")


def masked(**options: Any) -> tuple[Task, Any, Feeder]:
    data, splits = data_of()
    torch.manual_seed(0)
    model = bert(data, pretrained=False, max_length=16, **SIZE)
    task = MaskedLm(data, model.processor, **options)
    return task, model, Feeder(encode_split(splits["train"], task), batch_size=16, device=CPU, resident=False)


def causal(texts: list[str] = TEXTS, **options: Any) -> tuple[Task, Any, Feeder]:
    data, splits = data_of(texts)
    torch.manual_seed(0)
    # LLaMA computes its norms in fp32, whatever its weights are in: too coarse for what is compared here.
    model = gpt(data, architecture="gpt2", context=8, **SIZE)
    task = CausalLm(data, model.processor, **options)
    return task, model, Feeder(encode_split(splits["train"], task), batch_size=16, device=CPU, resident=False)


@pytest.mark.parametrize("make", [masked, causal])
def test_accumulation_equals_the_big_batch(make: Any) -> None:
    """The classical trainers' mean of micro-batch means is off where the numbers of tokens differ."""
    weights = []
    for accumulate in (1, 4):
        task, model, feeder = make()
        parts = Parts({"model": model.double().train()})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
        update = Update(
            parts, task, {"model": optimizer}, {}, device=CPU, autocast=contextlib.nullcontext(), seed=0, clip=1.0
        )
        steps = [batches for epoch in range(4) for batches in feeder.epoch(epoch, accumulate=accumulate)][:6]
        assert len(steps) == 6
        assert len(steps[0]) == accumulate
        for step, batches in enumerate(steps):
            update(step, batches)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert (weights[0] - weights[1]).abs().max() < 1e-12


def prepared(task: Task, feeder: Feeder, epoch: int, accumulate: int = 1) -> dict[int, list[int]]:
    """What each row is to guess, by its number."""
    found: dict[int, list[int]] = {}
    for batches in feeder.epoch(epoch, accumulate=accumulate):
        for batch in batches:
            lengths = batch.lengths["input_ids"].tolist()
            for row, labels, length in zip(
                batch.rows.tolist(), task.prepare(batch)["labels"].tolist(), lengths, strict=True
            ):
                assert all(label == NOTHING for label in labels[length:]), "padding is never guessed"
                found[row] = labels[:length]
    return found


def test_masks_hang_on_the_row_and_the_epoch_alone() -> None:
    task, _, feeder = masked()
    assert prepared(task, feeder, 0) == prepared(task, feeder, 0, accumulate=3)
    assert prepared(task, feeder, 0) != prepared(task, feeder, 1)
    once = [task.prepare(batch)["labels"].tolist() for batch in feeder.once()]
    assert once == [task.prepare(batch)["labels"].tolist() for batch in feeder.once()], "and stay in an evaluation"


def test_how_many_are_hidden_and_how() -> None:
    task, model, _ = masked()
    reader = model.processor
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, len(reader), (500, 200), generator=generator)
    ids[:, 0], ids[:, -1] = reader.cls_token_id, reader.sep_token_id
    batch = Batch({"input_ids": ids}, size=500, lengths={"input_ids": torch.full((500,), 200)}, key=(1,))
    batch = task.prepare(batch)
    labels, shown = batch["labels"], batch["input_ids"]
    chosen = labels != NOTHING
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(shown[~chosen], ids[~chosen])
    assert not chosen[:, [0, -1]].any(), "marks are never hidden"
    assert chosen[:, 1:-1].float().mean().item() == pytest.approx(0.15, abs=0.005)
    assert (shown[chosen] == reader.mask_token_id).float().mean().item() == pytest.approx(0.8, abs=0.02)
    # One of the words drawn at random is the word itself.
    assert (shown[chosen] == ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert not torch.isin(shown[chosen], torch.tensor([reader.cls_token_id, reader.pad_token_id])).any()
    assert int(task.count(batch, "train")) == int(chosen.sum())


def test_every_row_has_something_to_guess() -> None:
    task, _, feeder = masked(hidden=0.001)
    for row in prepared(task, feeder, 0).values():
        assert sum(label != NOTHING for label in row) == 1


@pytest.mark.parametrize("make", [bert, distilbert, roberta, transformer])
def test_each_family_has_a_head_for_masked_tokens(make: Any) -> None:
    data, splits = data_of()
    model = make(data, pretrained=False, max_length=16, **SIZE)
    task = MaskedLm(data, model.processor)
    batch = next(Feeder(encode_split(splits["train"], task), batch_size=8, device=CPU, resident=False).once())
    step = task.evaluate(Parts({"model": model}), task.prepare(batch))
    assert set(step.outputs) == set(task.emits)
    assert all(len(each) == batch.size for each in step.outputs.values())


def test_an_architecture_without_that_head_is_told_of() -> None:
    with pytest.raises(modrack.UserError, match="gpt2: transformers has none of this name that can predict masked"):
        transformer(data_of()[0], pretrained=False, architecture="gpt2", **SIZE)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_causal_model_never_looks_ahead(architecture: str) -> None:
    task, _, feeder = causal()
    model = gpt(task.data, architecture=architecture, context=8, **SIZE)
    batch = next(feeder.once())
    with torch.no_grad():
        before = task.step(Parts({"model": model.eval()}), batch, "train").outputs["nll"]
        ids = batch["input_ids"].long()[:, :-1].clone()
        first = model(input_ids=ids).logits[:, :4]
        ids[:, 4:] = ids[:, 4:].flip(1)
        torch.testing.assert_close(model(input_ids=ids).logits[:, :4], first)
    assert bool((before > 0).all())


def test_perplexity_is_that_of_all_tokens_however_batched() -> None:
    task, model, feeder = causal()
    meter, nll, tokens = Perplexity(task.data), 0.0, 0
    with torch.no_grad():
        for batch in feeder.once():
            outputs = task.step(Parts({"model": model.eval()}), batch, "train").outputs
            meter.update(**outputs)
            ids, real = batch["input_ids"].long(), batch.mask("input_ids")[:, 1:]
            logits = model(input_ids=ids[:, :-1]).logits
            nll += F.cross_entropy(logits[real], ids[:, 1:][real], reduction="sum").item()
            tokens += int(real.sum())
    assert meter.compute() == pytest.approx(math.exp(nll / tokens), rel=1e-5)
    assert tokens == sum(len(each) + 1 for each in model.processor(TEXTS, add_special_tokens=False)["input_ids"])


def test_a_text_goes_on_as_it_was_learned() -> None:
    chant = ["one two three four five six seven eight nine ten"] * 8
    task, model, feeder = causal(chant, length=7)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    parts = Parts({"model": model})
    update = Update(
        parts, task, {"model": optimizer}, {}, device=CPU, autocast=contextlib.nullcontext(), seed=0, clip=1.0
    )
    for step in range(80):
        update(step, next(iter(feeder.epoch(step))))
    losses = [update.take()[0]["loss"]]
    ids = [model.processor(text, add_special_tokens=False)["input_ids"] for text in ("one two three", "eight nine", "")]
    width = max(map(len, ids))
    batch = Batch(
        {"input_ids": torch.tensor([each + [0] * (width - len(each)) for each in ids])},
        size=3,
        lengths={"input_ids": torch.tensor([len(each) for each in ids])},
    )
    with torch.no_grad():
        made = task.predict(Parts({"model": model.eval()}), batch)
    assert losses[0] < 2
    assert made["text"][0] == "one two three four five six seven eight nine ten"[: len(made["text"][0])]
    assert made["continuation"][0].startswith(" four five")
    assert made["text"][1] == "eight nine ten", "and stops where texts ended"
    assert made["text"][2].startswith("one two")


def test_drawing_is_repeatable_and_top_one_is_greedy() -> None:
    def texts(**options: Any) -> list[str]:
        task, model, feeder = causal(length=12, **options)
        batch = next(feeder.once())
        with torch.no_grad():
            return list(task.predict(Parts({"model": model.eval()}), task.prepare(batch))["continuation"])

    assert texts(temperature=1.0) == texts(temperature=1.0)
    assert texts(temperature=1.0) != texts()
    assert texts(temperature=2.0, top_k=1) == texts()


def test_masks_in_a_text_are_filled() -> None:
    task, model, _ = masked(guesses=3)
    texts = Dataset.from_dict({"text": ["the [MASK] sat", "two dogs", "a [MASK] and a [MASK]" + " dog" * 40]})
    from modrack.data.rows import chunks
    from modrack.runner.encode import encode_rows

    feeder = Feeder(encode_rows(next(chunks(texts, 8)), task), batch_size=3, device=CPU, resident=False)
    batch = next(feeder.once())
    with torch.no_grad():
        made = task.predict(Parts({"model": model.eval()}), task.prepare(batch))
    by_row = {row: (made["text"][i], made["guesses"][i]) for i, row in enumerate(batch.rows.tolist())}
    assert [len(by_row[row][1]) for row in range(3)] == [1, 0, 2]
    assert by_row[1][0] == "two dogs"
    assert [len(guesses) for guesses in by_row[2][1]] == [3, 3]
    assert "[MASK]" not in by_row[0][0]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "all.txt").write_text("\n".join(f"{text}, {text} again" for text in TEXTS * 4 + WORDS))
    lines = [f"{text},{'long' if len(text) > 30 else 'short'}" for text in TEXTS]
    (folder / "labelled.csv").write_text("\n".join(["text,label", *lines]))
    return folder


SMALL = {f"model.{name}": value for name, value in {**SIZE, "vocabulary": 150}.items()}


@pytest.fixture(scope="module")
def pretrained(corpus: Path) -> Any:
    return modrack.train(
        model="bert", dataset="text", home=corpus / "home", epochs=8, seed=1,
        **{"model.pretrained": False, "model.max_length": 24, "dataset.path": str(corpus / "all.txt"),
           "dataset.by": "line", "optimizer.lr": 1e-2, **SMALL},
    )  # fmt: skip


def test_perplexity_falls_and_the_task_is_chosen_by_the_data(pretrained: Any) -> None:
    assert pretrained.task == "masked-lm"
    _, values, _ = pretrained.history("validation.perplexity")
    assert values[-1] < values[0] / 2
    assert pretrained.metrics["test.perplexity"] == pytest.approx(math.exp(pretrained.metrics["test.loss"]), rel=1e-4)
    assert pretrained.load_model().cls is not None


def test_fine_tuning_begins_with_the_body_exactly(pretrained: Any, corpus: Path) -> None:
    _, _, learned = load_stored(pretrained)
    told = {"model": "bert", "dataset": "files", "home": corpus / "home", "steps": 1}
    options = {"dataset.path": str(corpus / "labelled.csv"), "optimizer.lr": 1e-30}
    tuned = modrack.train(**told, **{"model.checkpoint": f"run:{pretrained.id}", **options})
    before, after = learned.model.state_dict(), tuned.load_model().state_dict()
    body = [name for name in after if name.startswith("bert.") and "pooler" not in name]
    assert len(body) > 15
    assert all(torch.equal(before[name], after[name]) for name in body)
    assert any(name.startswith("classifier.") for name in after)
    assert tuned.params["model.checkpoint"] == f"run:{pretrained.id}"
    folder = Path(pretrained.folder) / "checkpoints/best"
    same = modrack.train(**told, **{"model.checkpoint": str(folder), **options})
    assert all(torch.equal(value, after[name]) for name, value in same.load_model().state_dict().items())
    read = (tuned.load_model().processor, learned.processor)
    assert read[0].get_vocab() == read[1].get_vocab()


def test_labels_are_passed_over_where_the_task_asks_for_none(corpus: Path) -> None:
    options = {"model.pretrained": False, "model.max_length": 24, "dataset.path": str(corpus / "labelled.csv"), **SMALL}
    run = modrack.train(model="bert", dataset="files", task="masked-lm", home=corpus / "home", steps=2, **options)
    assert set(run.metrics) >= {"test.perplexity"}
    assert run.data["classes"] is None
    assert run.load_model().cls is not None
    with pytest.raises(modrack.UserError, match="needs a model that gives masked-tokens; gpt gives"):
        modrack.train(
            model="gpt", dataset="files", task="masked-lm", home=corpus / "home",
            **{"dataset.path": str(corpus / "labelled.csv")},
        )  # fmt: skip


def test_a_run_that_is_not_there(corpus: Path, pretrained: Any) -> None:
    for said, reason in (
        ("run:99", "no run 99"),
        ("run:x", "names no run"),
        ("run:1/step-7", "no checkpoint 'step-7'"),
    ):
        with pytest.raises(modrack.UserError, match=reason):
            modrack.train(
                model="bert", dataset="files", home=corpus / "home", steps=1,
                **{"dataset.path": str(corpus / "labelled.csv"), "model.checkpoint": said},
            )  # fmt: skip


def test_pretraining_goes_on_with_its_head(pretrained: Any, corpus: Path) -> None:
    more = modrack.train(
        model="bert", dataset="text", home=corpus / "home", steps=1, seed=1,
        **{"model.checkpoint": f"run:{pretrained.id}", "dataset.path": str(corpus / "all.txt"), "dataset.by": "line",
           "optimizer.lr": 1e-30},
    )  # fmt: skip
    assert more.metrics["test.perplexity"] == pytest.approx(pretrained.metrics["test.perplexity"], rel=1e-3)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_small_gpt_learns_and_is_kept(corpus: Path, architecture: str) -> None:
    run = modrack.train(
        model="gpt", dataset="text", home=corpus / "home", epochs=3,
        **{"model.architecture": architecture, "model.context": 16, "model.tokenizer": "characters",
           "dataset.path": str(corpus / "all.txt"), "dataset.by": "line", "optimizer.lr": 1e-2, **SMALL},
    )  # fmt: skip
    assert run.task == "causal-lm"
    _, values, _ = run.history("validation.perplexity")
    assert values[-1] < values[0] / 1.2
    experiment, data, parts = load_stored(run)
    assert parts.processor.decode(parts.processor("saw two")["input_ids"], skip_special_tokens=True) == "saw two"
    assert data.target == "none"
    assert experiment.one("task") is not None
    model: Any = parts.model
    assert model.config.model_type == architecture
    assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight)


def test_what_makes_a_gpt_faster_changes_nothing() -> None:
    """One kernel for GPT-2's activation, and a gate that has as many weights as none."""
    data, _ = data_of()
    model = gpt(data, architecture="gpt2", context=8, **SIZE)
    values = torch.linspace(-6, 6, 101)
    ours = model.transformer.h[0].mlp.act(values)
    assert torch.allclose(ours, 0.5 * values * (1 + torch.tanh((2 / math.pi) ** 0.5 * (values + 0.044715 * values**3))))
    gated = gpt(data, context=8, **SIZE | {"width": 48}).model.layers[0].mlp
    assert sum(weight.numel() for weight in gated.parameters()) == 8 * 48 * 48
