"""What is derived from a dataset: sorts, splits, shapes, statistics, and rows as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import (
    Array2D,
    Array3D,
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDataset,
    Sequence,
    Value,
)

from modrack import UserError
from modrack.data.facts import Data, derive
from modrack.data.rows import chunks

CLASS = ClassLabel(names=["a", "b"])


def table(features: dict[str, Any], rows: int = 40, **columns: Any) -> Dataset:
    made = {"label": [row % 2 for row in range(rows)]} | columns
    return Dataset.from_dict({name: made[name] for name in features}, features=Features(features))


def pixels(*shape: int, rows: int = 40) -> list[Any]:
    return list(np.random.default_rng(0).integers(0, 256, (rows, *shape), np.uint8))


@pytest.mark.parametrize(
    ("feature", "values", "gives", "shape"),
    [
        (Array2D((4, 6), "uint8"), pixels(4, 6), "image", (1, 4, 6)),
        (Array3D((3, 4, 6), "uint8"), pixels(3, 4, 6), "image", (3, 4, 6)),
        (Array3D((5, 6, 3), "uint8"), pixels(5, 6, 3), "image", (3, 5, 6)),
        (Value("string"), ["text"] * 40, "text", None),
        (Sequence(Value("float32"), length=5), [[1.0, 2, 3, 4, 5]] * 40, "tabular", (5,)),
    ],
)
def test_input_sorts(feature: Any, values: Any, gives: str, shape: Any) -> None:
    data, splits = derive(table({"x": feature, "label": CLASS}, x=values), name="t")
    assert (data.gives, data.input, data.shape) == (gives, "x", shape)
    assert (data.target, data.label, data.classes) == ("class", "label", ["a", "b"])
    assert data.sizes == {"train": 29, "validation": 3, "test": 8}
    rows = next(chunks(splits["train"], 7))
    assert len(rows) == 7
    assert len(rows["x"]) == 7
    if shape:
        assert rows["x"].shape == (7, *shape)


def test_rows_are_the_rows_whatever_the_split_looks_like() -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 4, 6), np.uint8)
    whole = table({"x": Array2D((4, 6), "uint8"), "label": CLASS}, rows=50, x=list(images))
    order = np.random.default_rng(2).permutation(50)
    from datasets import concatenate_datasets

    pieces = concatenate_datasets([whole.select(range(20)), whole.select(range(20, 50))])
    for split, expected in (
        (whole, images),
        (whole.select(order), images[order]),
        (pieces, images),
        (pieces.select(order), images[order]),
    ):
        got = np.concatenate([rows["x"] for rows in chunks(split, 16)])
        assert got.dtype == np.uint8
        assert np.array_equal(got[:, 0], expected)


def test_whole_splits_are_read_without_a_copy() -> None:
    whole = table({"x": Array2D((4, 6), "uint8"), "label": CLASS}, x=pixels(4, 6))
    assert not next(chunks(whole, 100))["x"].flags.owndata


def test_targets() -> None:
    text = {"x": Value("string")}
    several = derive(table(text | {"y": Sequence(CLASS)}, x=["t"] * 40, y=[[0, 1]] * 40), name="t")[0]
    assert (several.target, several.classes) == ("classes", ["a", "b"])
    tokens = derive(table(text | {"y": Sequence(CLASS)}, x=["t"] * 40, y=[[0]] * 40), name="t", target="tokens")[0]
    assert tokens.target == "tokens"
    number = derive(table(text | {"y": Value("float32")}, x=["t"] * 40, y=[0.5] * 40), name="t")[0]
    assert (number.target, number.classes) == ("number", None)
    nothing = derive(table(text, x=["t"] * 40), name="t")[0]
    assert (nothing.target, nothing.label) == ("none", None)


def test_texts_in_words() -> None:
    """A list of strings is a text; beside it a list of classes is one a word; a plain text goes before it."""
    words = {"words": Sequence(Value("string")), "y": Sequence(CLASS)}
    data, splits = derive(table(words, words=[["a", "b c"]] * 40, y=[[0, 1]] * 40), name="t")
    assert (data.gives, data.input, data.target, data.label) == ("text", "words", "tokens", "y")
    assert data.shape is None
    assert next(iter(data.texts())) == "a b c"
    assert next(chunks(splits["train"], 2))["words"] == [["a", "b c"]] * 2
    both = {"keywords": Sequence(Value("string")), "x": Value("string"), "y": Sequence(CLASS)}
    data, _ = derive(table(both, keywords=[["k"]] * 40, x=["t"] * 40, y=[[0]] * 40), name="t")
    assert (data.input, data.target) == ("x", "classes")


def test_statistics_are_those_of_the_training_pixels() -> None:
    data, splits = derive(table({"x": Array3D((3, 4, 6), "uint8"), "label": CLASS}, x=pixels(3, 4, 6)), name="t")
    train = next(chunks(splits["train"], 100))["x"] / 255
    assert data.mean == pytest.approx(train.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(train.std((0, 2, 3)).tolist())


def test_cuts_are_seeded_and_recorded() -> None:
    made = table({"x": Value("string"), "label": CLASS}, x=[f"row {row}" for row in range(40)])
    one, splits = derive(made, name="t", split_seed=1)
    again = derive(made, name="t", split_seed=1)[1]
    other = derive(made, name="t", split_seed=2)[1]
    assert splits["test"]["x"][:] == again["test"]["x"][:] != other["test"]["x"][:]
    assert one.cuts == {"test": "8 of 40 rows of train, seed 1", "validation": "3 of 32 rows of train, seed 1"}
    every = [text for rows in splits.values() for text in rows["x"]]
    assert sorted(every) == sorted(made["x"])


def test_validation_gets_the_share_that_is_asked_for() -> None:
    made = table({"x": Value("string"), "label": CLASS}, x=[f"row {row}" for row in range(40)])
    usual, _ = derive(made, name="t")
    small, splits = derive(made, name="t", validation_share=0.05)
    # Test stays what it is, so that runs can be compared.
    assert usual.cuts["test"] == small.cuts["test"]
    assert small.cuts["validation"] == "2 of 32 rows of train, seed 0"
    assert small.sizes == {"train": 30, "validation": 2, "test": 8}
    assert len(splits["validation"]) == 2
    with pytest.raises(UserError, match="its split 'train' has no rows"):
        derive(made, name="t", validation_share=0.999)


def test_given_splits_are_kept_and_limited() -> None:
    rows = table({"x": Value("string"), "label": CLASS}, x=["t"] * 40)
    data, splits = derive(DatasetDict(train=rows, validation=rows, test=rows), name="t", limit=5)
    assert data.cuts == {}
    assert {name: len(split) for name, split in splits.items()} == {"train": 5, "validation": 5, "test": 5}


def test_facts_survive_json() -> None:
    data = derive(table({"x": Array2D((4, 6), "uint8"), "label": CLASS}, x=pixels(4, 6)), name="t")[0]
    back = Data.from_dict(json.loads(json.dumps(data.to_dict())))
    assert back.to_dict() == data.to_dict()
    assert back.features == data.features


def test_a_stream_has_no_sizes() -> None:
    def rows() -> Any:
        for row in range(5000):
            yield {"x": f"row {row}", "label": row % 2}

    stream = IterableDataset.from_generator(rows, features=Features({"x": Value("string"), "label": CLASS}))
    data, splits = derive(stream, name="t", limit=10)
    assert data.sizes == {"train": None, "validation": None, "test": None}
    assert next(chunks(splits["test"], 3))["x"] == ["row 0", "row 1", "row 2"]


def test_images_in_files_are_decoded_and_a_broken_one_is_named(tmp_path: Path) -> None:
    from PIL import Image as Picture

    paths = []
    for row in range(4):
        path = tmp_path / f"{row}.png"
        Picture.fromarray(np.full((5, 4), row * 10, np.uint8)).save(path)
        paths.append(str(path))
    made = table({"x": Image(), "label": CLASS}, rows=4, x=paths)
    assert next(chunks(made, 10))["x"][:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    Path(paths[2]).write_bytes(b"no image")
    with pytest.raises(UserError, match=r"2\.png: the image cannot be read"):
        _ = next(chunks(made, 10))["x"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"train": [1, 2]}, "returned dict"),
        (None, "returned NoneType"),
        (DatasetDict(), "has no split 'train'; it has: none"),
        (DatasetDict(test=table({"label": CLASS})), "it has: test"),
        (table({"label": CLASS}), r"no column holds image or text(.|\n)*label"),
        (
            table({"x": Value("string"), "label": ClassLabel(names=["a"])}, x=["t"] * 40, label=[0] * 40),
            "one class only",
        ),
        (table({"x": Value("string"), "label": CLASS}, rows=2, x=["t"] * 2), "2 rows are too few"),
        (
            DatasetDict(
                train=table({"x": Value("string"), "label": CLASS}, x=["t"] * 40),
                test=table({"x": Value("string"), "label": CLASS}, rows=0, x=[]),
            ),
            "'test' has no rows",
        ),
    ],
)
def test_what_a_dataset_should_not_be(made: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        derive(made, name="mine")


def test_an_undeclared_target_is_missed() -> None:
    with pytest.raises(UserError, match="no column holds a target"):
        derive(table({"x": Value("string")}, x=["t"] * 40), name="mine", target="class")
