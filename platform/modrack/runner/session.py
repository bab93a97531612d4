"""One run, from a checked experiment to its record."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modrack.configure.experiment import Experiment
from modrack.launch import forget_run, launched_run, note_run, restarted
from modrack.past import looking_in
from modrack.runner.build import build
from modrack.runner.disk import check_room
from modrack.runner.engine import joined
from modrack.runner.export import export
from modrack.runner.figures import figures
from modrack.runner.kernels import kernels_kept
from modrack.runner.loop import Training
from modrack.runner.measures import directions
from modrack.runner.outset import run_start, started_facts, write_facts
from modrack.runner.report import Reporter, Silent
from modrack.runner.rig import Rig
from modrack.runner.stop import StopRequest
from modrack.runner.stored import load_stored
from modrack_registry.errors import Interrupted, ModrackError, RunFailed, UserError
from modrack_registry.store import Recorder, Run, Store, open_store

# Between two looks whether it is a queued run's turn.
QUEUE_SECONDS = 2.0


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
    check_room(store.home)
    with looking_in(store.home), kernels_kept(), joined(experiment.settings.device) as engine:
        rig = build(experiment, engine)
        accept(rig)
        check_room(store.home, rig.parameters)
        if queue and engine.world > 1:
            raise UserError("--queue is for a run of one process.", "Queue it by the scheduler that starts them.")
        recorder = store.start(run_start(rig, command or sys.argv, parent), queued=queue) if engine.main else None
        if recorder is not None:
            note_run(store.home, recorder.id)
            write_facts(recorder.folder, rig)
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
            recorder.set(better=directions(rig.measures))
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


def _finish(recorder: Recorder, training: Training | None, status: str, reason: str | None, clock: float) -> None:
    speed = None
    if training is not None:
        if training.tables:
            (recorder.folder / "tables.json").write_text(json.dumps(training.tables), "utf-8")
        speed = training.rows / training.seconds if training.seconds else None
        recorder.set(extra=figures(training.rig, training.rows, training.seconds))
    recorder.finish(status, reason=reason, seconds=time.perf_counter() - clock, samples_per_second=speed)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
