"""torchmetrics/* among the metrics: fed with logits, in the variant that fits the data."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torchmetrics
from sklearn import metrics as sk
from torchmetrics import classification, clustering, nominal, regression

from modrack_registry.errors import UserError

ROWS = 120


def facts(target, classes=0):
    return SimpleNamespace(target=target, classes=[f"class {n}" for n in range(classes)] or None)


def outputs(target, classes=0):
    """Logits and targets of ROWS rows; better than chance, so that figures differ from 0 and 1."""
    generator = torch.Generator().manual_seed(5)
    if target == "number":
        truth = torch.rand(ROWS, generator=generator) + 0.1
        return truth + 0.1 * torch.rand(ROWS, generator=generator), truth
    logits = torch.randn(ROWS, classes, generator=generator)
    if target == "classes":
        return logits, (logits + torch.randn(ROWS, classes, generator=generator) > 0).long()
    truth = (logits + torch.randn(ROWS, classes, generator=generator)).argmax(1)
    return logits, truth


def value(meter, logits, truth, pieces=(50, 1, 69)):
    for some, right in zip(logits.split(pieces), truth.split(pieces), strict=True):
        meter.update(some, right)
    return meter.compute()


def plain(found):
    if isinstance(found, (tuple, list)):
        return [plain(each) for each in found]
    return found.tolist() if isinstance(found, torch.Tensor) else found


def same(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == pytest.approx(other, nan_ok=True, abs=1e-6)


def required(component):
    return {name: component.example[name] for name, option in component.options.items() if option.required}


def own(sort, name, task):
    """torchmetrics' class for a name as modrack spells it."""
    modules = {"classification": [classification], "regression": [regression], "labels": [clustering, nominal]}[sort]
    wanted = f"{task}{name}".replace("-", "")
    found = [getattr(module, each) for module in modules for each in module.__all__ if each.lower() == wanted]
    return found[0] if found else None


CASES = [("classification", "binary", "class", 2), ("classification", "multiclass", "class", 4)]
CASES += [("classification", "multilabel", "classes", 3), ("regression", "", "number", 0), ("labels", "", "class", 4)]


@pytest.mark.parametrize(("sort", "task", "target", "classes"), CASES, ids=lambda each: str(each))
def test_every_metric_gives_what_torchmetrics_gives(make, registry, sort, task, target, classes):
    logits, truth = outputs(target, classes)
    shares = {
        "binary": lambda: logits.softmax(1)[:, 1],
        "multiclass": lambda: logits.softmax(1),
        "multilabel": lambda: logits.sigmoid(),
        "": lambda: logits if sort == "regression" else logits.argmax(1),
    }[task]()
    seen = 0
    for member in registry.listing("metric", "torchmetrics/*"):
        kind = own(sort, member.name.partition("/")[2], task)
        component = registry.find("metric", member.name)
        if kind is None or (kind is classification.MulticlassExactMatch):
            continue
        given = required(component)
        sizes = {"binary": {}, "multiclass": {"num_classes": classes}, "multilabel": {"num_labels": classes}}
        told = sizes.get(task, {"num_classes": classes} if member.name in NOMINAL else {})
        theirs = kind(**told, **{key: each for key, each in given.items() if key in kind.__init__.__code__.co_varnames})
        theirs.update(shares, truth)
        ours = value(make("metric", member.name, {"data": facts(target, classes)}, **given), logits, truth)
        assert same(plain(ours), plain(theirs.compute())), member.name
        seen += 1
    assert seen >= {"binary": 24, "multiclass": 23, "multilabel": 24}.get(task, 18 if sort == "regression" else 11)


NOMINAL = {
    f"torchmetrics/{name}" for name in ("cramers-v", "pearsons-contingency-coefficient", "theils-u", "tschuprows-t")
}


def test_against_scikit_learn(make):
    logits, truth = outputs("class", 4)
    guess = logits.argmax(1)
    data = {"data": facts("class", 4)}

    def ours(name, **options):
        return float(value(make("metric", f"torchmetrics/{name}", data, **options), logits, truth))

    assert ours("cohen-kappa") == pytest.approx(sk.cohen_kappa_score(truth, guess), abs=1e-6)
    assert ours("cohen-kappa", weights="quadratic") == pytest.approx(
        sk.cohen_kappa_score(truth, guess, weights="quadratic"), abs=1e-6
    )
    assert ours("f-beta-score", beta="2") == pytest.approx(
        sk.fbeta_score(truth, guess, beta=2, average="macro"), abs=1e-6
    )
    assert ours("jaccard-index", average="weighted") == pytest.approx(
        sk.jaccard_score(truth, guess, average="weighted"), abs=1e-6
    )
    assert ours("accuracy", average="micro", top_k=2) == pytest.approx(
        sk.top_k_accuracy_score(truth, logits, k=2), abs=1e-6
    )
    assert ours("v-measure-score") == pytest.approx(sk.v_measure_score(truth, guess), abs=1e-5)
    numbers, right = outputs("number")
    assert float(
        value(make("metric", "torchmetrics/r2-score", {"data": facts("number")}), numbers, right)
    ) == pytest.approx(sk.r2_score(right, numbers), abs=1e-5)


