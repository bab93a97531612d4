"""What is known of a run when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class RunStart:
    """The facts of a new run.

    `config` is the resolved configuration, the truth; `params` every option and setting by its path; `components` are
    dicts of kind, name, full, plugin, version and digest; `git` has commit, dirty, diff and remote; `started` is
    seconds since 1970 where it is not now, as in an import.
    """

    config: dict[str, Any]
    params: dict[str, Any]
    components: list[dict[str, Any]]
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    seed: int | None = None
    git: dict[str, Any] | None = None
    packages: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    parent: int | None = None
    started: float | None = None

    def chosen(self, kind: str) -> str | None:
        """The bare name of the first component of `kind`."""
        return next((str(each["name"]) for each in self.components if each["kind"] == kind), None)
