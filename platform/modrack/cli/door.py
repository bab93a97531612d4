"""The way into the command line, and out of it: whatever happens becomes an exit code and a few lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from modrack_registry.errors import ModrackError, UserError

MOST_LINES = 8


def run(args: Sequence[str]) -> int:
    """Run `modrack` with `args`. Returns the exit code: 0 done, 1 failed, 2 cannot be, 130 stopped by Ctrl-C."""
    from modrack.cli.verbs import modrack

    debug = "--debug" in args
    try:
        result = modrack.main(list(args), prog_name="modrack", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # The reader has seen enough; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, click.Abort):
        _say(["Stopped."])
        return 130
    except click.ClickException as error:
        if debug:
            raise
        _say(_usage(error))
        return error.exit_code
    except ModrackError as error:
        if debug:
            raise
        _say(_shortened(error))
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        said = " ".join(str(error).split())
        _say([f"{type(error).__name__}: {said[:400]}" if said else type(error).__name__, "  --debug shows where."])
        return 1


def _say(lines: list[str]) -> None:
    from modrack.cli.text import clean

    lines = [clean(line) for line in lines]
    if sys.stderr.isatty():
        lines[0] = click.style(lines[0], fg="red")
    click.echo("\n".join(lines), err=True)


def _usage(error: click.ClickException) -> list[str]:
    lines = error.format_message().splitlines() or [type(error).__name__]
    context = getattr(error, "ctx", None)
    if context is not None:
        lines.append(f"  {context.command_path} --help says more.")
    return lines


def _shortened(error: ModrackError) -> list[str]:
    lines = error.lines
    if len(lines) <= MOST_LINES:
        return lines
    if isinstance(error, UserError) and len(error.mistakes) > 1:
        # What is wrong goes before what to do about it.
        lines = [line for mistake in error.mistakes for line in [*mistake.message.splitlines(), *mistake.lines[1:2]]]
        if len(lines) > MOST_LINES:
            lines = [mistake.message.splitlines()[0] for mistake in error.mistakes]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"… and {len(lines) - MOST_LINES + 1} more."]
    return lines
