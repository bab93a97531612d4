"""Sentence embeddings: the contrast, the pooling, the search, and a model whose body serves others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import modrack
from modrack.runner.stored import load_stored
from modrack_plugins.metrics.retrieval import RetrievalAccuracy
from modrack_plugins.tasks.contrastive import contrast

COLOURS, BEASTS = ["red", "green", "blue", "brown"], ["cat", "dog", "cow", "hen"]


def test_the_contrast_by_hand() -> None:
    made = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 0, 1])
    expected = []
    for row, kin in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1])):
        shares = [math.exp(float(made[row] @ made[other]) / 0.5) for other in range(4) if other != row]
        expected.append(-sum(float(made[row] @ made[each]) / 0.5 - math.log(sum(shares)) for each in kin) / 2)
    assert float(contrast(made, labels, 0.5)) == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert float(contrast(made, torch.arange(4), 0.5)) == 0, "nobody has kin"


def test_retrieval_accuracy_searches_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from modrack_plugins.metrics import retrieval

    monkeypatch.setattr(retrieval, "STRIDE", 7)
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(3, (50,), generator=generator)
    made = torch.randn(50, 8, generator=generator) + 2 * torch.eye(8)[target]
    data: Any = SimpleNamespace(target="class")
    meter = RetrievalAccuracy(data)
    for rows in torch.arange(50).split(9):
        meter.update(made[rows], target[rows])
    right = 0
    for row in range(50):
        angles = torch.cosine_similarity(made[row], made, dim=-1)
        angles[row] = -2
        right += int(target[angles.argmax()] == target[row])
    assert float(meter.compute()) == pytest.approx(right / 50)
    few = RetrievalAccuracy(data, most=10)
    for rows in torch.arange(50).split(9):
        few.update(made[rows], target[rows])
    assert sum(len(each) for each, _ in few.kept) == 10


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = [
        f"the {word} {filler} {number},{name}"
        for name, words in (("colour", COLOURS), ("beast", BEASTS))
        for word in words
        for number in range(12)
        for filler in ("one", "thing")
    ]
    (tmp_path / "all.csv").write_text("\n".join(["text,label", *rows]))
    return tmp_path / "all.csv"


SMALL: dict[str, Any] = {
    "model.layers": 1, "model.width": 16, "model.heads": 2, "model.vocabulary": 200, "model.max_length": 12
}  # fmt: skip


def test_it_learns_what_belongs_together_and_serves_as_a_body(labelled: Path) -> None:
    home = labelled.parent / "home"
    run = modrack.train(
        model="sentence-bert", dataset="files", home=home, epochs=4,
        **{"model.pretrained": False, "dataset.path": str(labelled), "optimizer.lr": 5e-3, **SMALL},
    )  # fmt: skip
    assert run.task == "contrastive"
    assert run.metrics["test.retrieval-accuracy"] > 0.9
    _, _, parts = load_stored(run)
    model, reader = parts.model, parts.processor
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([reader("the cat")["input_ids"]]), attention_mask=None)
        both = reader(["the cat", "the red thing and the brown dog"], padding=True, return_tensors="pt")
        together = model(input_ids=both.input_ids, attention_mask=both.attention_mask)
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)
    tuned = modrack.train(
        model="bert", dataset="files", home=home, steps=1,
        **{"dataset.path": str(labelled), "model.checkpoint": f"run:{run.id}", "optimizer.lr": 1e-30},
    )  # fmt: skip
    body = model.state_dict()
    learned = tuned.load_model().state_dict()
    assert all(torch.equal(value, learned[f"bert.{name}"]) for name, value in body.items())
