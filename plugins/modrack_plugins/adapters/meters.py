"""One of torchmetrics' metrics, fed with what a task emits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class Meter:
    """Holds the variant that fits the data. Raises UserError where none does, or it lacks an option that is set."""

    def __init__(self, data: Data, name: str, sort: str, classes: dict[str, Any], options: dict[str, Any]) -> None:
        import inspect

        self.task = _task(data, name, sort, classes, options.pop("task", None))
        made = classes.get(self.task) or classes[""]
        known = inspect.signature(made.__init__).parameters
        filled = {"num_classes": len(data.classes or ()), "num_labels": len(data.classes or ())}
        own = {key: value for key, value in (options | filled).items() if key in known}
        for key in options.keys() - own.keys():
            other = next(each for each in classes.values() if key in inspect.signature(each.__init__).parameters)
            if options[key] != inspect.signature(other.__init__).parameters[key].default:
                others = [task for task, each in classes.items() if key in inspect.signature(each.__init__).parameters]
                raise modrack.UserError(
                    f"metric.{name}.{key}: for {self.task} data torchmetrics has no such option.",
                    f"Leave it out, or write metric.{name}.task={' or '.join(others)}.",
                )
        try:
            self.meter = made(**own)
        except (ValueError, TypeError, ImportError) as error:
            raise modrack.UserError(f"metric {name}: {' '.join(str(error).split())}") from None
        # It has looked at the options; to look at the values of each batch would wait for the device.
        self.meter.validate_args = False

    def to(self, device: Any) -> None:
        """Move what has been summed up."""
        self.meter.to(device)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """`logits` (rows, classes); `target` (rows,), or one 0 or 1 a class."""
        self.meter.update(_predictions(self.task, logits, target), target.long())

    def compute(self) -> Any:
        """The value over all rows since it was made; nested lists where torchmetrics gives several tensors."""
        return _listed(self.meter.compute())


class NumberMeter(Meter):
    """One that judges numbers, in the units of the data."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """`prediction` and `target`: (rows,)."""
        self.meter.update(prediction, target)


def _task(data: Data, name: str, sort: str, classes: dict[str, Any], asked: str | None) -> str:
    """What the predictions have to look like: one of torchmetrics' tasks, labels, or number."""
    wanted = {"regression": ("number",), "labels": ("class",)}.get(sort, ("class", "classes"))
    if data.target not in wanted:
        raise modrack.UserError(
            f"metric {name} judges {'numbers' if sort == 'regression' else 'classes'}; the data's target is "
            f"{data.target}.",
            "See `modrack list metric 'torchmetrics/*'`.",
        )
    if sort != "classification":
        return "number" if sort == "regression" else "labels"
    several, two = data.target == "classes", len(data.classes or ()) == 2
    fitting = ["multilabel"] if several else ["binary", "multiclass"] if two else ["multiclass"]
    found = [task for task in fitting if task in classes and asked in (None, task)]
    if found:
        return found[0]
    having = ", ".join(classes)
    raise modrack.UserError(
        f"metric {name}{f' with task={asked}' if asked else ''} does not fit: "
        + ("a row has several classes." if several else f"a row has one of {len(data.classes or ())} classes."),
        f"It is there for {having}." if asked is None else f"What fits: {' or '.join(fitting)}; it has {having}.",
    )


def _predictions(task: str, logits: Tensor, target: Tensor) -> Tensor:
    # Probabilities, since torchmetrics would otherwise look at the values to see whether they are some.
    if task == "multilabel":
        return logits.sigmoid()
    if task == "labels":
        return logits.argmax(-1)
    if task == "multiclass":
        return logits.softmax(-1)
    return logits.softmax(-1)[:, 1] if logits.shape[-1] == 2 else logits.reshape(target.shape).sigmoid()


def _listed(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_listed(each).tolist() if hasattr(each, "tolist") else _listed(each) for each in value]
    return value
