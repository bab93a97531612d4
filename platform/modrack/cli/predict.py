"""`modrack predict`: what a trained model says of texts, rows, images or sounds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json_line, cell, columns, number
from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.runner.prediction import Answer

# An input is told again in so many characters.
_TOLD = 60


@click.command("predict")
@click.argument("run", metavar="RUN")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--column", metavar="NAME", help="The column of a table that is the input.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="An option of the task, as task.temperature=0.8, or the seed (repeatable).",
)
@click.option("--checkpoint", default="best", show_default=True, metavar="NAME", help="best, last, or step-00000500.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--pictures",
    default="predictions",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where images are written that a model makes.",
)
@json_flag
@home_flag
@debug_flag
def command(
    run: str,
    inputs: tuple[str, ...],
    column: str | None,
    settings: tuple[str, ...],
    checkpoint: str,
    device: str,
    pictures: Path,
    json_: bool,
    home: Path | None,
) -> None:
    """What the model of RUN says of each INPUT: a text, a row as JSON, a csv or json lines, an image, a sound.

    A folder stands for all images or sounds in it, - for the lines of stdin. --json prints an object a line.

    \b
    modrack predict 3 "a wonderful film"
    modrack predict 3 new.csv --json > answers.jsonl
    modrack predict @last photo.jpg more-photos/
    modrack predict 8 "Return the" --set task.temperature=0.8 --set seed=1
    """
    from modrack.cli.quiet import hush

    hush(debug="--debug" in sys.argv)
    from modrack.runner.prediction import predict_given, read_settings
    from modrack.runner.ready import make_ready
    from modrack_registry.store import open_store

    values = read_settings(settings)
    ready = make_ready(open_store(home).find(run), checkpoint=checkpoint, device=device, values=values)
    answers = predict_given(
        ready,
        inputs,
        column=column,
        # Who types waits for each answer.
        at_once=1 if "-" in inputs and sys.stdin.isatty() else None,
        note=lambda text: click.echo(cell(text), err=True),
    )
    done = 0
    for some in answers:
        for answer in some:
            done += 1
            for name, value in answer.values.items():
                if hasattr(value, "save"):  # an image of Pillow; its file stands for it
                    answer.values[name] = _written(value, pictures / f"{done:06d}-{name}.png")
        click.echo("\n".join(map(_object, some) if json_ else columns(map(_line, some))))
        sys.stdout.flush()


def _written(image: Any, place: Path) -> str:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place)
    except OSError as error:
        raise UserError(f"{place}: {error.strerror or error}.", "Name another folder with --pictures.") from None
    return str(place)


def _object(answer: Answer) -> str:
    return as_json_line({"input": answer.input, **answer.values})


def _line(answer: Answer) -> list[str]:
    shown = cell(answer.input)
    # A label and one number say what they are by their place; of more nobody could tell which is which.
    numbers = sum(isinstance(value, (int, float)) for value in answer.values.values())
    named = numbers > 1 or len(answer.values) > 2
    values = [f"{name}={_shown(value)}" if named else _shown(value) for name, value in answer.values.items()]
    return [*values, shown if len(shown) <= _TOLD else f"{shown[: _TOLD - 1]}…"]


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "-"
    if isinstance(value, dict):
        return " ".join(f"{name}={_shown(each)}" for name, each in value.items())
    return number(value) if isinstance(value, (int, float)) else cell(value)
