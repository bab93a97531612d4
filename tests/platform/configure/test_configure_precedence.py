"""Defaults < file < environment < command line, and who inherits what from whom."""

from __future__ import annotations

import tomllib

import pytest

from modrack import UserError
from modrack.configure.resolve import resolve


def test_defaults_alone_make_a_whole_experiment(settle):
    experiment = settle()
    assert experiment.one("model").component.full == "parts/net"
    assert experiment.one("model").options == {
        "width": 64, "act": "relu", "sizes": (1, 2), "pretrained": True, "note": "a",
    }  # fmt: skip
    assert experiment.one("optimizer").options["lr"] == 0.5
    assert experiment.settings.epochs == 3
    assert experiment.settings.batch_size == 64
    assert experiment.origins["epochs"] == "default (parts)"
    assert experiment.one("task") is None


def test_each_layer_wins_over_the_one_before(settle, write):
    file = write("epochs = 4\nseed = 5\nlog_every = 6\n[model]\nwidth = 1\n")
    environment = {"MODRACK_SET": "seed=50 log_every=60 model.act=gelu"}
    experiment = settle("log_every=600", file=file, environment=environment)
    assert (experiment.settings.epochs, experiment.settings.seed, experiment.settings.log_every) == (4, 50, 600)
    assert experiment.one("model").options["width"] == 1
    assert experiment.one("model").options["act"] == "gelu"
    assert experiment.origins["epochs"] == f"{file}:1"
    assert experiment.origins["model.width"] == f"{file}:5"
    assert experiment.origins["seed"] == "environment MODRACK_SET"
    assert experiment.origins["log_every"] == "command line"


def test_a_default_for_one_component_is_not_pushed_into_another(settle):
    experiment = settle(choices={"optimizer": ["other"]})
    assert experiment.one("optimizer").options["lr"] == 0.25


def test_options_in_a_file_for_a_replaced_component_are_dropped_with_a_note(settle, write):
    file = write('[optimizer]\nuse = "plain"\nlr = 0.125\n')
    experiment = settle(file=file, choices={"optimizer": ["other"]})
    assert experiment.one("optimizer").options["lr"] == 0.25
    assert len(experiment.notes) == 1
    assert f"{file}:3: optimizer.lr was for plain" in experiment.notes[0]
    assert settle(file=file, choices={"optimizer": ["parts/plain"]}).one("optimizer").options["lr"] == 0.125


def test_words_are_about_whatever_is_chosen_in_the_end(settle):
    experiment = settle("optimizer.lr=7", choices={"optimizer": ["other"]})
    assert experiment.one("optimizer").options["lr"] == 7
    environment = {"MODRACK_SET": "optimizer.lr=8"}
    experiment = settle(environment=environment, choices={"optimizer": ["other"]})
    assert experiment.one("optimizer").options["lr"] == 8
    assert experiment.notes == []


def test_when_holds_for_options_the_user_set_and_for_components(settle):
    experiment = settle("model.pretrained=false")
    assert experiment.one("optimizer").component.name == "other"
    assert experiment.one("optimizer").options == {"lr": 3.0, "decay": 0.5}
    assert experiment.settings.batch_size == 8
    chosen = settle(choices={"optimizer": ["other"]})
    assert chosen.one("optimizer").options == {"lr": 0.25, "decay": 0.5}
    words = settle("batch_size=16", choices={"model": ["words"]})
    assert words.settings.clip == 1.0
    assert [each.component.name for each in words.many("metric")] == ["misses"]
    assert settle("batch_size=17", choices={"model": ["words"]}).settings.clip is None
    assert settle("model.note=none").settings.accumulate == 2
    assert settle().settings.accumulate is None


def test_flags_of_a_kind_that_may_repeat_replace_the_default_list(settle):
    experiment = settle("metric.hits.average=macro", choices={"metric": ["misses", "hits"]})
    assert [each.component.name for each in experiment.many("metric")] == ["misses", "hits"]
    assert experiment.many("metric")[1].options == {"average": "macro"}
    assert experiment.params()["metric.hits.average"] == "macro"
    assert experiment.params()["metric.misses.average"] == "micro"


