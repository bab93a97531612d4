"""`modrack predict`: what a trained model says of texts, rows, images or sounds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modrack.cli.rack import debug_flag, home_flag, json_flag
from modrack.cli.text import as_json_line, cell, columns, number

if TYPE_CHECKING:
    from modrack.runner.prediction import Answer

# An input is told again in so many characters.
_TOLD = 60


@click.command("predict")
@click.argument("run", metavar="RUN")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--column", metavar="NAME", help="The column of a table that is the input.")
@click.option("--checkpoint", default="best", show_default=True, metavar="NAME", help="best, last, or step-00000500.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the images that are answers.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")
@json_flag
@home_flag
@debug_flag
def command(
    run: str,
    inputs: tuple[str, ...],
    column: str | None,
    checkpoint: str,
    out: Path | None,
    device: str,
    json_: bool,
    home: Path | None,
) -> None:
    """What the model of RUN says of each INPUT: a text, a row as JSON, a csv or json lines, an image, a sound.

    A folder stands for all images or sounds in it, - for the lines of stdin. --json prints an object a line.

    \b
    modrack predict 3 "a wonderful film"
    modrack predict 3 new.csv --json > answers.jsonl
    modrack predict @last photo.jpg more-photos/
    """
    from modrack.cli.train import hush

    hush(debug="--debug" in sys.argv)
    from modrack.runner.prediction import predict_given
    from modrack.runner.ready import make_ready
    from modrack_registry.store import open_store

    ready = make_ready(open_store(home).find(run), checkpoint=checkpoint, device=device)
    answers = predict_given(
        ready,
        inputs,
        column=column,
        # Who types waits for each answer.
        at_once=1 if "-" in inputs and sys.stdin.isatty() else None,
        note=lambda text: click.echo(cell(text), err=True),
    )
    seen = 0
    for some in answers:
        if out is not None:
            for row, answer in enumerate(some, seen + 1):
                _write(answer, row, out)
            seen += len(some)
        click.echo("\n".join(map(_object, some) if json_ else columns(map(_line, some))))
        sys.stdout.flush()


def _write(answer: Answer, row: int, folder: Path) -> None:
    """Images as files in `folder`; their paths stand for them from then on."""
    from PIL import Image

    for name, value in answer.values.items():
        if _is_image(value):
            folder.mkdir(parents=True, exist_ok=True)
            place = folder / f"{row:06d}-{name}.png"
            Image.fromarray(value).save(place)
            answer.values[name] = str(place)


def _is_image(value: Any) -> bool:
    return hasattr(value, "dtype")


def _object(answer: Answer) -> str:
    plain = {name: value.tolist() if _is_image(value) else value for name, value in answer.values.items()}
    return as_json_line({"input": answer.input, **plain})


def _line(answer: Answer) -> list[str]:
    shown = cell(answer.input)
    return [*map(_shown, answer.values.values()), shown if len(shown) <= _TOLD else f"{shown[: _TOLD - 1]}…"]


def _shown(value: Any) -> str:
    if _is_image(value):
        return f"an image of {value.shape[1]}×{value.shape[0]} (--out FOLDER writes it)"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "-"
    if isinstance(value, dict):
        return " ".join(f"{name}={_shown(each)}" for name, each in value.items())
    return number(value) if isinstance(value, (int, float)) else cell(value)
