"""A group of commands that imports a command's file when it is called, and not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from modrack_registry.suggest import did_you_mean


class LazyGroup(click.Group):
    """Commands by name, each as ("module", "what it does"); the module's `command` is the command."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = dict(verbs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        command: click.Command = importlib.import_module(self.verbs[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}.\n  {did_you_mean(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in self.verbs.items()] + self.more_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def more_commands(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Commands from elsewhere, for `--help`."""
        return []
