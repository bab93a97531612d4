"""What a dataset must hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from modrack.data.facts import Data, derive
from modrack.data.rows import chunks
from modrack.runner.fit import sorts
from modrack.testing.kit import CheckFailed
from modrack.testing.subject import Subject

# More rows than this are not compared: they would take longer than they teach.
ROWS = 20_000


def check_splits_and_features(subject: Subject) -> None:
    """It has rows to train on, of the sort and target that the decorator declares."""
    data, splits = load(subject)
    for fact, value in (("gives", data.gives), ("target", data.target)):
        declared = sorts(subject.component, fact)
        if declared and value not in declared:
            raise CheckFailed(
                f"{subject.component.file}: it declares {fact}={declared!r}, and its features say {value!r}"
            )
    for name in ("train", "validation", "test"):
        if name not in splits:
            raise CheckFailed(f"{subject.component.file}: there is no split {name!r}")


def check_is_not_empty(subject: Subject) -> None:
    """Every split has rows."""
    data, _ = load(subject)
    for name, size in data.sizes.items():
        if size == 0:
            raise CheckFailed(f"{subject.component.file}: the split {name!r} is empty")


def check_is_deterministic(subject: Subject) -> None:
    """Made twice, it has the same rows in the same order."""
    digests = []
    for _ in range(2):
        data, splits = load(subject)
        digests.append({name: list(_inputs(split, data)) for name, split in splits.items()})
    for name in digests[0]:
        if digests[0][name] != digests[1][name]:
            raise CheckFailed(
                f"{subject.component.file}: made twice, the split {name!r} has other rows; seed what it draws"
            )


def check_train_and_test_share_no_rows(subject: Subject) -> None:
    """What is tested was not learned: no input is in both train and test."""
    data, splits = load(subject)
    train, test = (set(_inputs(splits[name], data)) for name in ("train", "test"))
    shared = len(train & test)
    if shared:
        raise CheckFailed(f"{subject.component.file}: {shared} of {len(test)} test inputs are in train too")


def load(subject: Subject) -> tuple[Data, dict[str, Any]]:
    """Facts and splits, as a run would see them."""
    facts = subject.component.facts
    made = subject.make()
    return derive(
        made,
        name=subject.component.full,
        gives=facts.get("gives"),
        target=facts.get("target"),
        file=subject.component.file,
    )


def _inputs(split: Any, data: Data) -> Iterator[str]:
    """A digest of each row's input, and of its target: two rows are one where both are."""
    seen = 0
    for rows in chunks(split, 4096):
        for value in rows[data.input]:
            text = value.tobytes() if hasattr(value, "tobytes") else repr(value).encode()
            yield hashlib.blake2b(text, digest_size=12).hexdigest()
        seen += len(rows)
        if seen >= ROWS:
            return
