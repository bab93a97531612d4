"""Whatever is wrong is told at once, with where it was said and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from modrack import UserError

PARTS = Path(__file__).with_name("parts.py")


@pytest.fixture
def wrong(settle):
    """The mistakes of a request, as text; an entry for each."""

    def wrong(*words, **given):
        with pytest.raises(UserError) as caught:
            settle(*words, **given)
        return ["\n".join(each.lines) for each in caught.value.mistakes]

    return wrong


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("model.widht=3", "model net has no option 'widht' (model.widht=3).\n  Did you mean width?"),
        ("model.width=abc", "model.width=abc: 'abc' is not an int > 0."),
        ("model.width=0", "model.width=0: '0' is not an int > 0."),
        ("model.width=1.5", "model.width=1.5: '1.5' is not an int > 0."),
        ("model.act=tanh", "model.act=tanh: 'tanh' is not one of relu|gelu."),
        ("model.sizes=1,x", "at [1]"),
        ("optimizer.betas=1", "optimizer.betas=1:"),
        ("epochs=0", "epochs=0: '0' is not an int > 0 or none."),
        ("epochs=", "'' is not an int"),
        ("epohcs=3", "There is no setting 'epohcs' (epohcs=3).\n  Did you mean epochs?"),
        ("modle.width=3", "Did you mean model?"),
        ("lr=0.1", "Did you mean optimizer.lr?"),
        ("checkpoint.evry=3", "Did you mean checkpoint.every"),
        ("precision=fp8", "auto|fp32|bf16|fp16"),
        ("model=net", "Write --model net"),
        ("metric=hits", "Write --metric hits"),
        ("metric.average=macro", "metric.NAME.average"),
        ("metric.misses.average=macro", "Add --metric misses."),
        ("metric.mises.average=macro", "Did you mean misses?"),
        ("scheduler.warmup=3", "no scheduler is chosen"),
        ("model.width", "Write model.width=value."),
        ("=3", "Write path=value"),
        ("optimizer.critic.use=pla", "There is no optimizer 'pla'"),
        ("optimizer.critic.lr=-1", "optimizer.critic.lr=-1: '-1' is not a float > 0."),
    ],
)
def test_one_wrong_word(wrong, word, told):
    (mistake,) = wrong(word)
    assert told in mistake


def test_all_at_once(wrong, write):
    file = write('epochs = "three"\nmodle = "net"\n[model]\nwidth = -4\nuse = "nett"\n[[metric]]\nuse = "hit"\n')
    found = wrong(
        "optimizer.betas=abc", "optimizer.lr=2", "optimizer.lr=3", "foo.bar=1", file=file,
        choices={"dataset": ["pionts"]},
        environment={"MODRACK_SET": "seed=-1"},
    )  # fmt: skip
    text = "\n".join(found)
    for part in (
        f"{file}:1: epochs: 'three' is not an int > 0 or none.",
        f"({file}:2: modle)",
        f"There is no model 'nett' ({file}:5: model = 'nett').\n  Did you mean net?",
        "Did you mean hits?",
        "optimizer.lr=3 says it a second time",
        "optimizer.betas=abc:",
        "There is no setting 'foo.bar'",
        "There is no dataset 'pionts'.\n  Did you mean points?",
        "seed=-1 (environment MODRACK_SET): '-1' is not an int",
    ):
        assert part in text, part
    assert len(found) >= 8


def test_wrong_flags(wrong):
    assert "--model is given 2 times: net, words." in wrong(choices={"model": ["net", "words"]})[0]
    assert "--metric hits says it a second time." in wrong(choices={"metric": ["hits", "hits"]})[0]
    assert "parts/hits is there twice" in wrong(choices={"metric": ["hits", "parts/hits"]})[0]
    assert "Did you mean model?" in wrong(choices={"modle": ["net"]})[0]
    assert "plain is of the kind optimizer: --optimizer plain" in wrong(choices={"model": ["plain"]})[0]


def test_a_required_option_is_named_with_what_to_type(wrong):
    assert wrong(choices={"dataset": ["folder"]}) == [
        "dataset folder needs dataset.path: where the files are (str).\n"
        f"  Write dataset.path=…, or give it a default in parts/folder ({PARTS}:57)."
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("epochs = \n", 1), ("a = 1\n[model\n", 2), ("epochs = 1\nepochs = 2\n", 2), ("x = '''\nnever closed", 2)],
)
def test_a_syntax_error_has_its_line(wrong, write, text, line):
    file = write(text)
    (mistake,) = wrong(file=file)
    assert mistake.startswith(f"{file}:{line}: not TOML")


def test_files_that_cannot_be_read(wrong, tmp_path):
    assert "There is no file" in wrong(file=tmp_path / "none.toml")[0]
    assert "cannot be read" in wrong(file=tmp_path)[0]
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe4'\n")
    assert "not UTF-8 (byte 8)" in wrong(file=tmp_path / "latin.toml")[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model = 3\n", "3 is no model."),
        ("[model]\nuse = 3\n", ":2: 3 is no name of a model."),
        ("metric = [3]\n", "3 is no metric."),
        ("[[metric]]\naverage = 'macro'\n", "metric without a name"),
        ("metric = ['hits', 'hits']\n", "the metric hits is there twice"),
        ("[[model]]\nuse = 'net'\n", "is no model."),
        ("[model]\nwidth = true\n", "True is not an int > 0."),
        ("[model]\nwidth = 2.0\n", "2.0 is not an int > 0."),
        ("model.act = 'tanh'\n", ":1: model.act: 'tanh' is not one of relu|gelu."),
        ("[modle]\nwidth = 2\n", ":1: modle)"),
    ],
)
def test_wrong_files(wrong, write, text, told):
    file = write(text)
    mistake = "\n".join(wrong(file=file))
    assert told in mistake
    assert str(file) in mistake


def test_an_environment_that_cannot_be_split(wrong):
    assert "MODRACK_SET cannot be read: No closing quotation" in wrong(environment={"MODRACK_SET": "name='x"})[0]


def test_nothing_to_choose_from(tmp_path):
    from modrack.configure.resolve import resolve
    from modrack_registry.registry import load_registry

    broken = tmp_path / "broken.py"
    broken.write_text("import not_there\n")
    with pytest.raises(UserError) as caught:
        resolve(load_registry([broken], without=["modrack"]), environment={})
    text = "\n".join(caught.value.lines)
    assert "No model is chosen." in text
    assert "No dataset is chosen." in text
    assert "Plugin broken could not be loaded: ModuleNotFoundError" in text
