"""The way into the command line, and out of it: whatever happens becomes an exit code and a few lines."""

from __future__ import annotations

import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence

import click

from modrack.cli.complete import VARIABLE as COMPLETE
from modrack_registry.errors import ModrackError, UserError

MOST_LINES = 8


def run(args: Sequence[str]) -> int:
    """Run `modrack` with `args`. Returns the exit code: 0 done, 1 failed, 2 cannot be, 130 stopped by Ctrl-C."""
    if COMPLETE in os.environ:
        from modrack.cli.complete import answer

        return answer()
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
    except Exception as error:
        if debug:
            traceback.print_exc()
        elif os.environ.get("RANK", "0") == "0" or not isinstance(error, UserError):
            # Of several processes each finds the user's mistake; one tells it.
            _say(_lines(error))
        return getattr(error, "exit_code", 1)


def _lines(error: Exception) -> list[str]:
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, ModrackError):
        return _shortened(error)
    said = " ".join(str(error).split())[:400]
    return [
        f"{type(error).__name__}: {said}" if said else type(error).__name__,
        f"  {_place(error)}--debug shows where.",
    ]


def _place(error: BaseException) -> str:
    """Where an unforeseen error arose: the last place in code that is no library's, as a plugin's is not."""
    place = ""
    frame = error.__traceback__
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if "site-packages" not in file and not file.startswith("<") and file.endswith(".py"):
            place = f"In {file}:{frame.tb_lineno}. "
        frame = frame.tb_next
    return place


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
    """The lines of an error, at most MOST_LINES: a hint that is the same for several is given once, at the end."""
    mistakes = error.mistakes if isinstance(error, UserError) else ()
    if len(mistakes) < 2:
        return _cut(error.lines)
    hints = Counter(line for mistake in mistakes for line in set(mistake.lines[len(mistake.message.splitlines()) :]))
    shared = [line for line, count in hints.items() if count > 1]
    whats = [mistake.message.splitlines() for mistake in mistakes]
    lines = [
        line
        for what, mistake in zip(whats, mistakes, strict=True)
        for line in [*what, *(hint for hint in mistake.lines[len(what) :] if hint not in shared)]
    ]
    if len(lines) + len(shared) > MOST_LINES:
        # What is wrong goes before what to do about it.
        lines = [what[0] for what in whats]
    return [*_cut(lines, MOST_LINES - len(shared[:2])), *shared[:2]]


def _cut(lines: list[str], most: int = MOST_LINES) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"… and {len(lines) - most + 1} more."]
