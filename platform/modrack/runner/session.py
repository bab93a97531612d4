"""One run, from a checked experiment to its record."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from modrack.configure.experiment import Experiment
from modrack.launch import forget_run, launched_run, note_run, restarted
from modrack.past import looking_in
from modrack.runner.build import build
from modrack.runner.engine import joined
from modrack.runner.evaluate import directions, evaluating, forked_rng
from modrack.runner.export import export
from modrack.runner.figures import figures
from modrack.runner.kernels import kernels_kept
from modrack.runner.loop import Training
from modrack.runner.provenance import environment, git_state, machine, packages, redact
from modrack.runner.report import Reporter, Silent
from modrack.runner.rig import Rig
from modrack.runner.stop import StopRequest
from modrack.runner.stored import load_stored
from modrack_registry.errors import Interrupted, ModrackError, RunFailed, UserError
from modrack_registry.store import Recorder, Run, RunStart, Store, open_store

ROOM = 16 << 20
# Between two looks whether it is a queued run's turn.
QUEUE_SECONDS = 2.0
# Weights and two moments in fp32, twice: a checkpoint is written before the older one goes.
BYTES_A_PARAMETER = 4 * 3 * 2


def run(
    experiment: Experiment,
    *,
    home: Path | None = None,
    command: list[str] | None = None,
    report: Reporter | None = None,
    parent: int | None = None,
    accept: Callable[[Rig], None] = lambda rig: None,
    queue: bool = False,
) -> Run | None:
    """Build, train, evaluate, record. Raises UserError before anything is written, RunFailed for a recorded failure.

    `parent` is the run that this one repeats; `accept` sees what was built, and may refuse it before it is recorded.
    With `queue` the run waits, recorded as queued, until no other one runs on this machine.
    Of several processes the main one records and reports; the others return None.
    """
    store = open_store(home)
    again = launched_run(store.home) if restarted() else None
    if again is not None:
        from modrack.runner.resumption import resume

        return resume(again, home=home, report=report)
    _check_room(store.home)
    with looking_in(store.home), kernels_kept(), joined(experiment.settings.device) as engine:
        rig = build(experiment, engine)
        accept(rig)
        _check_room(store.home, rig.parameters * BYTES_A_PARAMETER)
        if queue and engine.world > 1:
            raise UserError("--queue is for a run of one process.", "Queue it by the scheduler that starts them.")
        recorder = store.start(_start(rig, command or sys.argv, parent), queued=queue) if engine.main else None
        if recorder is not None:
            note_run(store.home, recorder.id)
            _write_facts(recorder.folder, rig)
            if queue:
                # What was built proved that the run can be; it must not fill the device while others train.
                del rig
                _wait_for_turn(store, recorder, report or Silent())
                rig = build(experiment, engine)
        return carry_out(store, recorder, rig, report or Silent())


def carry_out(
    store: Store, recorder: Recorder | None, rig: Rig, report: Reporter, checkpoint: Path | None = None
) -> Run | None:
    """Train what is built, from `checkpoint` on where one is given; the main process records how it ends."""
    if recorder is None:
        folder = store.home / str(rig.engine.share_number(0))
        with StopRequest() as request:
            training = Training(rig, folder, log=lambda step, values: None, report=Silent(), request=request)
            if checkpoint is not None:
                training.load(checkpoint)
            training.run()
        return None
    rig.engine.share_number(recorder.id)
    return _recorded(store, recorder, rig, report, checkpoint)


def _wait_for_turn(store: Store, recorder: Recorder, report: Reporter) -> None:
    """Return when the run may begin. Raises Interrupted where somebody stopped it first."""
    clock = time.perf_counter()
    with StopRequest() as request:
        said = False
        while not store.turn(recorder.id):
            if not said:
                report.note(f"run {recorder.id} is queued: another one is running on this machine")
                said = True
            for _ in range(10):
                if request() is not None:
                    recorder.finish("interrupted", reason=f"{request()} in the queue", seconds=0.0)
                    raise Interrupted(f"Run {recorder.id} was taken out of the queue.")
                time.sleep(QUEUE_SECONDS / 10)
    recorder.event("dequeued", {"seconds": time.perf_counter() - clock})


def _recorded(store: Store, recorder: Recorder, rig: Rig, report: Reporter, checkpoint: Path | None) -> Run:
    registry = rig.experiment.registry
    clock = time.perf_counter()
    training: Training | None = None
    status, reason = "running", None
    started = store.get(recorder.id)

    def seen() -> Run:
        """The run as the database has it; where that fails by now, as it is known here."""
        try:
            return store.get(recorder.id)
        except UserError:
            values = dict(training.values) if training is not None else {}
            return replace(started, status=status, reason=reason, metrics=values, seconds=time.perf_counter() - clock)

    with StopRequest() as request:
        try:
            wrong = registry.tell("modrack_run_started", run=started)
            report.started(recorder.id, started_facts(rig) | {"folder": str(recorder.folder)})
            _note(report, wrong)
            training = Training(
                rig, recorder.folder, log=recorder.log, report=report, request=request, event=recorder.event
            )
            recorder.set(better=directions(rig.metrics))
            if checkpoint is not None:
                training.load(checkpoint)
                recorder.event("resumed", {"step": training.step, "checkpoint": checkpoint.name})
            status = training.run()
            _finish(recorder, training, status, request(), clock)
            forget_run(store.home)
        except KeyboardInterrupt:
            status, reason = "interrupted", "Ctrl-C, twice"
            _finish(recorder, training, status, reason, clock)
            raise Interrupted(f"Run {recorder.id} was stopped at once.") from None
        except ModrackError as error:
            status, reason = "failed", error.message
            _finish(recorder, training, status, reason, clock)
            raise _failure(seen(), error.message, error.hint) from error
        except Exception as error:
            status, reason = "failed", _told(error)
            _finish(recorder, training, status, reason, clock)
            raise _failure(seen(), reason, explain(error)) from error
        finally:
            # A plugin that fails here must not undo what was trained.
            _note(report, registry.tell("modrack_run_ended", run=seen()))
    if status == "finished":
        _export(rig, seen(), report)
    done = seen()
    report.finished(done)
    return done


def _export(rig: Rig, done: Run, report: Reporter) -> None:
    """Let the exporters write. The run is finished by then, and stays so where one of them fails."""
    try:
        # No process holds sharded weights whole; by now they lie in one file.
        exporting = rig.experiment.many("exporter")
        parts = load_stored(done)[2] if rig.sharded and exporting else rig.parts
        paths = export(rig, parts, done.folder)
    except Exception as error:
        said, hint = (error.message, error.hint) if isinstance(error, ModrackError) else (_told(error), explain(error))
        failed = RunFailed(f"Run {done.id} is trained, and its export failed: {said}", hint)
        failed.run = done
        raise failed from error
    for path in paths:
        report.note(f"exported {path}")


def _note(report: Reporter, lines: list[str]) -> None:
    for line in lines:
        report.note(line)


def _failure(run: Run, reason: str, hint: str | None) -> RunFailed:
    failed = RunFailed(f"Run {run.id} failed: {reason}", hint)
    failed.run = run
    return failed


def dry_run(experiment: Experiment) -> dict[str, Any] | None:
    """Build, take one training step and one evaluation step, write nothing. Gives the plan and the facts.

    Of several processes the main one does; the others give None.
    """
    with kernels_kept(), joined(experiment.settings.device) as engine:
        tried = _tried(build(experiment, engine))
        return tried if engine.main else None


def _tried(rig: Rig) -> dict[str, Any]:
    feeder, share = rig.feeders["train"], (rig.engine.rank, rig.engine.world)
    rig.update(0, next(feeder.epoch(0, accumulate=rig.accumulate, share=share)))
    values, bad = rig.update.take()
    with torch.no_grad(), evaluating(rig.parts), forked_rng(rig.device), rig.autocast:
        batch = rig.task.prepare(next(rig.feeders["validation"].once()))
        rig.task.evaluate(rig.parts, batch)
    if bad is not None:
        raise RunFailed(f"The loss of the first step is {bad[1]}.")
    plan = [{"decision": each.name, "value": each.value, "reason": each.reason} for each in rig.plan.decisions]
    return {"plan": plan, "facts": started_facts(rig) | {"first_loss": next(iter(values.values()), None)}}


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


def explain(error: BaseException) -> str:
    """Where an unexpected error arose: the last place in code that is not a library's."""
    place = ""
    frame = error.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if "site-packages" not in file and not file.startswith("<"):
            place = f"{file}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"It arose in {place}; --debug shows the traceback."


def _start(rig: Rig, command: list[str], parent: int | None) -> RunStart:
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


def _write_facts(folder: Path, rig: Rig) -> None:
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


def _finish(recorder: Recorder, training: Training | None, status: str, reason: str | None, clock: float) -> None:
    speed = None
    if training is not None:
        if training.tables:
            (recorder.folder / "tables.json").write_text(json.dumps(training.tables), "utf-8")
        speed = training.rows / training.seconds if training.seconds else None
        recorder.set(extra=figures(training.rig, training.rows, training.seconds))
    recorder.finish(status, reason=reason, seconds=time.perf_counter() - clock, samples_per_second=speed)


def _check_room(home: Path, wanted: int = ROOM) -> None:
    place = home
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise UserError(
            f"{home}: {place} is a file, so no run can be kept there.", "Choose a folder with --home FOLDER."
        )
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise UserError(f"{home}: {error.strerror}.", "Choose a folder with --home FOLDER.") from None
    if free < wanted:
        raise UserError(
            f"{home}: {free / 1e6:.0f} MB are free on the disk; this run needs about {wanted / 1e6:.0f} MB.",
            "Make room, or choose a folder elsewhere with --home FOLDER.",
        )


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
