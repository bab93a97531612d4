"""Pictures: what draws them, where they are kept, and that `runs show` lists them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import modrack
from modrack.runner.pictures import keep_picture
from modrack_plugins.drawing import captioned, grid, matrix, tile
from modrack_registry.errors import RunFailed

WAYS = ("reconstruction", "generated")
SMALL: dict[str, Any] = {"threads": 1, "device": "cpu", "limit": 96, "model.width": 4}


def pictures(run: modrack.Run) -> list[str]:
    return [place.name for place in run.pictures]


def show(home: Path, *words: str) -> str:
    command = [sys.executable, "-m", "modrack", "runs", "show", "1", "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_vae_is_chosen_by_its_model_and_draws_after_each_evaluation(tmp_path: Path) -> None:
    run = modrack.train(model="vae", dataset="digits", epochs=2, home=tmp_path, **SMALL)
    assert run.task == "vae"
    steps = [f"{step:08d}.png" for step in (3, 6)]
    assert pictures(run) == [f"{name}-{step}" for name in ("reconstructions", "samples") for step in steps]
    with Image.open(run.pictures[-1]) as image:
        assert image.size == (8 * 58 + 2, 8 * 58 + 2)
    # Noise is fixed, and the weights have moved.
    assert run.pictures[-1].read_bytes() != run.pictures[-2].read_bytes()
    assert {"test.elbo", "test.reconstruction.loss", "test.divergence.loss"} <= set(run.metrics)
    assert run.metrics["test.loss"] == pytest.approx(-run.metrics["test.elbo"], rel=1e-5)
    told = json.loads(show(tmp_path, "--json"))
    assert told["pictures"] == [str(place) for place in run.pictures]
    assert str(run.pictures[0]) in show(tmp_path)


def test_beta_weighs_what_is_learned_and_not_what_is_measured(tmp_path: Path) -> None:
    run = modrack.train(model="vae", dataset="digits", epochs=1, home=tmp_path, **SMALL, **{"task.beta": 0.5})
    values = run.metrics
    assert -values["test.elbo"] == pytest.approx(
        values["test.reconstruction.loss"] + 2 * values["test.divergence.loss"], rel=1e-5
    )
    assert values["train.loss"] == pytest.approx(values["train.reconstruction.loss"] + values["train.divergence.loss"])


def test_any_file_below_pictures_is_listed(tmp_path: Path) -> None:
    run = modrack.train(model="cnn", dataset="digits", steps=1, home=tmp_path, **SMALL)
    assert run.pictures == []
    (run.folder / "pictures/deep").mkdir(parents=True)
    (run.folder / "pictures/deep/mine.svg").write_text("<svg/>")
    (run.folder / "pictures/.half").write_text("")
    assert pictures(run) == ["mine.svg"]


def test_worst_predictions_and_the_confusion_matrix(tmp_path: Path) -> None:
    run = modrack.train(
        model="cnn", dataset="digits", epochs=1, home=tmp_path, metric=["accuracy", "confusion-matrix"],
        callback=["worst-predictions"], **SMALL,
    )  # fmt: skip
    assert pictures(run) == ["test.confusion-matrix.png", "worst-predictions.csv", "worst-predictions.png"]
    with (run.folder / "pictures/worst-predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert len(rows) == 10
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] > run.metrics["test.loss"]
    for row in rows:
        assert float(row["target_probability"]) == pytest.approx(float(torch.tensor(-float(row["loss"])).exp()), 1e-2)


def test_texts_and_numbers_stand_in_the_table(tmp_path: Path) -> None:
    tiny = {"model.layers": 1, "model.width": 16, "model.heads": 2, "model.vocabulary": 300, "model.pretrained": False}
    small = {name: value for name, value in SMALL.items() if name != "model.width"} | tiny
    run = modrack.train(
        model="transformer", dataset="names", steps=1, home=tmp_path, callback=["worst-predictions"],
        **{"callback.worst-predictions.rows": 3}, **small,
    )  # fmt: skip
    assert pictures(run) == ["worst-predictions.csv"]
    with run.pictures[0].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["input"] for row in rows)


@pytest.mark.parametrize(("callback", "model"), [("samples", "cnn"), ("worst-predictions", "vae")])
def test_what_cannot_be_drawn_says_so_before_training(callback: str, model: str, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=f"callback {callback}: task"):
        modrack.train(model=model, dataset="digits", steps=1, home=tmp_path, callback=[callback], **SMALL)


def test_averaged_weights_are_what_is_drawn(tmp_path: Path) -> None:
    """With an average that never moves, the pictures of all epochs are the same."""
    run = modrack.train(model="dcgan", dataset="digits", epochs=2, home=tmp_path, ema=0.9999999, **SMALL)
    assert run.pictures[0].read_bytes() == run.pictures[1].read_bytes()


def test_a_picture_is_whole_and_stays_below_its_folder(tmp_path: Path) -> None:
    assert keep_picture(tmp_path, "notes.csv", "a,b\n").read_text() == "a,b\n"
    assert keep_picture(tmp_path, "dot", tile(torch.ones(1, 1, 1))).name == "dot.png"
    assert sorted(place.name for place in (tmp_path / "pictures").iterdir()) == ["dot.png", "notes.csv"]
    with pytest.raises(ValueError, match="no plain name"):
        keep_picture(tmp_path, "../out", tile(torch.ones(1, 1, 1)))


def test_the_pages_own_callback_draws(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/pictures.md").read_text("utf-8")
    file = tmp_path / "own.py"
    file.write_text(page.partition("```python\n")[2].partition("```")[0])
    run = modrack.train(
        model="cnn", dataset="digits", epochs=1, home=tmp_path, plugins=[file], callback=["confidence"], **SMALL
    )
    assert pictures(run) == ["confidence-00000003.png"]
    with Image.open(run.pictures[0]) as image:
        assert image.size == (96, 100)


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    """With the pictures and without them the same weights come out, dropout included."""
    words: dict[str, Any] = {"model": "cnn", "dataset": "digits", "epochs": 2, "model.dropout": 0.3, **SMALL}
    runs = [
        modrack.train(home=tmp_path / name, callback=callback, **words)
        for name, callback in (("with", ["worst-predictions"]), ("without", []))
    ]
    one, other = (run.load_model("last").state_dict() for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert runs[0].metrics == runs[1].metrics


def test_drawing() -> None:
    assert grid(torch.rand(5, 1, 28, 28), 3).size == (3 * 58 + 2, 2 * 58 + 2)
    assert grid(torch.rand(1, 4, 100, 50), 3).size == (54, 104)
    assert tile(torch.tensor([[[0.0]], [[1.0]], [[0.5]]]), 2).getpixel((1, 1)) == (0, 255, 128)
    table = matrix([[3, 1], [0, 5]], ["cat", "a very long name of a class"])
    assert table.width == table.height
    assert matrix([[1.0] * 70] * 70, [str(number) for number in range(70)]).width > 70 * 14
    assert captioned([tile(torch.ones(1, 4, 4), 5)] * 3, ["one\ntwo", "ünï", "3"], 2).height > 40


def test_predictions_that_are_images_become_files(tmp_path: Path) -> None:
    home, shown = tmp_path / "home", tmp_path / "shown.png"
    modrack.train(model="vae", dataset="digits", steps=1, home=home, **SMALL)
    tile(torch.rand(1, 8, 8)).save(shown)
    words = [
        "predict",
        "1",
        str(shown),
        str(shown),
        "--home",
        str(home),
        "--pictures",
        str(tmp_path / "made"),
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "modrack", *words], capture_output=True, text=True, check=True, timeout=120
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    files = [Path(line[name]).name for line in lines for name in WAYS]
    assert files == [f"{number:06d}-{name}.png" for number in (1, 2) for name in WAYS]
    with Image.open(lines[1]["generated"]) as image:
        assert (image.size, image.mode) == ((8, 8), "L")
