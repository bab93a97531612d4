"""The roles a component can play. A kind is data, so that a plugin can add one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """A role: its name and what the runner gives to a component that plays it.

    `given` are the names of the positional arguments the runner offers; a component may take fewer.
    `form` says whether its components are functions (called once a run) or classes (an object a use).
    `many` kinds can be chosen several times in a run; `facts` are the keywords its decorator accepts.
    """

    name: str
    summary: str
    given: tuple[str, ...] = ()
    form: Literal["function", "class"] = "function"
    many: bool = False
    facts: tuple[str, ...] = ()


BUILT_IN_KINDS = (
    Kind("model", "what learns", ("data",), facts=("takes", "gives")),
    Kind("dataset", "what it learns from", facts=("gives", "target")),
    Kind("optimizer", "how weights move", ("params",)),
    Kind("scheduler", "how the learning rate moves", ("optimizer", "steps")),
    Kind("metric", "how good it is", ("data",), form="class", many=True, facts=("better", "target")),
    Kind("task", "what training means", ("data", "processor"), form="class", facts=("takes", "target", "needs")),
    Kind("callback", "what else happens during a run", ("data",), form="class", many=True),
    Kind("exporter", "how a trained model leaves", ("model", "data", "folder")),
)
