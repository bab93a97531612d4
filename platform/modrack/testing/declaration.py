"""What holds for a component of any kind."""

from __future__ import annotations

import subprocess
import sys

from modrack.testing.kit import CheckFailed
from modrack.testing.subject import Subject
from modrack_registry.errors import UserError

# Each of these costs a second or so at every `modrack list`.
HEAVY = ("torch", "transformers", "datasets", "pydantic", "numpy", "pandas", "sklearn", "torchmetrics", "sqlalchemy")


def check_signature_and_options(subject: Subject) -> None:
    """The signature keeps the contract: the runner's arguments, then options with types that can be typed."""
    mistakes = subject.component.mistakes()
    if mistakes:
        raise CheckFailed("\n".join(line for each in mistakes for line in each.lines))


def check_docstring(subject: Subject) -> None:
    """A docstring whose first line says what it is."""
    if not subject.component.summary:
        raise CheckFailed(f"{subject.component.file}: it has no docstring; its first line is what `modrack list` shows")


def check_defaults(subject: Subject) -> None:
    """Each default is a value that its own option accepts."""
    for option in subject.component.options.values():
        if not option.required and option.default is not None:
            try:
                option.check(option.default)
            except ValueError as error:
                raise CheckFailed(f"{subject.component.file}: the default of {option.name!r}: {error}") from None
        if option.default is None:
            try:
                option.check(None)
            except ValueError:
                raise CheckFailed(
                    f"{subject.component.file}: the default of {option.name!r} is None; write {option.label} | None"
                ) from None


def check_import_is_light(subject: Subject) -> None:
    """Importing its module imports nothing heavy: `modrack list` imports it each time."""
    source = subject.source
    if source.origin == "file":
        load = f"import runpy; runpy.run_path({source.location!r})"
    else:
        load = f"import importlib; importlib.import_module({subject.component.factory.__module__!r})"
    code = f"import sys; sys.path[:0] = {sys.path[:2]!r}; {load}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{source.location} cannot be imported alone: {done.stderr.strip().splitlines()[-1]}")
    loaded = done.stdout.split()
    if loaded:
        raise CheckFailed(
            f"{subject.component.file}: importing it imports {', '.join(loaded)}; move the import into the function"
        )
