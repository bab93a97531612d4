"""Which values fit which parameter: by its name, whatever the command, so that a new command is served at once."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from modrack.cli.complete import parts
from modrack.cli.complete.files import paths
from modrack.cli.lazy import LazyGroup

Items = list[CompletionItem[str]]


def fitting(context: click.Context, wanted: click.Command | click.Parameter, begun: str) -> Items | None:
    """What can stand where `wanted` stands; None where click knows more than this module."""
    if isinstance(wanted, LazyGroup) and not begun.startswith("-"):
        return _commands(context, wanted, begun)
    if not isinstance(wanted, click.Parameter) or wanted.name is None:
        return None
    if wanted.name.startswith("kind_"):
        return parts.components(context, wanted.name.removeprefix("kind_"), begun)
    command = context.command.name
    if wanted.name in ("run", "runs") or (command == "diff" and wanted.name in ("first", "second")):
        from modrack.cli.complete import runs

        return runs.numbers(context, begun)
    if wanted.name == "words" and command == "train":
        from modrack.cli.complete import words

        return words.fitting_words(context, begun)
    if wanted.name == "kind":
        return _templates(begun) if command == "new" else parts.kinds(context, begun)
    if wanted.name in ("name", "glob") and "kind" in context.params and command != "new":
        return parts.components(context, context.params["kind"], begun)
    if wanted.name == "without":
        return parts.plugins(begun)
    if wanted.name in ("plugin", "target"):
        # `list --plugin` takes names too, and so does `check`.
        named = parts.plugins(begun) if wanted.name == "target" or command == "list" else []
        return [*named, *paths(begun, (".py",))]
    return None


def _commands(context: click.Context, group: LazyGroup, begun: str) -> Items:
    """The commands of a group, from its table: none of them is imported."""
    rows = [(name, text) for name, (_, text) in group.verbs.items()] + group.more_commands(context)
    return [CompletionItem(name, help=text) for name, text in rows if name.startswith(begun)]


def _templates(begun: str) -> Items:
    from modrack.scaffold.writing import KINDS

    return [CompletionItem(name) for name in (*KINDS, "plugin") if name.startswith(begun)]
