"""The verbs of `modrack`: what each is called, in which file it stands, what it does."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import click

from modrack.cli.lazy import LazyGroup

VERBS = {
    "train": ("modrack.cli.train", "Compose parts and train; an experiment file, flags and path=value words."),
    "list": ("modrack.cli.list", "List the parts there are."),
    "show": ("modrack.cli.show", "Show one part and its options."),
    "plugins": ("modrack.cli.plugins", "List the plugins, broken ones with the reason."),
    "resume": ("modrack.cli.resume", "Go on with a run that was stopped."),
    "rerun": ("modrack.cli.rerun", "Train a past run again, with changes if you like."),
    "evaluate": ("modrack.cli.evaluate", "Measure a trained model again, on its own data or on others."),
    "predict": ("modrack.cli.predict", "Ask a trained model: texts, rows, images, sounds."),
    "new": ("modrack.cli.new", "Write a new part, or a plugin with one of each kind."),
    "check": ("modrack.cli.check", "Try every part of a plugin, and say what to mend."),
    "completion": ("modrack.cli.completion", "Print the script that makes Tab complete."),
    "runs": ("modrack.cli.runs", "Find past runs again."),
    "db": ("modrack.cli.db", "Keep the database of runs whole: info, check, backup, move."),
}


class Modrack(LazyGroup):
    """The verbs above, and those that plugins bring (hook `modrack_commands`)."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and not cmd_name.startswith("-"):
            command = self._brought(ctx).get(cmd_name)
        return command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.verbs, *self._brought(ctx)]

    def more_commands(self, ctx: click.Context) -> list[tuple[str, str]]:
        rows = []
        for name, command in self._brought(ctx).items():
            with contextlib.suppress(Exception):
                rows.append((name, command.get_short_help_str(60)))
        return rows

    def _brought(self, ctx: click.Context) -> dict[str, click.Command]:
        """Commands of plugins, by name; a built-in verb wins. Nothing is loaded while modrack is the only plugin."""
        if "commands" not in ctx.meta:
            ctx.meta["commands"] = {}
            from modrack.cli.rack import load_others

            # Neither a broken plugin nor a wrong --plugin may stop `--help`.
            with contextlib.suppress(Exception):
                others = load_others(ctx.params)
                if others is not None:
                    from modrack.cli.brought import brought

                    ctx.meta["commands"] = brought(others, self.verbs)
        found: dict[str, click.Command] = ctx.meta["commands"]
        return found


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        import modrack

        click.echo(f"modrack {modrack.__version__}")
        ctx.exit()


@click.group(
    cls=Modrack,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `modrack train`: a small network learns to read digits.",
)
@click.option("--plugin", "plugin", multiple=True, metavar="FILE", help="Also load this plugin file (repeatable).")
@click.option("--without", "without", multiple=True, metavar="NAME", help="Leave this plugin out (repeatable).")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def modrack(ctx: click.Context, /, **given: Any) -> None:
    """A rack for machine-learning parts: pick them by name, train, and ask the runs questions."""
    ctx.obj = given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
