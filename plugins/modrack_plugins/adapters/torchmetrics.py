"""The metrics of torchmetrics that judge classes or numbers: `--metric torchmetrics/cohen-kappa`.

How many classes there are, and which variant is wanted, come from the data: multilabel where rows have several
classes; binary where there are two, of which the second is the positive one; else multiclass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import modrack
from modrack_plugins.adapters.signatures import Options, carry, either, option, options_of, spelled, summary_of

if TYPE_CHECKING:
    from modrack import Data

_TASKS = ("multiclass", "multilabel", "binary")
_REFUSED = {
    "cosine-similarity": "it compares vectors, and a row has one number.",
    "continuous-ranked-probability-score": "it judges several guesses a row, and a model gives one.",
    "cluster-accuracy": "it needs the package torch_linear_assignment. See torchmetrics/accuracy.",
    "kl-divergence": "it compares distributions, and a row has one class or number.",
    "jensen-shannon-divergence": "it compares distributions, and a row has one class or number.",
}
# Filled from the data, or of no use where a row has one class or one number.
_SKIP = ("num_classes", "num_labels", "num_outputs", "validate_args", "multidim_average", "multioutput")
_SKIP_MORE = {"classification": ("normalization",), "regression": ("keep_sequence_dim",), "labels": ()}
_EXAMPLES: dict[str, Any] = {
    "beta": 0.5,
    "min_recall": 0.5,
    "min_precision": 0.5,
    "min_sensitivity": 0.5,
    "min_specificity": 0.5,
}


@dataclass(frozen=True)
class Found:
    """One metric: what it judges, and its classes, by task where it has variants and under "" where not."""

    sort: str
    classes: dict[str, Any]

    @property
    def first(self) -> Any:
        return next(iter(self.classes.values()))


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """torchmetrics/* among the metrics."""
    return [modrack.Family("metric", "torchmetrics", _names, _make, library="torchmetrics", refused=_REFUSED)]


def _names() -> dict[str, str]:
    return {name: _summary(name, found) for name, found in _found().items() if name not in _REFUSED}


def _summary(name: str, found: Found) -> str:
    said = summary_of(found.first)
    for task in _TASKS:
        said = re.sub(rf"(?: score)? for {task}(?: classification)? tasks?$", "", said)
    return said


def _found() -> dict[str, Found]:
    """All that fits, by name."""
    from torchmetrics import classification, clustering, nominal, regression

    variants: dict[str, dict[str, Any]] = {}
    for task in _TASKS:
        for name in classification.__all__:
            made = getattr(classification, name)
            # Multiclass exact match is for rows that are sequences.
            if name.startswith(task.capitalize()) and _judges(made) and name != "MulticlassExactMatch":
                variants.setdefault(spelled(name.removeprefix(task.capitalize())), {})[task] = made
    found = {name: Found("classification", classes) for name, classes in variants.items()}
    for sort, modules in (("regression", [regression]), ("labels", [clustering, nominal])):
        for module in modules:
            made = {name: getattr(module, name) for name in module.__all__}
            found |= {spelled(name): Found(sort, {"": each}) for name, each in made.items() if _judges(each)}
    return dict(sorted(found.items()))


def _judges(made: Any) -> bool:
    """Whether it compares what a model says with what is true, and asks for nothing else."""
    import inspect

    names = list(inspect.signature(made.update).parameters)
    return names in (["self", "preds", "target"], ["self", "preds", "targets"])


def _make(name: str) -> Any:
    from modrack_plugins.adapters.meters import Meter, NumberMeter

    found = _found()[name]
    options = _options(found)

    def start(self: Meter, data: Data, **options: Any) -> None:
        Meter.__init__(self, data, f"torchmetrics/{name}", found.sort, found.classes, options)

    title = found.first.__name__.removeprefix(next(iter(found.classes)).capitalize())
    doc = f"{_summary(name, found)}.\n\n{', '.join(each.__name__ for each in found.classes.values())} of torchmetrics."
    init = carry(start, ("self", "data"), options)
    base = NumberMeter if found.sort == "regression" else Meter
    made = type(title, (base,), {"__init__": init, "__doc__": doc, "__module__": __name__})
    better = {True: "higher", False: "lower"}.get(found.first.higher_is_better)
    facts: dict[str, Any] = {"target": _targets(found)} | ({} if better is None else {"better": better})
    required = [each.name for each in options.values() if each.default is each.empty]
    example = {each: _EXAMPLES.get(each, 1.5) for each in required}
    return modrack.metric(example=example, **facts)(made)


def _targets(found: Found) -> tuple[str, ...]:
    """The sorts of target that it can judge."""
    if found.sort != "classification":
        return ("number",) if found.sort == "regression" else ("class",)
    one = {"multiclass", "binary"} & found.classes.keys()
    return (*(("class",) if one else ()), *(("classes",) if "multilabel" in found.classes else ()))


def _options(found: Found) -> Options:
    """Those of all variants together; where they differ, a choice may be any of them."""
    whole: Options = {}
    if len(found.classes) > 1:
        tasks = Literal[tuple(found.classes)] | None  # type: ignore[valid-type]
        whole["task"] = option("task", tasks, None, "which variant; none: what fits the data")
    for made in found.classes.values():
        skip = (*_SKIP, *_SKIP_MORE[found.sort])
        for name, each in options_of(made.__init__, made.__doc__, skip).items():
            if name in whole:
                kind, text = _parts(whole[name])
                each = option(name, either(kind, _parts(each)[0]), whole[name].default, text)
            whole[name] = each
    return whole


def _parts(parameter: Any) -> tuple[Any, str]:
    """The type and the help of an option."""
    extras = getattr(parameter.annotation, "__metadata__", ())
    return (parameter.annotation.__origin__, extras[0]) if extras else (parameter.annotation, "")