def test_a_part_has_its_own_optimizer_over_the_general_one(settle):
    general, part = settle("optimizer.lr=2", "optimizer.critic.betas=0.5,0.9").many("optimizer")
    assert (general.part, general.options) == (None, {"lr": 2.0, "betas": (0.9, 0.99)})
    assert (part.part, part.options) == ("critic", {"lr": 2.0, "betas": (0.5, 0.9)})
    other = settle("optimizer.critic.use=other", "optimizer.critic.decay=1").many("optimizer")[1]
    assert (other.component.name, other.options) == ("other", {"lr": 0.25, "decay": 1.0})


def test_steps_take_the_place_of_the_default_epochs(settle):
    assert settle("steps=10").settings.epochs is None
    both = settle("steps=10", "epochs=2").settings
    assert (both.steps, both.epochs) == (10, 2)


def test_none_can_be_typed_and_written(settle, write):
    assert settle("model.note=none").one("model").options["note"] is None
    assert settle(file=write('[model]\nnote = "none"\n')).one("model").options["note"] is None


def test_python_values_are_not_read_as_text(settle):
    from pathlib import Path

    given = {"model": "net", "epochs": 2, "model.width": 8, "metric": ["hits", "misses"], "dataset": "folder"}
    experiment = settle(values={**given, "dataset.path": Path("a/b")})
    assert experiment.one("model").options["width"] == 8
    assert experiment.one("dataset").options["path"] == "a/b"
    assert len(experiment.many("metric")) == 2
    assert experiment.origins["model.width"] == "python"
    with pytest.raises(UserError, match="'8' is not an int > 0"):
        settle(values={"model.width": "8"})


def test_a_task_chosen_from_the_data_later(settle):
    experiment = settle("task.smoothing=0.25")
    assert experiment.one("task") is None
    choice = experiment.choose("task", "parts/guess")
    assert choice.options == {"smoothing": 0.25}
    assert experiment.one("task") is choice
    assert experiment.origins["task"] == "chosen from the data"
    assert [each.component.name for each in experiment.many("metric")] == ["misses"]
    assert experiment.settings.epochs == 7
    assert experiment.params()["task.smoothing"] == 0.25
    plain = settle("epochs=2", choices={"metric": ["hits"]})
    assert plain.choose("task", "guess").options == {"smoothing": 0.75}
    assert (plain.settings.epochs, plain.many("metric")[0].component.name) == (2, "hits")


def test_a_task_that_was_asked_for_stays(settle):
    experiment = settle(choices={"task": ["guess"]})
    assert experiment.choose("task", "anything").component.name == "guess"
    assert experiment.settings.epochs == 7


def test_what_was_said_about_a_task_is_checked_when_it_is_known(settle):
    with pytest.raises(UserError, match="There is no task 'gone'"):
        settle().choose("task", "gone")
    with pytest.raises(UserError, match=r"task\.smoothing=0: '0' is not a float > 0"):
        settle("task.smoothing=0").choose("task", "guess")
    with pytest.raises(UserError, match="task guess has no option 'smoothness'"):
        settle("task.smoothness=1").choose("task", "guess")


def test_print_config_is_taken_back_and_says_the_same(settle, write):
    experiment = settle(
        "model.pretrained=false", "model.note=none", "tags=a,b c", "optimizer.critic.lr=9", "checkpoint.every=7",
        "name=quote \"and\" \\ slash\x7f ünï 🙂", choices={"metric": ["hits", "misses"]},
    )  # fmt: skip
    text = experiment.as_toml()
    again = settle(file=write(text))
    assert again.as_dict() == experiment.as_dict()
    assert again.notes == []
    assert tomllib.loads(text)["checkpoint"]["every"] == 7
    assert "# command line" in text
    assert "# default (parts)" in text


def test_a_stored_configuration_is_taken_back(settle, registry):
    import json

    experiment = settle("model.note=none", "optimizer.critic.lr=9", "clip=none")
    stored = json.loads(json.dumps(experiment.as_dict()))
    assert resolve(registry, file=stored, environment={}).as_dict() == experiment.as_dict()


def test_two_experiments_share_no_list(settle):
    one, two = settle(), settle()
    one.settings.tags.append("mine")
    assert two.settings.tags == []
    assert settle().settings.tags == []
