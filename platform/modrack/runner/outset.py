"""What is told and kept of a run before its first step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modrack.runner.provenance import environment, git_state, machine, packages, redact
from modrack.runner.rig import Rig
from modrack_registry.store import RunStart


def started_facts(rig: Rig) -> dict[str, Any]:
    """What a person wants to see first."""
    one = rig.experiment.one
    return {
        "name": rig.experiment.settings.name,
        "model": rig.model_name,
        "dataset": one("dataset").component.name,  # type: ignore[union-attr]
        "task": one("task").component.name,  # type: ignore[union-attr]
        "optimizer": one("optimizer").component.name if one("optimizer") else None,  # type: ignore[union-attr]
        "rows": dict(rig.data.sizes),
        "cuts": dict(rig.data.cuts),
        "classes": len(rig.data.classes) if rig.data.classes else None,
        "parameters": rig.parameters,
        "device": rig.plan["device"],
        "precision": rig.plan["precision"],
        "batch_size": rig.experiment.settings.batch_size,
        "batch_tokens": rig.experiment.settings.batch_tokens,
        "steps": rig.total_steps,
        "epochs": rig.total_steps / rig.feeders["train"].steps,
    }


def run_start(rig: Rig, command: list[str], parent: int | None) -> RunStart:
    """What the database is told of a run that begins by `command`, and repeats the run `parent`."""
    experiment = rig.experiment
    chosen = [choice for choices in experiment.choices.values() for choice in choices]
    return RunStart(
        data=rig.data.to_dict() | {"digests": rig.digests},
        environment=environment(),
        parent=parent,
        name=experiment.settings.name,
        tags=list(experiment.settings.tags),
        config=experiment.as_dict(),
        params=experiment.params(),
        components=[
            {
                "kind": choice.component.kind.name,
                "name": choice.component.name,
                "full": choice.component.full,
                "plugin": choice.component.plugin,
                "version": choice.component.version,
                "digest": choice.component.digest,
            }
            for choice in chosen
        ],
        command=[redact(word) for word in command],
        seed=experiment.settings.seed,
        git=git_state(experiment.settings.diff),
        packages=packages(),
        hardware=machine(),
        plan=rig.plan.as_dict(),
    )


def write_facts(folder: Path, rig: Rig) -> None:
    """Keep in the run's `folder` its configuration, the facts of its data, and its plugins, files whole."""
    (folder / "experiment.toml").write_text(rig.experiment.as_toml(), "utf-8")
    (folder / "data.json").write_text(json.dumps(rig.data.to_dict(), indent=1, ensure_ascii=False), "utf-8")
    plugins = rig.experiment.registry.plugins
    facts = ("name", "version", "origin", "location", "digest")
    listed = [{fact: getattr(plugin, fact) for fact in facts} for plugin in plugins]
    (folder / "plugins.json").write_text(json.dumps(listed, indent=1, ensure_ascii=False), "utf-8")
    for number, plugin in enumerate(plugins):
        if plugin.content is not None:
            name = Path(plugin.location).name
            kept = folder / "plugins" / name
            if kept.exists():  # Two files of one name: each keeps it, as it is the plugin's.
                kept = folder / "plugins" / str(number) / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            # As it was loaded: the file may have been edited since.
            kept.write_bytes(plugin.content)
