"""What a person can get wrong: a few lines that say what, where and what to do, and nothing half written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import modrack

TEXTS = "text,label\n" + "".join(f"row {n},{'ab'[n % 2]}\n" for n in range(20))
SMALL_BERT: dict[str, Any] = {
    "model": "bert", "model.pretrained": False, "model.layers": 1, "model.width": 16, "model.heads": 2,
    "model.vocabulary": 60, "steps": 1,
}  # fmt: skip


def refused(home: Path, said: str, **asked: Any) -> None:
    with pytest.raises(modrack.UserError, match=said) as caught:
        modrack.train(home=home / "home", **asked)
    assert len(caught.value.lines) <= 8
    assert not (home / "home").exists()


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", r"a\.csv: the file is empty"),
        ("a.csv", "text,label\n", r"a\.csv: there are no rows"),
        ("a.csv", "words,mark\n" * 3, r"which column is the label\?\n.*words \(string\), mark"),
        ("a.csv", "p,q,label\nx,y,1\nz,w,2\n", r"which column is the text\?\nSay dataset\.text=NAME, or"),
        ("a.csv", TEXTS + "too,many,fields\n", r"a\.csv, row 21 \(line 22\): 3 fields, where the header has 2"),
        ("a.csv", TEXTS + "no label,\n", r"a\.csv, row 21: there is no label"),
        ("a.csv", "text,label\n" + "row,same\n" * 9, r"one class only \(same\)"),
        ("a.csv", TEXTS.encode() + b"caf\xe9,a\n", r"a\.csv, line 22: this is not UTF-8 \(byte 0xe9\)"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": \n', r"a\.jsonl, line 2: this is no JSON"),
        ("a.jsonl", '{"text": "x", "label": 1}\n[1]\n', r"a\.jsonl, row 2: each row is an object, this is list"),
        ("a.parquet", "PAR?", r"a\.parquet: this is no parquet file"),
        ("a.txt", "hello", r"files end in \.csv"),
    ],
)
def test_files(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    refused(tmp_path, said, dataset="files", **SMALL_BERT, **{"dataset.path": str(write(tmp_path, name, content))})


def test_a_label_that_only_test_has(tmp_path: Path) -> None:
    write(tmp_path, "data/train.csv", TEXTS)
    write(tmp_path, "data/test.csv", "text,label\nx,a\ny,never\n")
    said = r"test\.csv, row 2: the label 'never' does not occur in train"
    refused(tmp_path, said, dataset="files", **SMALL_BERT, **{"dataset.path": str(tmp_path / "data")})


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", TEXTS))
    asked = {"dataset.path": path, "dataset.label": "lable"}
    refused(
        tmp_path, r"dataset\.label=lable: .*no such column\.\nIts columns: text", dataset="files", **SMALL_BERT, **asked
    )


def test_images(tmp_path: Path) -> None:
    for name in ("cat/1", "cat/2", "dog/1", "dog/2"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    write(tmp_path, "images/dog/3.png", b"\x89PNG but not really")
    asked = {"dataset.path": str(tmp_path / "images"), "epochs": 1}
    refused(tmp_path, r"dog/3\.png: the image cannot be read", model="mlp", dataset="files", **asked)
    (tmp_path / "images/dog/3.png").unlink()
    shutil.rmtree(tmp_path / "images/cat")
    refused(tmp_path, r"one class only \(dog\)", model="mlp", dataset="files", **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dataset": "files", "dataset.path": "/nowhere/at/all"}, "there is no /nowhere/at/all"),
        ({"dataset": "idx", "dataset.path": "/nowhere/at/all"}, "no such folder"),
        ({"dataset": "files"}, r"dataset files needs dataset\.path"),
        (
            {"model": "bert", "dataset": "digits"},
            r"bert takes text, but dataset digits gives image(.|\n)*--dataset .*names",
        ),
        ({"model": "cnn", "dataset": "names"}, r"cnn takes image(.|\n)*--model bert"),
        ({"model": "bert", "dataset": "names", "model.checkpoint": "/nowhere"}, "no such folder"),
        ({"device": "warp"}, "this machine has no warp"),
        ({"metric": ["acuracy"], "model": "cmn", "epoch": 3}, r"cmn(.|\n)*cnn(.|\n)*acuracy(.|\n)*epoch"),
        ({"batch_size": 0, "model.width": -3, "optimizer.lr": "fast"}, r"width(.|\n)*optimizer\.lr(.|\n)*batch_size"),
        ({"monitor": "accuarcy", "limit": 60}, "accuarcy"),
    ],
)
def test_requests(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    refused(tmp_path, said, **asked)


def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from modrack_plugins import hub_access

    hub_access.hub_reachable.cache_clear()
    refused(tmp_path, r"the Hub cannot be reached(.|\n)*model\.checkpoint=FOLDER", model="bert", dataset="names")
    asked = {"dataset.path": "nobody/nothing"}
    refused(tmp_path, r"the Hub cannot be reached(.|\n)*dataset\.path=FOLDER", model="bert", dataset="hub", **asked)
    hub_access.hub_reachable.cache_clear()


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    write(tmp_path, "empty/readme.md", "hello")
    write(tmp_path, "pickle/config.json", '{"model_type": "bert"}')
    write(tmp_path, "pickle/pytorch_model.bin", b"\x80\x02.")
    write(tmp_path, "other/config.json", '{"model_type": "roberta"}')
    write(tmp_path, "other/model.safetensors", b"")
    for folder, said in (
        ("empty", r"no config\.json in this folder(.|\n)*readme\.md"),
        ("pickle", r"no weights in safetensors, only a pickle(.|\n)*convert it once"),
        ("other", r"holds a roberta model, not a bert one(.|\n)*--model transformer"),
    ):
        refused(tmp_path, said, model="bert", dataset="names", **{"model.checkpoint": str(tmp_path / folder)})


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    file = write(tmp_path, "file", "x")
    with pytest.raises(modrack.UserError, match="is a file"):
        modrack.train(home=file / "below", steps=1)
    assert file.read_text() == "x"


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=1000))
    refused(tmp_path, r"0 MB are free(.|\n)*Make room", steps=1)


def test_a_loss_that_is_no_number_any_more(tmp_path: Path) -> None:
    words = ["--optimizer", "sgd", "optimizer.lr=1e38", "log_every=5", "limit=400", "device=cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "modrack", "train", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "The loss became nan at step" in done.stderr or "The loss became inf at step" in done.stderr
    run = modrack.runs(home=tmp_path / "modrack-runs")[0]
    assert run.status == "failed"
    assert "The loss became" in (run.reason or "")


def test_a_loss_that_breaks_late_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    plugin = write(
        tmp_path,
        "late.py",
        "import modrack\n\n@modrack.callback\nclass Poison:\n    '''Breaks the weights in the third epoch.'''\n"
        "    def stepped(self, training):\n        if training.epoch == 2:\n"
        "            for weight in training.rig.parts.parameters(): weight.data.fill_(float('nan'))\n",
    )
    with pytest.raises(modrack.RunFailed, match=r"last good checkpoint is .*step-0+"):
        modrack.train(plugins=[plugin], callback=["poison"], limit=128, epochs=5, home=tmp_path / "home")
    from modrack.runner.checkpoint import damage

    assert damage(tmp_path / "home/1/checkpoints/last") is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dataset": "digits", "batch_tokens": 100}, "are all of one size"),
        ({"model": "gru", "dataset": "names", "batch_tokens": 3}, "the longest row takes"),
        ({"model": "gru", "dataset": "names", "batch_tokens": 99, "accumulate": 9}, "cannot be split into so many"),
    ],
)
def test_steps_that_cannot_be_cut_by_tokens(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    refused(tmp_path, said, **asked)
