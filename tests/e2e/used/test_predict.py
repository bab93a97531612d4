"""A trained model asked: every kind of input, in order, as it comes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import modrack
from modrack_registry.errors import UserError


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_images_from_files_a_folder_a_table_and_stdin(say, home: Path, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = [path.name for path in pictures]
    told = lines(say("predict", "1", *names, "--json"))
    assert [each["input"] for each in told] == names
    assert all(0 < each["probability"] <= 1 and each["label"] in "0123456789" for each in told)
    assert sum(each["label"] == str(number) for number, each in enumerate(told)) >= 2
    answers = [{"label": each["label"], "probability": each["probability"]} for each in told]
    (tmp_path / "list.csv").write_text("file,label\n" + "".join(f"{name},?\n" for name in reversed(names)))
    shown = say("predict", "1", "list.csv", "-", ".", input="\n".join(names))
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert [row[2] for row in rows] == [*reversed(names), *names, *names]
    assert [row[0] for row in rows[4:]] == [each["label"] for each in answers] * 2
    run = modrack.runs("id=1", home=home / "runs")[0]
    assert [each["label"] for each in run.predict(pictures)] == [each["label"] for each in answers]
    assert run.predict(np.zeros((8, 8))) == run.predict([np.zeros((1, 8, 8))])


def test_the_task_can_be_told_how_to_answer(say, home: Path, pictures: list[Path]) -> None:  # type: ignore[no-untyped-def]
    (told,) = lines(say("predict", "1", pictures[0].name, "--set", "task.guesses=3", "--json"))
    assert len(told["guesses"]) == 3
    assert told["guesses"][0] == [told["label"], told["probability"]]
    assert told["guesses"][0][1] >= told["guesses"][1][1] >= told["guesses"][2][1]
    run = modrack.runs("id=1", home=home / "runs")[0]
    (again,) = run.predict(pictures[0], options={"task.guesses": 20})
    assert sum(chance for _, chance in again["guesses"]) == pytest.approx(1, abs=1e-3)
    for word, said in (
        ("epochs=3", "--set epochs=3: a model is asked as"),
        ("task.use=gan", "--set task.use=gan: a model is asked as"),
        ("task.guesses=0", "task.guesses=0"),
    ):
        wrong = say("predict", "1", pictures[0].name, "--set", word)
        assert wrong.returncode == 2
        assert said in wrong.stderr


def test_rows_of_a_table(say, home: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Numbers come in the data's units; a gap and an unknown category are no mistakes, a missing column is."""
    rows = [{"age": 30, "job": "baker"}, {"age": 60, "job": "clerk"}, {"age": None, "job": "pilot"}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "a.csv").write_text("more;job;age\nx;baker;30\nx;clerk;60\nx;pilot;\n")
    told = say("predict", "2", "a.jsonl", "a.csv", json.dumps(rows[0]), "--json")
    found = [each["prediction"] for each in lines(told)]
    assert told.stderr == "job=pilot: train has no such category; it counts as missing\n"
    assert found[:3] == pytest.approx(found[3:6], rel=1e-5)
    assert found[6] == pytest.approx(found[0], rel=1e-5)
    assert found[0] == pytest.approx(70, abs=25)
    assert found[1] == pytest.approx(200, abs=25)
    run = modrack.runs("id=2", home=home / "runs")[0]
    assert [each["prediction"] for each in run.predict(rows)] == pytest.approx(found[:3], rel=1e-5)
    for row, said in (({"age": 3}, "no column 'job'"), ({"age": "old", "job": "baker"}, "'old' in the column 'age'")):
        with pytest.raises(UserError, match=said):
            run.predict([row])


def test_texts_keep_their_order_whatever_their_length(say, home: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    texts = [("a bore " * (n % 7 + 1)).strip() + f" {n}" for n in range(30)]
    told = lines(say("predict", "3", "-", "--json", input="\n".join(texts)))
    assert [each["input"] for each in told] == texts
    run = modrack.runs("id=3", home=home / "runs")[0]
    alone = [run.predict(text)[0]["probability"] for text in texts[:8]]
    assert [each["probability"] for each in told[:8]] == pytest.approx(alone, rel=1e-4)
    table = tmp_path / "a.csv"
    table.write_text("number,review\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts[:3])))
    with pytest.raises(UserError, match="which column is the input"):
        run.predict(table)
    assert [each["probability"] for each in run.predict(table, column="review")] == pytest.approx(alone[:3], rel=1e-4)


def test_what_comes_before_a_mistake_is_answered(say, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "broken.png").write_text("no image")
    done = say("predict", "1", pictures[1].name, "broken.png", pictures[0].name)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == "broken.png: the image cannot be read (UnidentifiedImageError).\n"
    assert "There is no file none.png." in say("predict", "1", "none.png").stderr


def test_answers_that_are_images_become_files(say, home: Path, pictures: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = modrack.train(
        model="vae", limit=64, steps=2, home=tmp_path / "runs", device="cpu", threads=1, **{"model.width": 8}
    )
    words = [str(made.id), pictures[0].name, pictures[1].name, "--home", str(tmp_path / "runs")]
    told = lines(say("predict", *words, "--pictures", "made", "--json"))
    assert [each["input"] for each in told] == [pictures[0].name, pictures[1].name]
    for each in told:
        for name in ("reconstruction", "generated"):
            with Image.open(tmp_path / each[name]) as image:
                assert image.size == (8, 8)
    assert made.predict(pictures[0])[0]["generated"].size == (8, 8)


def test_answers_come_while_lines_still_come(home: Path) -> None:
    """Rows are not gathered: more of them than are answered together are answered before the last one is there."""
    command = [sys.executable, "-m", "modrack", "predict", "2", "-", "--json", "--home", str(home / "runs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"age": 30, "job": "baker"}\n' * 300)
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(256)]
        process.stdin.close()
        rest = process.stdout.readlines()
    assert (len(first), len(rest), process.returncode) == (256, 44, 0)
    assert len({json.loads(line)["prediction"] for line in [*first, *rest]}) == 1
