"""Runs that the verbs are tried with: trained once, in this process; the verbs are real processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import modrack

Say = Callable[..., subprocess.CompletedProcess[str]]
JOBS = {"baker": 10, "clerk": 80, "smith": 40}


def table(path: Path, rows: int, seed: int) -> Path:
    """People whose income is their age twice and what their job gives."""
    draw = random.Random(seed)
    lines = ["age,job,remark,income"]
    for row in range(rows):
        age, job = draw.randint(18, 80), draw.choice(list(JOBS))
        lines.append(f"{age if row % 20 else ''},{job},remark {row},{2 * age + JOBS[job] + draw.gauss(0, 1):.2f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with run 1 (images of digits), 2 (a table to a number) and 3 (texts)."""
    folder = tmp_path_factory.mktemp("used")
    people = table(folder / "people.csv", 300, 1)
    reviews = folder / "reviews.csv"
    words = [("a joy", "good"), ("warm and funny", "good"), ("a bore", "bad"), ("cold and flat", "bad")]
    reviews.write_text("review,mood\n" + "".join(f"{text} {n}!,{mood}\n" for n in range(24) for text, mood in words))
    common: dict[str, Any] = {"home": folder / "runs", "device": "cpu", "threads": 1}
    modrack.train(epochs=3, **common, **{"model.width": 8, "model.hidden": 32})
    modrack.train(
        model="mlp", dataset="files", epochs=8, **common,
        **{"dataset.path": str(people), "dataset.label": "income", "optimizer.lr": 0.01},
    )  # fmt: skip
    small = {"pretrained": False, "layers": 1, "width": 16, "heads": 2, "vocabulary": 100, "max_length": 16}
    modrack.train(
        model="bert", dataset="files", epochs=1, batch_size=16, **common,
        **{"dataset.path": str(reviews)}, **{f"model.{name}": value for name, value in small.items()},
    )  # fmt: skip
    return folder


@pytest.fixture
def say(home: Path, tmp_path: Path) -> Say:
    """Run `python -m modrack VERB …` on that home, in an empty folder."""

    def run(verb: str, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "modrack", verb, "--home", str(home / "runs"), *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, **more,
        )  # fmt: skip

    return run


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Four real digits as image files, larger than the model takes and in colour."""
    from sklearn.datasets import load_digits

    digits, places = load_digits(), []
    for number in range(4):
        grey = Image.fromarray((digits.images[number] * 255 / 16).astype(np.uint8))
        places.append(tmp_path / f"digit-{number}.png")
        grey.resize((40, 40), Image.Resampling.NEAREST).convert("RGB").save(places[-1])
    return places
