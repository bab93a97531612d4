"""`modrack train`: compose parts, and run them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from modrack.cli.kind_flags import TrainCommand, sort_words
from modrack.cli.rack import home_flag, json_flag, loading_flags
from modrack.cli.text import as_json, columns
from modrack.launch import will_restart
from modrack_registry.errors import RunFailed, UserError
from modrack_registry.registry import Registry


@click.command(
    "train",
    cls=TrainCommand,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
    epilog="`modrack show KIND NAME` lists the options of a part, `--print-config` what a run would use.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[FILE.toml] [PATH=VALUE]...")
@json_flag
@click.option("--print-config", is_flag=True, help="Print every value and where it came from, as TOML; do not train.")
@click.option("--from-run", metavar="RUN", help="Start from the configuration of a past run.")
@click.option("--exact", is_flag=True, help="With --from-run: refuse if anything is different from then.")
@click.option("--no-diff", is_flag=True, help="Do not keep the uncommitted changes of the code (diff=false).")
@click.option("--queue", is_flag=True, help="Wait until no other run is training on this machine.")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Train in N processes of this machine.")
@click.option("--restarts", type=click.IntRange(min=0), default=0, metavar="N", help="Go on after a process died.")
@click.option("--dry-run", is_flag=True, help="Build all, take one step, print the plan; keep nothing.")
@click.option("--profile", is_flag=True, help="Time a few steps part by part; keep nothing.")
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE", help="With --profile: a trace for Perfetto.")
@click.option("--find-lr", is_flag=True, help="Try learning rates from 1e-7 to 10; keep nothing.")
@home_flag
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@loading_flags
@click.pass_context
def command(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    json_: bool,
    print_config: bool,
    dry_run: bool,
    profile: bool,
    trace: Path | None,
    find_lr: bool,
    from_run: str | None,
    exact: bool,
    no_diff: bool,
    queue: bool,
    processes: int | None,
    restarts: int,
    home: Path | None,
    quiet: bool,
    **flags: Any,
) -> int:
    """Compose parts and train.

    \b
    modrack train
    modrack train --model cnn --dataset digits model.width=32 epochs=5
    modrack train experiment.toml optimizer.lr=0.01
    modrack train --from-run 12 model.width=128
    """
    from modrack.cli.quiet import hush
    from modrack.configure.resolve import resolve

    registry: Registry = ctx.meta["registry"]
    choices = {name.removeprefix("kind_"): list(names) for name, names in flags.items() if name.startswith("kind_")}
    kept, mistakes = sort_words(registry, words, ctx)
    past = ctx.meta["past"]
    if past is not None and ctx.meta["file"] is not None:
        mistakes.append(UserError("--from-run and an experiment file are both there.", "Give one of them."))
    if exact and past is None:
        mistakes.append(UserError("--exact says how to repeat a run.", "Give it with --from-run RUN."))
    experiment = resolve(
        registry,
        file=ctx.meta["file"] or (past.config if past is not None else None),
        choices={kind: names for kind, names in choices.items() if names},
        words=[*kept, *(["diff=false"] if no_diff else [])],
        more=mistakes,
    )
    if not quiet:
        for note in experiment.notes:
            click.echo(note, err=True)
    if print_config:
        click.echo(as_json(experiment.as_dict()) if json_ else experiment.as_toml().rstrip("\n"))
        return 0
    hush(debug="--debug" in ctx.meta["given"])
    if processes is not None and processes > 1 and not (profile or find_lr):
        # The mistakes of a request are told once, here, and not by each process.
        return launch_train(processes, restarts, _typed(ctx), experiment.settings.device)
    if dry_run:
        from modrack.past import looking_in
        from modrack.runner.dry_run import dry_run as try_out

        with looking_in(home):
            tried = try_out(experiment)
        if tried is None:  # one of several processes, and not the one that reports
            return 0
        click.echo(as_json(tried) if json_ else "\n".join(_dry(tried)))
        return 0
    if trace is not None and not profile:
        raise UserError("--trace says where --profile writes.", "Give both: --profile --trace trace.json")
    if profile or find_lr:
        from modrack.cli.trial import show_profile, show_rates
        from modrack.past import looking_in

        with looking_in(home):
            lines = show_profile(experiment, trace, json_) if profile else show_rates(experiment, json_)
        click.echo("\n".join(lines))
        return 0
    from modrack.cli.screen import choose_screen, result_object

    screen = choose_screen(json_, quiet, home)
    try:
        typed = ["modrack", *_typed(ctx)]
        if past is None:
            from modrack.runner.session import run

            done = run(experiment, home=home, command=typed, report=screen, queue=queue)
        else:
            from modrack.runner.rerun import rerun

            done = rerun(past, experiment, home=home, exact=exact, command=typed, report=screen, queue=queue)
        if done is None:  # one of several processes, and not the one that reports
            return 0
    except RunFailed as error:
        # The error may bring the recorded run along: a script that asked for JSON gets it, and the exit code.
        if json_ and getattr(error, "run", None) is not None and not will_restart():
            click.echo(as_json(result_object(error.run)))
        raise
    finally:
        screen.close()
    if json_:
        click.echo(as_json(result_object(done)))
    return 130 if done.status == "interrupted" else 0


def launch_train(processes: int, restarts: int, typed: list[str], device: str) -> int:
    """Start the same command in several processes. Raises UserError for more of them than devices, or far more than
    cores: a few too many are for trying things out, many fill the memory before any of them says a word."""
    from modrack.launch import launch
    from modrack.runner.hardware import probe
    from modrack.runner.plan import choose_device

    hardware = probe()
    on_cpu = choose_device(hardware, device).value == "cpu"
    if on_cpu and processes > 4 * hardware.cores:
        raise UserError(
            f"--processes {processes}: this machine has {hardware.cores} cores.",
            f"Take {hardware.cores}: more of them wait for each other.",
        )
    if not on_cpu and processes > hardware.count:
        raise UserError(
            f"--processes {processes}: there are {hardware.count} devices ({hardware.name}).",
            "Start as many as there are, or say device=cpu.",
        )
    args, skip = [], False
    for word in typed:
        if skip:
            skip = False
        elif word in ("--processes", "--restarts"):
            skip = True
        elif not word.startswith(("--processes=", "--restarts=")):
            args.append(word)
    return launch(processes, args, restarts=restarts)


def _typed(ctx: click.Context) -> list[str]:
    """The words after `modrack`, as they were typed."""
    return sys.argv[1:] if ctx.info_name in sys.argv else ["train", *ctx.meta["given"]]


def _dry(tried: dict[str, Any]) -> list[str]:
    """A dry run for a person: the facts, then each decision with its reason."""
    from modrack.cli.screen import header

    plan = [(each["decision"], each["value"], each["reason"]) for each in tried["plan"]]
    loss = tried["facts"].get("first_loss")
    return [
        *header(tried["facts"]),
        "",
        *columns([("decision", "value", "why"), *plan]),
        "",
        f"One step taken{'' if loss is None else f', loss {loss:.4f}'}; one batch evaluated; nothing is kept.",
    ]
