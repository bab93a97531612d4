"""Spans found on the device are those that a plain reading of the tags finds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn import metrics as sk
from torch.nn.functional import one_hot

from modrack_plugins.spans import are_spans, cut_words, find_spans, write_spans
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("PER", "LOC"))]
NAMES = ("span-f1", "span-precision", "span-recall")


def make(name: str, classes: list[str], **options: Any) -> Any:
    component = REGISTRY.find("metric", name)
    defaults = {each: option.default for each, option in component.options.items()}
    return component.make({"data": SimpleNamespace(target="tokens", classes=classes)}, defaults | options)


def reference(tags: list[str]) -> set[tuple[str, int, int]]:
    """By conlleval's own rules (its functions startOfChunk and endOfChunk), written out one by one."""
    found, begin, kind = set(), 0, ""
    before, type_before = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, type_ = tag.partition("-")
        ends = (
            (before in "BI" and prefix in "BSO")
            or (before in "ES" and before != "O")
            or (before != "O" and type_before != type_)
        )
        starts = prefix != "O" and (prefix in "BS" or before in "ESO" or type_before != type_)
        if kind and ends:
            found.add((kind, begin, place))
            kind = ""
        if starts:
            begin, kind = place, type_
        before, type_before = prefix, type_
    return found


def rows(classes: list[str], count: int = 60, width: int = 14) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tags, guesses that are mostly right, and tokens without a label at the end and in between."""
    generator = torch.Generator().manual_seed(5)
    size = len(classes)
    target = torch.randint(size, (count, width), generator=generator)
    guess = torch.where(torch.rand(count, width, generator=generator) < 0.2, target.roll(1, 1), target)
    hidden = torch.rand(count, width, generator=generator) < 0.2
    hidden |= torch.arange(width) >= torch.randint(1, width + 1, (count, 1), generator=generator)
    return one_hot(guess, size).float(), target.masked_fill(hidden, -100)


@pytest.mark.parametrize("pieces", [[60], [1] * 60, [7, 40, 13]], ids=["whole", "rows", "three"])
@pytest.mark.parametrize("classes", [BIO, BIOES], ids=["bio", "bioes"])
def test_the_device_agrees_with_plain_python(classes: list[str], pieces: list[int]) -> None:
    logits, target = rows(classes)
    right = found = true = 0
    for guessed, wanted in zip(logits.argmax(-1).tolist(), target.tolist(), strict=True):
        pairs = [(classes[w], classes[g]) for w, g in zip(wanted, guessed, strict=True) if w >= 0]
        truth, guess = reference([pair[0] for pair in pairs]), reference([pair[1] for pair in pairs])
        right, found, true = right + len(truth & guess), found + len(guess), true + len(truth)
    assert min(right, found - right, true - right) > 20
    meters = [make(name, classes) for name in NAMES]
    for meter in meters:
        for some, labels in zip(logits.split(pieces), target.split(pieces), strict=True):
            meter.update(some, labels)
    given = [float(meter.compute()) for meter in meters]
    assert given == pytest.approx([2 * right / (found + true), right / found, right / true])


@pytest.mark.parametrize("classes", [BIO, BIOES], ids=["bio", "bioes"])
def test_plain_reading_is_conllevals(classes: list[str]) -> None:
    for row in torch.randint(len(classes), (200, 9), generator=torch.Generator().manual_seed(2)).tolist():
        tags = [classes[number] for number in row]
        assert set(find_spans(tags)) == reference(tags), tags


def test_no_span_anywhere_is_nought_and_not_a_fault() -> None:
    for name in NAMES:
        meter = make(name, BIO)
        assert float(meter.compute()) == 0
        meter.update(one_hot(torch.zeros(2, 4, dtype=torch.int64), 5).float(), torch.zeros(2, 4, dtype=torch.int64))
        assert float(meter.compute()) == 0


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O B-A I-A O B-A", [("A", 1, 3), ("A", 4, 5)]),
        ("I-A I-A B-A I-B", [("A", 0, 2), ("A", 2, 3), ("B", 3, 4)]),  # IOB1
        ("B-A E-A S-A B-B I-B E-B", [("A", 0, 2), ("A", 2, 3), ("B", 3, 6)]),
        ("B-A L-A U-B", [("A", 0, 2), ("B", 2, 3)]),
        ("O O", []),
        ("", []),
    ],
)
def test_schemes(tags: str, spans: list[Any]) -> None:
    words = tags.split()
    assert find_spans(words) == spans
    for scheme in ("bio", "bioes"):
        written = write_spans(spans, len(words), scheme)
        assert find_spans(written) == spans
        assert {tag[0] for tag in written} <= set(f"{scheme.upper()}")
    assert are_spans(words) == bool(spans)


def test_what_is_a_word() -> None:
    text = "Chad's e-mail, from St. Vincent & Côte d’Ivoire (2024)."
    assert [text[start:end] for start, end in cut_words(text)] == [
        "Chad", "'s", "e-mail", ",", "from", "St", ".", "Vincent", "&", "Côte", "d’Ivoire", "(", "2024", ")", "."
    ]  # fmt: skip


def test_classes_that_are_no_tags_are_refused() -> None:
    with pytest.raises(UserError, match=r"no tags as B-PER(.|\n)*NOUN(.|\n)*--metric accuracy"):
        make("span-f1", ["NOUN", "VERB"])


@pytest.mark.parametrize("name", ["accuracy", "f1", "precision", "recall", "matthews", "confusion-matrix"])
def test_metrics_of_classification_count_words(name: str) -> None:
    logits, target = rows(BIO)
    real = target >= 0
    truth, guess = target[real], logits.argmax(-1)[real]
    wanted: Any = {
        "accuracy": lambda: sk.accuracy_score(truth, guess),
        "f1": lambda: sk.f1_score(truth, guess, average="macro"),
        "precision": lambda: sk.precision_score(truth, guess, average="macro"),
        "recall": lambda: sk.recall_score(truth, guess, average="macro"),
        "matthews": lambda: sk.matthews_corrcoef(truth, guess),
        "confusion-matrix": lambda: sk.confusion_matrix(truth, guess),
    }[name]()
    meter = make(name, BIO)
    for some, labels in zip(logits.split(25), target.split(25), strict=True):
        meter.update(some, labels)
    torch.testing.assert_close(meter.compute().double(), torch.as_tensor(wanted).double(), atol=1e-6, rtol=0)


def test_calibration_counts_words() -> None:
    logits, target = rows(BIO)
    real = target >= 0
    words, plain = make("calibration-error", BIO), REGISTRY.find("metric", "calibration-error")
    data = SimpleNamespace(target="class", classes=BIO)
    other = plain.make({"data": data}, {name: option.default for name, option in plain.options.items()})
    words.update(logits, target)
    other.update(logits[real], target[real])
    torch.testing.assert_close(words.compute(), other.compute())
