"""`hub` through the real `load_dataset`, on folders laid out as the Hub's are: it reads both by the same code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Value

import modrack
from modrack.data.facts import derive
from modrack_plugins import hub_access
from modrack_registry.registry import load_registry


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, and the libraries' cache in a folder of the test's own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    hub_access.hub_reachable.cache_clear()
    yield
    hub_access.hub_reachable.cache_clear()


def read(path: Path | str, **options: Any) -> Any:
    component = load_registry().find("dataset", "hub")
    defaults = {name: option.default for name, option in component.options.items()}
    return component.make({}, {**defaults, "path": str(path), **options})


def repository(folder: Path, **splits: dict[str, list[Any]]) -> Path:
    """Splits as parquet, as the Hub converts them; the column `label` says its classes where it holds numbers."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, columns in splits.items():
        rows = Dataset.from_dict(columns)
        if "label" in columns and isinstance(columns["label"][0], int):
            rows = rows.cast(Features({**rows.features, "label": ClassLabel(names=["no", "yes"])}))
        rows.to_parquet(folder / f"data/{split}-00000-of-00001.parquet")
    return folder


def test_columns_and_splits(tmp_path: Path) -> None:
    columns = {"idx": [0, 1, 2], "first": ["a", "b", "c"], "second": ["d", "e", "f"], "label": [0, 1, 1]}
    path = repository(tmp_path / "r", train=columns, test=columns, extra=columns)
    made = read(path, text="second", validation="extra")
    assert {split: rows.column_names for split, rows in made.items()} == {
        split: ["second", "label"] for split in ("train", "validation", "test")
    }
    data, _ = derive(made, name="hub", gives=("text",), target=("class",))
    assert (data.input, data.label, data.classes) == ("second", "label", ["no", "yes"])
    assert read(path)["train"].column_names == ["idx", "first", "second", "label"]


def test_a_stream(tmp_path: Path) -> None:
    columns = {"text": ["a", "b", "c"], "label": [0, 1, 1]}
    made = read(repository(tmp_path / "r", train=columns), streaming=True, text="text")
    assert type(made).__name__ == "IterableDatasetDict"
    assert list(made["train"])[1] == {"text": "b", "label": 1}
    words = repository(tmp_path / "words", train={"text": ["a", "b"], "label": ["x", "y"]})
    with pytest.raises(modrack.UserError, match="does not say which classes there are"):
        read(words, streaming=True)


def test_labels_that_are_words(tmp_path: Path) -> None:
    columns = {"Text": ["a", "b", "c"], "Sentiment": ["y", "x", "y"]}
    made = read(repository(tmp_path / "r", train=columns, test=columns))
    assert made["test"].features["Sentiment"].names == ["x", "y"]
    assert made["test"]["Sentiment"][:] == [1, 0, 1]
    other = {"Text": ["a", "b"], "Sentiment": ["y", "z"]}
    with pytest.raises(modrack.UserError, match=r"test, row 2: the label 'z' does not occur in train"):
        read(repository(tmp_path / "other", train=columns, test=other))


def test_labels_that_are_secret_are_left_out(tmp_path: Path) -> None:
    secret = {"text": ["a", "b"], "label": [-1, -1]}
    some = {"text": ["a", "b", "c"], "label": [0, -1, 1]}
    path = repository(tmp_path / "r", train=some, test=secret)
    made = read(path)
    assert list(made) == ["train"]
    assert made["train"]["text"][:] == ["a", "c"]
    with pytest.raises(modrack.UserError, match="no row of its split for test has a label in 'label'"):
        read(path, test="test")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "txet"}, r"dataset\.text=txet: .* has no such column\.\nIt has: text, label\. Did you mean text\?"),
        ({"label": "nothing"}, r"dataset\.label=nothing: .* has no such column"),
        ({"text": "label", "label": "label"}, "cannot be both"),
        ({"text": "text", "image": "text"}, "one of them is the input"),
        ({"validation": "val"}, r"dataset\.validation=val: .* has no such split\.\nIt has: train\."),
        ({"train": "all"}, r"dataset\.train=all: .* has no such split"),
        ({"name": "other"}, "dataset.path="),
    ],
)
def test_what_is_refused(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = repository(tmp_path / "r", train={"text": ["a", "b"], "label": [0, 1]})
    with pytest.raises(modrack.UserError, match=said):
        read(path, **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_no_network_is_said_at_once_and_nothing_else(
    streaming: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    hub_access.hub_reachable.cache_clear()
    begun = time.perf_counter()
    with pytest.raises(modrack.UserError, match="the Hub cannot be reached") as caught:
        read("nobody/nothing", streaming=streaming)
    assert time.perf_counter() - begun < 10
    assert "--dataset files dataset.path=FOLDER" in (caught.value.hint or "")
    assert capfd.readouterr() == ("", "")


def test_code_that_comes_with_a_dataset_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(modrack.UserError, match=r"dataset\.path="):
        read(folder)
    assert not (tmp_path / "ran").exists()


def test_the_libraries_are_left_as_they_were(tmp_path: Path) -> None:
    before = datasets.are_progress_bars_disabled(), datasets.config.HF_HUB_OFFLINE
    read(repository(tmp_path / "r", train={"text": ["a", "b"], "label": [0, 1]}))
    assert (datasets.are_progress_bars_disabled(), datasets.config.HF_HUB_OFFLINE) == before


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    made = read(repository(tmp_path / "r", train={"text": ["a", "b"], "target": [0.5, 1.5]}))
    assert made["train"].features["target"] == Value("float64")
