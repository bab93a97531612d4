"""Running a past run again: from what is kept of it, and with what differs now said first."""

from __future__ import annotations

from pathlib import Path

from modrack.configure.experiment import Experiment
from modrack.configure.settings import settings_options
from modrack.runner.provenance import git_state, machine, packages
from modrack.runner.report import Reporter, Silent
from modrack.runner.resumption import component_changes, data_changes
from modrack.runner.rig import Rig
from modrack.runner.session import run
from modrack_registry.errors import UserError
from modrack_registry.store import Run

# A line each; what is left out is counted.
_MOST = 6
# Settings that change nothing in what is computed.
_LABELS = ("name", "tags", "diff")


def rerun(
    past: Run,
    experiment: Experiment,
    *,
    home: Path | None = None,
    exact: bool = False,
    command: list[str] | None = None,
    report: Reporter | None = None,
    queue: bool = False,
) -> Run | None:
    """Train `experiment`, made from `past`, as a new run whose parent it is. Says what is different now.

    Raises UserError where `exact` is asked for and anything is.
    """
    report = report or Silent()

    def accept(rig: Rig) -> None:
        found = differences(past, rig)
        if found and exact:
            raise UserError(
                f"Run {past.id} cannot be run again exactly. What is different now:\n" + "\n".join(_few(found)),
                "Leave --exact out to run it as things are now.",
            )
        for line in _few(found):
            report.note(f"different from run {past.id}: {line.strip()}")

    return run(experiment, home=home, command=command, report=report, parent=past.id, accept=accept, queue=queue)


def differences(past: Run, rig: Rig) -> list[str]:
    """In words, what is not as it was in run `past`: options, parts, data, code, packages, machine."""
    found = [f"  {path} was {past.params.get(path)!r}, is {value!r}" for path, value in _changed(past, rig.experiment)]
    found += component_changes(past, rig.experiment) + data_changes(past, rig)
    was, now = past.git or {}, git_state() or {}
    if was.get("commit") != now.get("commit"):
        found.append(f"  the commit was {_short(was.get('commit'))}, is {_short(now.get('commit'))}")
    elif was.get("diff") != now.get("diff"):
        found.append("  the uncommitted changes are not the same")
    installed = packages()
    found += [
        f"  {name} was {version}, is {installed.get(name, 'not installed')}"
        for name, version in past.packages.items()
        if installed.get(name) != version
    ]
    here = machine()
    found += [
        f"  the {name} was {past.hardware.get(name)}, is {here[name]}"
        for name in ("accelerator", "name", "cpu", "cores", "python")
        if past.hardware.get(name) != here[name]
    ]
    return found


def _changed(past: Run, experiment: Experiment) -> list[tuple[str, object]]:
    def plain(value: object) -> object:
        return list(value) if isinstance(value, tuple) else value

    # A setting that there was not yet was what it is by default.
    before = {path: option.default for path, option in settings_options().items()} | past.params
    return [
        (path, value)
        for path, value in experiment.params().items()
        if path not in _LABELS and (path not in before or plain(before[path]) != plain(value))
    ]


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[: _MOST - 1], f"  and {len(lines) - _MOST + 1} things more"]


def _short(commit: str | None) -> str:
    return commit[:12] if commit else "none"
