"""What a dataset says about itself: the facts that model, task and metric factories receive as `data`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from modrack.data.rows import chunks
from modrack.data.sorts import INPUTS, SAID, categories, class_names, input_sort, is_words, target_sorts
from modrack.data.splits import is_stream, three_splits
from modrack.data.statistics import of_numbers, of_pixels, of_table
from modrack_registry.errors import UserError


@dataclass
class Data:
    """Facts of a dataset; nobody wires a number of classes by hand.

    `gives` and `target` are sorts, `input` and `label` their columns. `classes` are the names of the target's classes;
    of a target that is a text they are the characters of train's, after an empty one that stands for none. `shape` is
    that of one example, channels first for images, None for texts and sounds. `sizes` are rows a split, None for a
    stream; `cuts` say how missing splits were made. `mean` and `std` are from train: per channel of pixels / 255, per
    column of a table. When a model is built anew for a stored run, `restore` is the folder of its checkpoint: a factory
    that reads files or trains a tokenizer looks there instead.
    """

    gives: str
    target: str
    input: str
    label: str | None
    shape: tuple[int, ...] | None
    classes: list[str] | None
    sizes: dict[str, int | None]
    cuts: dict[str, str]
    features: Any
    restore: Path | None = None
    _train: Any = field(default=None, repr=False)
    _statistics: tuple[list[float], list[float]] | None = field(default=None, repr=False)
    # Of a target that is a number; of several, those that are, by name.
    _target: tuple[float, float] | None = field(default=None, repr=False)
    _targets: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return list(self.features)

    @property
    def sample_rate(self) -> int | None:
        """Samples a second of sounds."""
        return getattr(self.features[self.input], "sampling_rate", None)

    @property
    def mean(self) -> list[float] | None:
        """Mean of pixels / 255 by channel, or of numbers by column of a table; 0 for a column of categories."""
        return self._moments[0] if self._moments else None

    @property
    def std(self) -> list[float] | None:
        """Standard deviation likewise; 1 for a column of categories, or of one number throughout."""
        return self._moments[1] if self._moments else None

    @property
    def target_mean(self) -> float | None:
        """Mean of the target in train, where it is a number."""
        return self._target_moments[0] if self._target_moments else None

    @property
    def target_std(self) -> float | None:
        """Standard deviation of the target in train, where it is a number."""
        return self._target_moments[1] if self._target_moments else None

    @property
    def outputs(self) -> int:
        """How many numbers a model's head gives for a row: one a class (of all targets), or one for a number."""
        if self.targets:
            return sum(each.outputs for each in self.targets.values())
        return len(self.classes) if self.classes else 1

    @property
    def targets(self) -> dict[str, Data]:
        """Each of several targets by its name, as the facts there would be if it were the only one.

        Its column is `rows["label.name"]`. Empty where there is one target, or none.
        """
        return self._single if self.target == "several" else {}

    @cached_property
    def _single(self) -> dict[str, Data]:
        made = {}
        for name, feature in self.features[self.label].items():
            label = f"{self.label}.{name}"
            features = {column: each for column, each in self.features.items() if column != self.label}
            made[name] = replace(
                self,
                target=target_sorts(feature, is_words(self.features[self.input]))[0],
                label=label,
                classes=class_names(feature),
                features=type(self.features)(features | {label: feature}),
                _target=self._targets.get(name),
                _targets={},
            )
        return made

    @property
    def inputs(self) -> list[str]:
        """The names of a table row's columns, in their order; empty where they have none."""
        feature = self.features[self.input]
        return list(feature) if isinstance(feature, dict) else []

    @property
    def categories(self) -> dict[int, list[str]]:
        """Of a table: the names of each column that holds categories, by its place in the row."""
        return categories(self.features[self.input])

    @cached_property
    def _moments(self) -> tuple[list[float], list[float]] | None:
        if self._statistics is not None or self._train is None:
            return self._statistics
        if self.gives == "tabular":
            return of_table(self._train, self.input, self.categories)
        return of_pixels(self._train, self.input) if self.gives == "image" else None

    @cached_property
    def _target_moments(self) -> tuple[float, float] | None:
        if self._target is not None or self._train is None or self.target != "number" or self.label is None:
            return self._target
        return of_numbers(self._train, self.label)

    def texts(self, limit: int | None = None) -> Iterator[str]:
        """The texts of the train split, to train a tokenizer on; words with spaces between."""
        from modrack.data.encoding import whole

        left = limit
        for rows in chunks(self._train, 8192):
            for text in rows[self.input]:
                if left is not None and left <= 0:
                    return
                yield whole(text)
                left = None if left is None else left - 1

    def forget_target(self) -> None:
        """Be data that have an input and nothing else."""
        self.target, self.label, self.classes = "none", None, None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `from_dict` reads it back, without the rows."""
        return {
            "gives": self.gives,
            "target": self.target,
            "input": self.input,
            "label": self.label,
            "shape": list(self.shape) if self.shape is not None else None,
            "classes": self.classes,
            "sizes": self.sizes,
            "cuts": self.cuts,
            "features": self.features.to_dict(),
            "mean": self.mean,
            "std": self.std,
            "target_mean": self.target_mean,
            "target_std": self.target_std,
            "targets": {
                name: [each.target_mean, each.target_std]
                for name, each in self.targets.items()
                if each.target == "number"
            },
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Data:
        """What `to_dict` gave."""
        from datasets import Features

        facts = {**stored, "features": Features.from_dict(stored["features"])}
        facts.pop("digests", None)  # of what a run was shown
        facts["shape"] = tuple(facts["shape"]) if facts["shape"] is not None else None
        mean, std = facts.pop("mean"), facts.pop("std")
        middle, spread = facts.pop("target_mean", None), facts.pop("target_std", None)
        single = facts.pop("targets", {})
        return cls(
            **facts,
            _statistics=(mean, std) if mean is not None else None,
            _target=(middle, spread) if middle is not None else None,
            _targets={name: (mean, std) for name, (mean, std) in single.items()},
        )


def derive(
    made: Any,
    *,
    name: str,
    gives: Any = None,
    target: Any = None,
    split_seed: int = 0,
    validation_share: float | None = None,
    limit: int | None = None,
    file: str = "",
) -> tuple[Data, dict[str, Any]]:
    """Facts and splits of what the dataset component `name` returned. Raises UserError for what it should not be.

    `gives` and `target` are the sorts it declares, in `file`; they decide where its features allow several readings.
    """
    splits, cuts = three_splits(made, name, split_seed, limit, validation_share)
    features = splits["train"].features
    if features is None:
        raise UserError(f"dataset {name}: its stream has no features.", "Give them, as in cast(Features({…})).")
    column, sort = _input(features, _tuple(gives), f"{name} ({file})" if file else name)
    label, target_sort = _label(features, column, _tuple(target), f"{name} ({file})" if file else name)
    classes = class_names(features[label]) if label is not None else None
    if target_sort == "text" and label is not None:
        classes = [
            "",
            *sorted({each for rows in chunks(splits["train"], 8192) for text in rows[label] for each in text}),
        ]
    if classes is not None and len(classes) < 2:
        raise UserError(
            f"dataset {name}: there is one class only ({', '.join(classes)}).", "It takes two to tell apart."
        )
    return (
        Data(
            gives=sort,
            target=target_sort,
            input=column,
            label=label,
            shape=_shape(splits["train"], column, sort, name),
            classes=classes,
            sizes={split: None if is_stream(rows) else len(rows) for split, rows in splits.items()},
            cuts=cuts,
            features=features,
            _train=splits["train"],
        ),
        splits,
    )


def _input(features: Any, gives: tuple[str, ...], name: str) -> tuple[str, str]:
    """The input column and its sort: the first column that holds a declared sort.

    Lists of words come last: beside a text they are its keywords, or the like.
    """
    order = sorted(features, key=lambda column: is_words(features[column]))
    sorts = {column: input_sort(features[column]) for column in order}
    for column, sort in sorts.items():
        if sort is not None and (not gives or sort in gives):
            return column, sort
    wanted = " or ".join(gives or INPUTS)
    others = dict.fromkeys(sort for sort in sorts.values() if sort is not None)
    instead = "".join(f' Write gives="{sort}".' for sort in list(others)[:1])
    raise UserError(f"dataset {name}: no column holds {wanted}.", _columns(features) + instead)


def _label(features: Any, column: str, target: tuple[str, ...], name: str) -> tuple[str | None, str]:
    """The target's column and its sort."""
    worded = is_words(features[column])
    for other, feature in features.items():
        for sort in target_sorts(feature, worded):
            if other != column and (sort in target if target else sort not in SAID):
                return other, sort
    if not target or "none" in target:
        return None, "none"
    others = [
        sort
        for other, feature in features.items()
        if other != column
        for sort in target_sorts(feature)
        if sort not in SAID
    ]
    raise UserError(
        f"dataset {name}: no column holds a target ({' or '.join(target)}).",
        _columns(features) + f' Write target="{others[0] if others else "none"}", or add the column.',
    )


def _shape(train: Any, column: str, sort: str, name: str) -> tuple[int, ...] | None:
    """The shape of one example as a model gets it."""
    if sort in ("text", "audio"):
        return None
    rows = next(chunks(train, 1, "train"), None)
    if rows is None:
        raise UserError(f"dataset {name}: its split 'train' has no rows.")
    return tuple(int(size) for size in rows[column].shape[1:])


def _columns(features: Any) -> str:
    return "Its columns: " + ", ".join(f"{name} ({_spelled(feature)})" for name, feature in features.items()) + "."


def _spelled(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def _tuple(sorts: Any) -> tuple[str, ...]:
    return (sorts,) if isinstance(sorts, str) else tuple(sorts or ())
