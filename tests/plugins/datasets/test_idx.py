"""MNIST-format files: whole ones are read without a copy, others are told apart with a reason."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modrack import UserError
from modrack.data.facts import derive
from modrack.data.rows import chunks
from modrack_registry.registry import load_registry

FASHION = Path("/usr/share/datasets/fashion-mnist")


def content(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, rows in (("train", 30), ("t10k", 10)):
        images = generator.integers(0, 256, (rows, 5, 7), np.uint8)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(content(images))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(content((np.arange(rows) % 3).astype(np.uint8)))
        )
    return tmp_path


def make(path: Path, **options: Any) -> Any:
    made = load_registry().find("dataset", "idx")
    defaults = {name: option.default for name, option in made.options.items()}
    return made.make({}, defaults | {"path": str(path)} | options)


def test_plain_and_gzipped_files(folder: Path) -> None:
    made = make(folder)
    data, splits = derive(made, name="idx")
    assert (data.shape, data.classes) == ((1, 5, 7), ["0", "1", "2"])
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 27, "validation": 3, "test": 10}
    raw = np.frombuffer((folder / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16).reshape(10, 1, 5, 7)
    assert np.array_equal(next(chunks(splits["test"], 100))["image"], raw)


def test_class_names(folder: Path) -> None:
    assert derive(make(folder, classes=["a", "b", "c"]), name="idx")[0].classes == ["a", "b", "c"]
    with pytest.raises(UserError, match="2 classes are named"):
        make(folder, classes=["a", "b"])


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-3], "promises 1050 bytes"),
        ("train-images-idx3-ubyte", lambda b: b"", "the file is empty"),
        ("train-images-idx3-ubyte", lambda b: b"\x89PNG" + b[4:], "this is no IDX file; it begins with 89 50 4e 47"),
        ("train-labels-idx1-ubyte.gz", lambda b: b[:-9], "cannot be read"),
        (
            "train-labels-idx1-ubyte.gz",
            lambda b: gzip.compress(content(np.zeros(29, np.uint8))),
            "30 images.*29 labels",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            lambda b: gzip.compress(content(np.zeros((30, 2), np.uint8))),
            "have one dimension",
        ),
        ("train-labels-idx1-ubyte.gz", lambda b: gzip.compress(content(np.zeros(30, np.uint8))), "one class only"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, file: str, change: Any, said: str) -> None:
    path = folder / file
    path.write_bytes(change(path.read_bytes()))
    if said == "one class only":
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content(np.zeros(10, np.uint8))))
    with pytest.raises(UserError, match=said):
        derive(make(folder), name="idx")


def test_a_folder_without_such_files_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"no train-images-idx3-ubyte(.|\n)*notes\.txt"):
        make(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        make(tmp_path / "nowhere")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist() -> None:
    data, _ = derive(make(FASHION), name="idx")
    assert data.sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert data.shape == (1, 28, 28)
    # The figures that are usually quoted for it.
    assert data.mean == pytest.approx([0.2860], abs=2e-3)
    assert data.std == pytest.approx([0.3530], abs=2e-3)
