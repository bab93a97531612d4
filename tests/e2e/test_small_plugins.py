"""How little an author writes: lines of code, without blank ones and the `import modrack` at the top of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import modrack

MODEL = '''
@modrack.model(takes="image", gives="logits")
def tiny(data, *, width: int = 64):
    """One hidden layer."""
    from torch import nn
    pixels, classes = data.shape[1] * data.shape[2], len(data.classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, classes))
'''
DATASET = '''
@modrack.dataset(gives="image", target="class")
def pictures(*, path: str):
    """Images in folders that are called as their classes."""
    from datasets import load_dataset
    return load_dataset("imagefolder", data_dir=path)
'''
OPTIMIZER = '''
@modrack.optimizer
def plain(params, *, lr: float = 0.1):
    """Gradient descent."""
    from torch.optim import SGD
    return SGD(params, lr=lr, momentum=0.9)
'''
METRIC = '''
@modrack.metric(better="higher")
class Share:
    """Share of rows that are right."""
    right = rows = 0
    def update(self, logits, target):
        self.right, self.rows = self.right + (logits.argmax(-1) == target).sum(), self.rows + len(target)
    def compute(self):
        return self.right / self.rows
'''


@pytest.mark.parametrize(("text", "most"), [(MODEL, 8), (DATASET, 6), (OPTIMIZER, 5), (METRIC, 8)])
def test_lines(text: str, most: int) -> None:
    assert len([line for line in text.splitlines() if line.strip()]) <= most


def test_a_model_an_optimizer_and_a_metric_learn_digits(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("import modrack\n" + MODEL + OPTIMIZER + METRIC)
    chosen = {"model": "tiny", "dataset": "digits", "optimizer": "plain", "metric": ["share"]}
    run = modrack.train(plugins=[file], home=tmp_path / "home", epochs=4, **chosen)
    assert run.metrics["test.share"] > 0.85


def test_a_value_that_is_undefined_at_first_is_improved_on(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import modrack\n@modrack.metric(better='higher')\nclass Odd:\n    'Undefined in the first evaluation.'\n"
        "    times = 0\n    def update(self, logits, target): ...\n"
        "    def compute(self):\n        Odd.times += 1\n"
        "        return float('nan') if Odd.times == 1 else 1 / Odd.times\n"
    )
    run = modrack.train(
        plugins=[file], home=tmp_path / "home", metric=["odd"], monitor="odd", epochs=3, limit=64, batch_size=64,
        patience=2, dataset="digits", model="mlp", scheduler="plateau",
    )  # fmt: skip
    assert run.status == "finished"
    best = (run.folder / "checkpoints" / "best").resolve().name
    assert int(best.removeprefix("step-")) == 2


def test_a_dataset_is_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for name, level in (("dark", 30), ("light", 220)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.full((6, 6), level + number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    file = tmp_path / "own.py"
    file.write_text("import modrack\n" + DATASET)
    path = {"dataset.path": str(tmp_path / "images")}
    run = modrack.train(
        plugins=[file], home=tmp_path / "home", model="mlp", dataset="pictures", epochs=2, batch_size=4, **path
    )
    assert run.status == "finished"
    assert run.params["dataset.path"] == path["dataset.path"]


def test_a_packaged_plugin_is_two_files(environment: Any, distribution: Callable[..., Path]) -> None:
    folder = distribution("rack-small", "import modrack\n" + MODEL)
    assert sorted(file.name for file in folder.rglob("*")) == ["pyproject.toml", "rack_small.py"]
    environment.install(folder)
    shown = json.loads(environment.modrack("show", "model", "tiny", "--json").stdout)
    assert (shown["full"], shown["plugin"], shown["version"]) == ("rack-small/tiny", "rack-small", "1.0")
