"""Which figures an evaluation computes: each chosen metric, of every target that it fits where there are several."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modrack.configure.experiment import Choice, Experiment
from modrack.data.facts import Data
from modrack.runner.fit import sorts
from modrack.seam import Task
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean


@dataclass(frozen=True)
class Measure:
    """A metric under the name it is recorded by: its own, after that of the `target` where there are several.

    `data` are the facts of what it measures, `wanted` the outputs it asks for. `shared` where every target has this
    metric and none is a number: their mean is then recorded under the metric's own name.
    """

    choice: Choice
    metric: str
    data: Data
    wanted: tuple[str, ...]
    target: str | None = None
    shared: bool = False

    @property
    def name(self) -> str:
        """`accuracy`, or `mood.accuracy`."""
        return self.metric if self.target is None else f"{self.target}.{self.metric}"

    @property
    def better(self) -> str | None:
        """Whether more of it is better: higher, lower, or None where neither is."""
        better = self.choice.component.facts.get("better")
        return better[0] if isinstance(better, tuple) else better

    def new(self) -> Any:
        """The metric, with nothing counted yet. Raises UserError where it does not fit the data."""
        return self.choice.component.make({"data": self.data}, self.choice.options)

    def outputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """What it asks for of a step's outputs."""
        there = of_target(outputs, self.target)
        return {name: there[name] for name in self.wanted}


def choose_measures(experiment: Experiment, task: Task, component: Component, data: Data) -> list[Measure]:
    """Those of the chosen metrics. Raises UserError for one that asks for an output which the task does not emit.

    Of several targets a metric that fits none is left out of the experiment where it was chosen by default.
    """
    chosen, emitted = experiment.many("metric"), by_target(task.emits)
    made: list[Measure] = []
    mistakes = []
    for choice in chosen:
        wanted, name = wanted_outputs(choice.component), _own_name(choice, chosen)
        fitting = {
            target: data if target is None else data.targets[target]
            for target, outputs in emitted.items()
            if set(wanted) <= set(outputs) and (target is None or _is_for(choice, data.targets[target]))
        }
        # Numbers have units of their own, whose mean would say nothing.
        shared = None not in fitting and len(fitting) == len(emitted)
        shared = shared and all(facts.target != "number" for facts in fitting.values())
        made += [Measure(choice, name, facts, wanted, target, shared) for target, facts in fitting.items()]
        by_default = experiment.origins.get(f"metric.{choice.component.name}", "").startswith("default")
        if not fitting and None not in emitted and by_default:
            experiment.choices["metric"].remove(choice)
        elif not fitting:
            mistakes.append(_unfit(choice, wanted, component, emitted))
    if mistakes:
        raise UserError.collect(mistakes)
    for each in made:
        # Each evaluation makes new ones; what does not fit the data must show before the run starts.
        each.new()
    return made


def by_target(emits: tuple[str, ...] | Mapping[str, tuple[str, ...]]) -> Mapping[Any, tuple[str, ...]]:
    """What a task emits of each of several targets; under None where there is one, or none."""
    return emits if isinstance(emits, Mapping) else {None: emits}


def of_target(outputs: dict[str, Any], target: str | None) -> dict[str, Any]:
    """The outputs of a step that are of one of several targets; all of them where there is none such."""
    found: dict[str, Any] = outputs if target is None else outputs.get(target, {})
    return found


def wanted_outputs(metric: Component) -> tuple[str, ...]:
    """The outputs a metric asks for: the parameter names of its `update`."""
    update: Any = getattr(metric.factory, "update", None)
    if update is None:
        raise UserError(f"{metric.where}: it has no method `update`.", "Write `def update(self, …):` in it.")
    parameters = list(inspect.signature(update).parameters.values())[1:]
    return tuple(each.name for each in parameters if each.default is inspect.Parameter.empty)


def monitored(measures: list[Measure], asked: str | None) -> tuple[str, str]:
    """Which value says what is best, and its good direction: as asked, or the first metric that has one, or the loss.

    Of several targets it is the first metric that is shared. Raises UserError for a value that no evaluation gives.
    """
    known_ways = {f"validation.{name}": better for name, better in _directions(measures).items()}
    if asked is None:
        own = [f"validation.{each.metric}" for each in measures if each.target is None or each.shared]
        return next(((name, known_ways[name]) for name in own if known_ways[name]), ("validation.loss", "lower"))
    full = asked if asked.startswith("validation.") else f"validation.{asked}"
    # A metric that gives several numbers has a name for each, after its own.
    known = next((better for name, better in known_ways.items() if full == name or full.startswith(f"{name}.")), None)
    if known is None:
        raise UserError(f"monitor={asked}: no evaluation gives that.", did_you_mean(full, known_ways))
    return full, known or "lower"


def directions(measures: list[Measure]) -> dict[str, str]:
    """The good direction of every value that a run records, by its whole name."""
    found = {name: better for name, better in _directions(measures).items() if better}
    return {"train.loss": "lower"} | {
        f"{split}.{name}": better for split in ("validation", "test") for name, better in found.items()
    }


def _directions(measures: list[Measure]) -> dict[str, str]:
    means = {each.metric: each.better or "" for each in measures if each.shared}
    losses = {f"{each.target}.loss": "lower" for each in measures if each.target is not None}
    return {"loss": "lower"} | {each.name: each.better or "" for each in measures} | means | losses


def _is_for(choice: Choice, facts: Data) -> bool:
    targets = sorts(choice.component, "target")
    return not targets or facts.target in targets


def _unfit(
    choice: Choice, wanted: tuple[str, ...], component: Component, emitted: Mapping[Any, tuple[str, ...]]
) -> UserError:
    if None not in emitted:
        told = "; ".join(f"{name}: {', '.join(some)}" for name, some in emitted.items())
        return UserError(
            f"{choice.component.where} fits no target; it asks for {', '.join(wanted)}.",
            f"Task {component.name} emits {told}. Choose another metric.",
        )
    there = emitted[None]
    missing = [each for each in wanted if each not in there]
    return UserError(
        f"{choice.component.where} asks for {', '.join(missing)}, which task {component.name} does not emit.",
        f"It emits {', '.join(there) or 'nothing'}: call update's parameters so, or choose another metric.",
    )


def _own_name(choice: Choice, chosen: list[Choice]) -> str:
    """The bare name, or the full one where two metrics share it."""
    name = choice.component.name
    return name if sum(each.component.name == name for each in chosen) == 1 else choice.component.full
