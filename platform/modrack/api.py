"""modrack from Python: train, and ask what was run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from modrack.runner.report import Reporter
    from modrack_registry.store import Run, RunQuery


def train(
    file: str | Path | None = None,
    *,
    plugins: Iterable[str | Path] = (),
    without: Iterable[str] = (),
    home: str | Path | None = None,
    report: Reporter | None = None,
    **values: Any,
) -> Run:
    """Train as `modrack train` does, and return the recorded run.

    `values` are components by kind (`model="cnn"`, `metric=["accuracy", "f1"]`), settings (`epochs=3`) and options by
    their path (`**{"optimizer.lr": 0.01}`); they win over `file` and environment. Nothing is printed; `report` is told
    what happens. Raises UserError for a request that cannot be, RunFailed for a run that could not go on.
    """
    from modrack.configure.local import local_plugins
    from modrack.configure.resolve import resolve
    from modrack.runner.session import run
    from modrack_registry.registry import load_registry

    registry = load_registry(list(plugins), list(without), local_plugins(file))
    experiment = resolve(registry, file=None if file is None else Path(file), values=values)

    _equip()
    made = run(experiment, home=None if home is None else Path(home), command=["modrack.train"], report=report)
    # None in those of several processes that do not record; there it must not be used.
    return cast("Run", made)


def _load_model(run: Run, checkpoint: str) -> Any:
    from modrack.runner.stored import load_model

    return load_model(run, checkpoint)


def _predict(
    run: Run, inputs: Any, checkpoint: str, column: str | None, options: Mapping[str, Any] | None = None
) -> Any:
    from modrack.runner.prediction import predict

    return predict(run, inputs, checkpoint, column, options)


def _equip() -> None:
    """Let runs build their models and ask them: the store does not know how."""
    from modrack_registry.store import Run

    Run.load, Run.ask = staticmethod(_load_model), staticmethod(_predict)


def runs(filter: str | None = None, *, home: str | Path | None = None) -> RunQuery:
    """The runs kept in `home` (MODRACK_HOME, or ./modrack-runs), those that `filter` fits: `"model=cnn lr<0.01"`."""
    from modrack_registry.store import open_store

    _equip()
    return open_store(None if home is None else Path(home)).runs(filter)