def test_of_two_classes_the_second_is_the_positive_one(make):
    logits, truth = outputs("class", 2)
    data = {"data": facts("class", 2)}
    binary = value(make("metric", "torchmetrics/f1-score", data), logits, truth)
    assert float(binary) == pytest.approx(sk.f1_score(truth, logits.argmax(1)), abs=1e-6)
    both = value(make("metric", "torchmetrics/f1-score", data, task="multiclass"), logits, truth)
    assert float(both) == pytest.approx(sk.f1_score(truth, logits.argmax(1), average="macro"), abs=1e-6)
    strict = value(make("metric", "torchmetrics/f1-score", data, threshold=0.9), logits, truth)
    assert float(strict) == pytest.approx(sk.f1_score(truth, logits.softmax(1)[:, 1] > 0.9), abs=1e-6)


def test_ignored_labels_count_for_nothing(make):
    logits, truth = outputs("class", 4)
    kept = truth.clone()
    truth[::3] = -100
    made = make("metric", "torchmetrics/accuracy", {"data": facts("class", 4)}, ignore_index=-100, average="micro")
    right = (logits.argmax(1) == kept)[truth != -100]
    assert float(value(made, logits, truth)) == pytest.approx(float(right.float().mean()))


def test_directions_and_targets(registry):
    found = {each.name.partition("/")[2]: each.facts for each in registry.components("metric", "torchmetrics/*")}
    assert found["accuracy"]["better"] == found["r2-score"]["better"] == ("higher",)
    assert found["hamming-distance"]["better"] == found["mean-squared-error"]["better"] == ("lower",)
    assert "better" not in found["confusion-matrix"]
    assert found["accuracy"]["target"] == ("class", "classes")
    assert found["ranking-loss"]["target"] == ("classes",)
    assert found["mean-squared-error"]["target"] == ("number",)
    assert found["rand-score"]["target"] == ("class",)
    for name in ("binary-fairness", "calinski-harabasz-score", "fleiss-kappa", "structural-similarity-index-measure"):
        assert name not in found


@pytest.mark.parametrize(
    ("name", "target", "classes", "options", "said"),
    [
        ("mean-squared-error", "class", 3, {}, "judges numbers; the data's target is class"),
        ("accuracy", "number", 0, {}, "judges classes; the data's target is number"),
        ("rand-score", "classes", 3, {}, "judges classes; the data's target is classes"),
        ("ranking-loss", "class", 3, {}, "does not fit: a row has one of 3 classes"),
        ("accuracy", "class", 3, {"task": "binary"}, "with task=binary does not fit"),
        ("accuracy", "class", 2, {"average": "weighted"}, r"for binary data(.|\n)*task=multiclass or multilabel"),
        ("accuracy", "class", 3, {"threshold": 0.3}, "for multiclass data"),
        ("auroc", "class", 3, {"thresholds": 1}, "thresholds"),
        ("cosine-similarity", "number", 0, {}, "compares vectors"),
    ],
)
def test_what_does_not_fit_says_so(make, name, target, classes, options, said):
    with pytest.raises(UserError, match=said):
        make("metric", f"torchmetrics/{name}", {"data": facts(target, classes)}, **options)


def test_they_conform(conforms):
    names = ("accuracy", "auroc", "roc", "coverage-error", "pearson-corr-coef", "rand-score", "stat-scores")
    assert conforms(*(f"torchmetrics/{name}" for name in names)) == 7 * len(names)


def test_options_are_those_of_all_variants(registry):
    options = registry.find("metric", "torchmetrics/auroc").options
    assert options["task"].choices == ("multiclass", "multilabel", "binary")
    assert sorted(options["average"].choices) == ["macro", "micro", "none", "weighted"]
    assert options["thresholds"].label == "int|list[float] or none"
    assert {"max_fpr", "ignore_index"} <= options.keys()
    assert not {"num_classes", "num_labels", "validate_args", "kwargs"} & options.keys()
    assert registry.find("metric", "torchmetrics/auroc").version.endswith(torchmetrics.__version__)
