"""The errors a person is meant to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class ModrackError(Exception):
    """Anything modrack says without a traceback. `exit_code` is the command line's."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n{hint}")
        self.message = message
        self.hint = hint

    @property
    def lines(self) -> list[str]:
        """What to print: the message, then the hint, indented."""
        hint = [f"  {line}" for line in (self.hint or "").splitlines()]
        return [*self.message.splitlines(), *hint]


class UserError(ModrackError):
    """A request that cannot be: what is wrong and where, and in `hint` what to do."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.mistakes: tuple[UserError, ...] = (self,)

    @classmethod
    def collect(cls, mistakes: Iterable[UserError]) -> UserError:
        """One error that tells all `mistakes`; the same one back where there is only one."""
        found = [each for mistake in mistakes for each in mistake.mistakes]
        if len(found) == 1:
            return found[0]
        both = cls("\n".join(line for each in found for line in each.lines))
        both.mistakes = tuple(found)
        return both


class RunFailed(ModrackError):
    """A run that started and could not go on. It is recorded, with this reason, as `run` where that is known."""

    run: Any = None


class Interrupted(ModrackError):
    """A run that Ctrl-C ended, cleanly."""

    exit_code = 130


class ModrackWarning(UserWarning):
    """Something that a person must hear of although the work goes on."""
