"""A plugin that adds a kind, parts of it, what a run does with them, a command and hooks: all in one file."""

from typing import Annotated

import click
from annotated_types import Gt

import modrack

sampler = modrack.component("sampler")


def use(made, rig):
    """Train on the rows that the chosen sampler names."""
    rig.feeders["train"].arrange(made)


@modrack.hook
def modrack_kinds():
    return [modrack.Kind("sampler", "which rows come next", given=("data", "seed"), returns="rows(epoch)", use=use)]


@sampler
def first(data, *, share: Annotated[float, Gt(0), "of all rows"] = 0.5):
    """Only the first rows, again and again."""
    import numpy as np

    size = data.sizes["train"]
    return lambda epoch: np.arange(size) % max(1, int(size * share))


@sampler
def with_replacement(data, seed):
    """Rows drawn anew each epoch, each as likely as any other."""
    import numpy as np

    size = data.sizes["train"]
    return lambda epoch: np.random.default_rng((seed, epoch)).integers(0, size, size)


@sampler
def too_few(data):
    """A mistake: fewer rows than there are."""
    return lambda epoch: [0, 1, 2]


@modrack.callback
class Seen:
    """Writes down which rows were trained on."""

    def __init__(self, *, file: str = "seen.txt"):
        self.file = file

    def ended(self, training):
        order = training.rig.feeders["train"].order(0)
        rows = sorted({int(row) for row in order.rows})
        (training.folder / self.file).write_text(f"{rows[0]} {rows[-1]} {len(rows)}")


@modrack.exporter
def listing(model, data, folder, *, file: str = "weights.txt"):
    """The names and shapes of the weights."""
    path = folder / file
    path.write_text("".join(f"{name} {tuple(weight.shape)}\n" for name, weight in model.named_parameters()))
    return path


@modrack.hook
def modrack_commands():
    @click.command("samplers")
    def command():
        """Say which samplers there are."""
        click.echo("first, with-replacement")

    return [command]


@modrack.hook
def modrack_run_started(run):
    (run.folder / "started.txt").write_text(f"run {run.id}: {run.status}")


@modrack.hook
def modrack_run_ended(run):
    (run.folder / "ended.txt").write_text(f"run {run.id}: {run.status}")
    raise RuntimeError("this must not undo the run")
