"""A trained model measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modrack
from modrack.runner.remeasure import remeasure
from modrack_registry.errors import UserError
from modrack_registry.store import Run


def run(home: Path, number: int) -> Run:
    return modrack.runs(f"id={number}", home=home / "runs")[0]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_its_own_data_give_what_the_run_recorded(home: Path, number: int) -> None:
    past = run(home, number)
    for split in ("test", "validation"):
        again = remeasure(past, split=split, words=["device=cpu"])
        assert not again.notes
        found = {f"{split}.{name}": value for name, value in again.measured.values.items()}
        if split == "test":
            assert found == {name: value for name, value in past.metrics.items() if name.startswith("test.")}
        else:
            assert set(found) <= set(past.metrics)


def test_the_verb_prints_a_table_and_records_nothing(say, home: Path) -> None:  # type: ignore[no-untyped-def]
    before = run(home, 1).metrics
    done = say("evaluate", "1", "--metric", "f1", "--metric", "confusion-matrix", "--split", "validation")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Run 1 on digits, validation: 144 rows"
    assert [line.split()[0] for line in lines[1:3]] == ["loss", "f1"]
    assert len([line for line in lines if line.startswith("    ")]) == 10
    told = json.loads(say("evaluate", "@last:model=cnn", "--json").stdout)
    assert (told["run"], told["split"], told["rows"]) == (1, "test", 359)
    assert told["metrics"]["accuracy"] == before["test.accuracy"]
    assert run(home, 1).metrics == before
    assert len(modrack.runs(home=home / "runs")) == 3


def test_other_rows_are_all_measured_and_read_as_the_run_read_its_own(home: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("income,job,age\n110,smith,35\n60,baker,25\n90,pilot,\n")
    found = remeasure(run(home, 2), dataset="files", words=[f"dataset.path={few}"])
    assert (found.split, found.rows) == ("all rows", 3)
    asked = run(home, 2).predict([{"age": a, "job": j} for a, j in ((35, "smith"), (25, "baker"), (None, "pilot"))])
    wrong = [abs(each["prediction"] - true) for each, true in zip(asked, (110, 60, 90), strict=True)]
    assert found.measured.values["mae"] == pytest.approx(sum(wrong) / 3, rel=1e-5)


def test_classes_are_matched_by_name(home: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("review,mood\na joy,good\nwarm,good\n")
    assert remeasure(run(home, 3), words=[f"dataset.path={good}"]).rows == 2
    good.write_text("review,mood\na joy,good\nwarm,great\n")
    with pytest.raises(UserError, match="the label 'great' does not occur in train"):
        remeasure(run(home, 3), words=[f"dataset.path={good}"])


def test_what_does_not_fit_is_refused(say, home: Path) -> None:  # type: ignore[no-untyped-def]
    done = say("evaluate", "1", "--dataset", "sklearn/wine")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "dataset sklearn/wine gives tabular; run 1 was trained on image.\n"
    for number, dataset, words, said in (
        (2, "sklearn/diabetes", [], "lacks 2 columns of run 2: age, job"),
        (1, None, ["model.width=3", "epochs=1"], "model.width=3: run 1 is measured as it was trained"),
        (3, "names", [], "that run 3 was not trained on: "),
        (1, None, ["dataset.nothing=1"], "nothing"),
        (1, None, ["task=regression"], "task=regression: run 1 is measured as it was trained"),
        (1, None, ["task.use=regression"], "task.use=regression: run 1 is measured as it was trained"),
        (1, None, ["task.nothing=1"], "nothing"),
        (1, None, ["task.label_smoothing"], "Write task.label_smoothing=VALUE"),
    ):
        with pytest.raises(UserError, match=said):
            remeasure(run(home, number), dataset=dataset, words=words)
    with pytest.raises(UserError, match="asks for logits"):
        remeasure(run(home, 2), metrics=["accuracy"])


def test_an_option_of_the_task_holds_instead_of_the_runs(tmp_path: Path) -> None:
    words = {"pretrained": False, "layers": 1, "width": 16, "heads": 2, "vocabulary": 60}
    past = modrack.train(
        model="bert", dataset="names", task="masked-lm", home=tmp_path, limit=60, steps=2, threads=1,
        **{f"model.{name}": value for name, value in words.items()},
    )  # fmt: skip
    as_it_was, more_hidden = (remeasure(past, words=asked).measured.values for asked in ([], ["task.hidden=0.6"]))
    assert as_it_was["loss"] == past.metrics["test.loss"] != more_hidden["loss"]
    assert past.config["task"]["hidden"] == 0.15
