"""The built-in metrics give what scikit-learn gives, however the rows come in batches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
ROWS = 150
PIECES = ([ROWS], [50, 1, 99], [1] * ROWS)


def make(name, target, classes, **options):
    component = REGISTRY.find("metric", name)
    defaults = {each: option.default for each, option in component.options.items()}
    data = SimpleNamespace(target=target, classes=[f"class {number}" for number in range(classes)])
    return component.make({"data": data}, defaults | options)


def value(meter, logits, truth, pieces=PIECES[1]):
    for some, right in zip(logits.split(pieces), truth.split(pieces), strict=True):
        meter.update(some, right)
    return meter.compute()


def rows(classes, absent=()):
    """Logits and classes of ROWS rows; `absent` classes are neither guessed nor true."""
    generator = torch.Generator().manual_seed(11)
    logits = 2 * torch.randn(ROWS, classes, generator=generator)
    noisy = logits + 2 * torch.randn(ROWS, classes, generator=generator)
    for each in absent:
        logits[:, each] = noisy[:, each] = -50
    return logits, noisy.argmax(1)


def several(classes):
    logits, _ = rows(classes)
    noise = torch.randn(ROWS, classes, generator=torch.Generator().manual_seed(2))
    return logits, (logits + 2 * noise > 0).float()


AVERAGED = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}


@pytest.mark.parametrize("pieces", PIECES, ids=["whole", "three", "single rows"])
@pytest.mark.parametrize(("classes", "absent"), [(5, ()), (2, ()), (5, (1, 3))], ids=["five", "two", "absent"])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("name", list(AVERAGED))
def test_averages(name, average, classes, absent, pieces):
    logits, truth = rows(classes, absent)
    wanted = AVERAGED[name](truth, logits.argmax(1), average=average, zero_division=0)
    found = value(make(name, "class", classes, average=average), logits, truth, pieces)
    assert float(found) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("pieces", PIECES, ids=["whole", "three", "single rows"])
def test_accuracy(pieces):
    for classes in (2, 5):
        logits, truth = rows(classes)
        guess = logits.argmax(1)
        assert float(value(make("accuracy", "class", classes), logits, truth, pieces)) == pytest.approx(
            sk.accuracy_score(truth, guess)
        )
        assert float(
            value(make("accuracy", "class", classes, average="macro"), logits, truth, pieces)
        ) == pytest.approx(sk.balanced_accuracy_score(truth, guess), abs=1e-6)


def test_a_class_that_is_guessed_and_never_true_or_true_and_never_guessed():
    logits, truth = rows(4)
    truth = truth.clone()
    truth[truth == 2] = 0
    guess = logits.argmax(1)
    for name, own in AVERAGED.items():
        found = value(make(name, "class", 4, average="macro"), logits, truth)
        assert float(found) == pytest.approx(own(truth, guess, average="macro", zero_division=0), abs=1e-6), name
    logits[:, 1] = -50
    guess = logits.argmax(1)
    for name, own in AVERAGED.items():
        found = value(make(name, "class", 4, average="macro"), logits, truth)
        assert float(found) == pytest.approx(own(truth, guess, average="macro", zero_division=0), abs=1e-6), name


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k):
    logits, truth = rows(5)
    wanted = sk.top_k_accuracy_score(truth, logits, k=k)
    assert float(value(make("top-k-accuracy", "class", 5, k=k), logits, truth)) == pytest.approx(wanted, abs=1e-6)


def test_top_k_of_more_than_there_are_is_all_of_them():
    logits, truth = rows(3)
    assert float(value(make("top-k-accuracy", "class", 3), logits, truth)) == 1
    with pytest.raises(UserError, match="have no top k"):
        make("top-k-accuracy", "classes", 3)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auroc(average):
    logits, truth = rows(4)
    exact = sk.roc_auc_score(truth, logits.softmax(1), multi_class="ovr", average=average)
    # The curve has so many points that little is lost between them.
    assert float(value(make("auroc", "class", 4, average=average, thresholds=5000), logits, truth)) == pytest.approx(
        exact, abs=2e-3
    )
    assert float(value(make("auroc", "class", 4, average=average), logits, truth)) == pytest.approx(exact, abs=2e-2)


def test_matthews():
    for classes, absent in ((5, ()), (2, ()), (5, (0,))):
        logits, truth = rows(classes, absent)
        wanted = sk.matthews_corrcoef(truth, logits.argmax(1))
        assert float(value(make("matthews", "class", classes), logits, truth)) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion_matrix(normalize):
    logits, truth = rows(4)
    wanted = sk.confusion_matrix(truth, logits.argmax(1), normalize=normalize)
    found = value(make("confusion-matrix", "class", 4, normalize=normalize), logits, truth)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_confusion_matrix_has_a_place_for_absent_classes():
    logits, truth = rows(4, absent=(2,))
    found = value(make("confusion-matrix", "class", 4), logits, truth)
    np.testing.assert_array_equal(found.numpy(), sk.confusion_matrix(truth, logits.argmax(1), labels=range(4)))


@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("pieces", PIECES, ids=["whole", "three", "single rows"])
def test_calibration_error_by_hand(bins, pieces):
    logits, truth = rows(5)
    sure, guess = logits.softmax(1).max(1)
    right = (guess == truth).double()
    gap = 0.0
    for lower in range(bins):
        inside = (sure * bins).long().clamp(max=bins - 1) == lower
        if inside.any():
            gap += float(abs(right[inside].mean() - sure[inside].double().mean()) * inside.double().mean())
    found = value(make("calibration-error", "class", 5, bins=bins), logits, truth, pieces)
    assert float(found) == pytest.approx(gap, abs=1e-6)


@pytest.mark.parametrize("pieces", PIECES, ids=["whole", "three", "single rows"])
def test_rows_with_several_classes(pieces):
    logits, truth = several(3)
    guess = (logits > 0).int()
    for name, own in AVERAGED.items():
        for average in ("micro", "macro", "weighted"):
            found = value(make(name, "classes", 3, average=average), logits, truth, pieces)
            wanted = own(truth.int(), guess, average=average, zero_division=0)
            assert float(found) == pytest.approx(wanted, abs=1e-6), (name, average)
    assert float(value(make("accuracy", "classes", 3), logits, truth, pieces)) == pytest.approx(
        float((guess == truth).float().mean())
    )
    assert float(value(make("auroc", "classes", 3, thresholds=5000), logits, truth, pieces)) == pytest.approx(
        sk.roc_auc_score(truth, logits.sigmoid(), average="macro"), abs=2e-3
    )
    np.testing.assert_array_equal(
        value(make("confusion-matrix", "classes", 3), logits, truth, pieces).numpy(),
        sk.multilabel_confusion_matrix(truth.int(), guess),
    )


def test_calibration_of_several_classes_looks_at_every_label():
    logits, truth = several(3)
    shares = logits.sigmoid().flatten()
    sure = torch.maximum(shares, 1 - shares)
    right = ((shares >= 0.5) == (truth.flatten() >= 0.5)).double()
    found = value(make("calibration-error", "classes", 3, bins=1), logits, truth)
    assert float(found) == pytest.approx(float(abs(right.mean() - sure.double().mean())), abs=1e-6)


def test_half_precision_logits():
    logits, truth = rows(5)
    for name in ("accuracy", "f1", "calibration-error", "auroc"):
        short, whole = (value(make(name, "class", 5), each, truth) for each in (logits.bfloat16(), logits))
        assert float(short) == pytest.approx(float(whole), abs=3e-2), name


def test_directions():
    better = {each.name: each.facts.get("better") for each in REGISTRY.components("metric")}
    assert better.pop("confusion-matrix") is None
    assert better.pop("calibration-error") == ("lower",)
    for name in ("accuracy", "f1", "precision", "recall", "auroc", "matthews", "top-k-accuracy"):
        assert better[name] == ("higher",)
