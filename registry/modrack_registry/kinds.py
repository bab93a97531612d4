"""The roles a component can play. A kind is data, so that a plugin can add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Kind:
    """A role: its name and what the runner gives to a component that plays it.

    `given` are the names of the positional arguments the runner offers; a component may take fewer.
    `form` says whether its components are functions (called once a run) or classes (an object a use).
    `many` kinds can be chosen several times in a run; `facts` are the keywords its decorator accepts.
    `returns` says in words what a component makes; `methods` are those that its class cannot do without.

    `use` is how a kind that a plugin adds takes part in a run: called as `use(made, rig)` with each chosen component,
    when all else is built and before the first step; docs/plugins.md says what a rig offers.
    """

    name: str
    summary: str
    given: tuple[str, ...] = ()
    form: Literal["function", "class"] = "function"
    many: bool = False
    facts: tuple[str, ...] = ()
    returns: str = ""
    methods: tuple[str, ...] = ()
    use: Callable[[Any, Any], None] | None = field(default=None, compare=False)


BUILT_IN_KINDS = (
    Kind(
        "model",
        "what learns",
        ("data",),
        facts=("takes", "gives"),
        returns="a torch.nn.Module, or a dict of named ones",
    ),
    Kind(
        "dataset",
        "what it learns from",
        ("like",),
        facts=("gives", "target"),
        returns="a datasets.DatasetDict with a split `train`, whose features say what it is",
    ),
    Kind("optimizer", "how weights move", ("params",), returns="a torch.optim.Optimizer over `params`"),
    Kind(
        "scheduler",
        "how the learning rate moves",
        ("optimizer", "steps"),
        returns="something with `step()`, called after each optimizer step, and `state_dict`, `load_state_dict`",
    ),
    Kind(
        "metric",
        "how good it is",
        ("data",),
        form="class",
        many=True,
        facts=("better", "target"),
        returns="an object with `update(outputs…)` and `compute()`; a new one is made for each evaluation",
        methods=("update", "compute"),
    ),
    Kind(
        "task",
        "what training means",
        ("data", "processor"),
        form="class",
        facts=("takes", "target", "needs"),
        returns="a subclass of modrack.Task, with `step`",
        methods=("step",),
    ),
    Kind(
        "callback",
        "what else happens during a run",
        ("data",),
        form="class",
        many=True,
        returns="an object with a method for at least one moment of a run",
    ),
    Kind(
        "exporter",
        "how a trained model leaves",
        ("model", "data", "folder"),
        returns="the path, or a list of the paths, that it wrote below `folder`",
    ),
)

# What the runner gives, in words, by the name of the argument.
GIVEN = {
    "data": "the facts of the dataset: `shape`, `classes`, `sizes`, `columns`, `gives`, `target`, `texts()`",
    "like": "the facts of what a model was trained on, where other data are read for it (evaluate); else None",
    "params": "parameter groups; norms and biases are in one without weight decay",
    "optimizer": "the torch.optim.Optimizer whose learning rate it moves",
    "steps": "how many optimizer steps the run has",
    "processor": "what the model carries to read raw rows (a tokenizer, for instance), or None",
    "model": "the trained torch.nn.Module, in evaluation mode, on the CPU",
    "folder": "a folder to write into, as a pathlib.Path",
}

# What a decorator's keywords mean.
FACTS = {
    "takes": "the sort of input it can do with: `image`, `text`, `audio`, `tabular`; several as a tuple",
    "gives": "the sort it gives: a dataset that of its input, a model that of its output, as `logits`",
    "target": "the sort of what is to be learned: `class`, `classes`, `number`, `tokens`, `text`, `several`, `none`",
    "needs": "what the model must give, as `logits`",
    "better": '`"higher"` or `"lower"`: which value of the metric is the better one',
}
