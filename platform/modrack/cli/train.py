"""`modrack train`: compose parts, and run them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modrack.cli.rack import home_flag, json_flag, load, loading_flags
from modrack.cli.text import as_json, columns
from modrack.launch import will_restart
from modrack_registry.errors import ModrackWarning, RunFailed, UserError
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean

if TYPE_CHECKING:
    from modrack_registry.store import Run


class TrainCommand(click.Command):
    """A command with one more flag for each kind in the registry, which is loaded while the arguments are read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["kinds"] = {}
        given = ctx.meta["given"] = list(args)
        if "registry" not in ctx.meta:
            from modrack.configure.local import local_plugins

            ahead = _ahead(args)
            word = ahead.file
            file = ctx.meta["file"] = None if word is None else Path(word)
            ctx.meta["file word"] = word
            past = ctx.meta["past"] = _past(ahead)
            kept = sorted((past.folder / "plugins").rglob("*.py")) if past is not None else []
            # What is said here wins over what the run kept of the same name.
            names = {Path(each).stem for each in ahead.plugin}
            local = [*local_plugins(file), *(each for each in kept if each.stem not in names)]
            ctx.meta["registry"] = load(ctx, ahead.plugin, ahead.without, local)
        rest = super().parse_args(ctx, args)
        ctx.meta["given"] = given
        return rest

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        registry: Registry | None = ctx.meta.get("registry")
        taken = {name for param in params for name in param.opts}
        flags: list[click.Parameter] = [
            click.Option(
                [f"--{kind.name}", f"kind_{kind.name}"],
                multiple=True,
                metavar="NAME",
                help=f"{kind.summary[:1].upper()}{kind.summary[1:]}{' (repeatable)' if kind.many else ''}.",
            )
            for kind in (registry.kinds.values() if registry is not None else ())
            if f"--{kind.name}" not in taken
        ]
        return [*params[:1], *flags, *params[1:]]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from modrack.configure.settings import settings_options

        with formatter.section("Settings (NAME=VALUE)"):
            formatter.write_dl([(path, f"{each.help} [{each.label}]") for path, each in settings_options().items()])
        super().format_epilog(ctx, formatter)


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
    from modrack.configure.resolve import resolve

    registry: Registry = ctx.meta["registry"]
    choices = {name.removeprefix("kind_"): list(names) for name, names in flags.items() if name.startswith("kind_")}
    kept, mistakes = _sort_words(registry, words, ctx)
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


@dataclass
class Ahead:
    """What decides about loading, read before the flags of the kinds are known."""

    plugin: list[str]
    without: list[str]
    file: str | None
    from_run: str | None
    home: str | None


def _past(ahead: Ahead) -> Run | None:
    if ahead.from_run is None:
        return None
    from modrack_registry.store import open_store

    return open_store(Path(ahead.home) if ahead.home else None).find(ahead.from_run)


def launch_train(processes: int, restarts: int, typed: list[str], device: str) -> int:
    """Start the same command in several processes. Raises UserError for more of them than devices."""
    from modrack.launch import launch
    from modrack.runner.hardware import probe
    from modrack.runner.plan import choose_device

    hardware = probe()
    if choose_device(hardware, device).value != "cpu" and processes > hardware.count:
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


def _ahead(args: Sequence[str]) -> Ahead:
    found: dict[str, list[str]] = {"--plugin": [], "--without": [], "--from-run": [], "--home": []}
    file: str | None = None
    index = 0
    while index < len(args):
        word, equals, value = args[index].partition("=")
        if word in found:
            index += not equals
            # One without a value is click's to complain of.
            if index < len(args):
                found[word].append(value if equals else args[index])
        elif word.startswith("--") and not equals and word not in _BARE:
            index += 1  # A kind's flag, or an unknown one: its value is no file.
        elif file is None and not word.startswith("-") and (not equals or args[index].endswith(".toml")):
            file = args[index]
        index += 1
    runs, homes = found["--from-run"], found["--home"]
    return Ahead(found["--plugin"], found["--without"], file, runs[-1] if runs else None, homes[-1] if homes else None)


_BARE = (
    *("--json", "--print-config", "--dry-run", "--quiet", "--debug", "--help"),
    *("--exact", "--no-diff", "--queue", "--profile", "--find-lr"),
)


def _sort_words(registry: Registry, words: Sequence[str], ctx: click.Context) -> tuple[list[str], list[UserError]]:
    """The words that are for the configuration, and what is wrong with the others."""
    kept: list[str] = []
    mistakes: list[UserError] = []
    known = [name for param in ctx.command.get_params(ctx) for name in param.opts if name.startswith("--")]
    skip = False
    for index, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            flag = word.partition("=")[0]
            mistakes.append(UserError(f"There is no option {flag}.", did_you_mean(flag, known, limit=4)))
            after = words[index + 1] if index + 1 < len(words) else "="
            skip = "=" not in word and not after.startswith("-") and "=" not in after
        elif word == ctx.meta["file word"]:
            if not Path(word).exists():
                mistakes.append(_no_file(registry, word))
                ctx.meta["file"] = None
        else:
            kept.append(word)
    return kept, mistakes


def _no_file(registry: Registry, word: str) -> UserError:
    for kind in registry.kinds:
        if any(each.name == word or each.full == word for each in registry.components(kind)):
            return UserError(f"There is no file {word!r}.", f"{word} is a {kind}: --{kind} {word}")
    return UserError(f"There is no file {word!r}.", "An experiment file, or words as in model.width=64 or epochs=5.")


def hush(*, debug: bool) -> None:
    """Keep libraries from talking into the screen; `--debug` lets them."""
    if debug:
        return
    import logging
    import os
    import warnings

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        click.echo(f"Warning: {message}", err=True)

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", ModrackWarning)
    warnings.showwarning = show
    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1"),
        ("TOKENIZERS_PARALLELISM", "true"),
    ):
        os.environ.setdefault(name, value)
    for name in ("transformers", "datasets", "huggingface_hub", "torch", "filelock", "fsspec"):
        logging.getLogger(name).setLevel(logging.ERROR)


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
