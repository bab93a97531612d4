"""How many steps a run has, and how many rows each: from the settings and the encoded rows."""

from __future__ import annotations

from modrack.configure.experiment import Experiment
from modrack.runner.encode import Encoded
from modrack.runner.order import count_steps, padded_width, token_bounds
from modrack_registry.errors import UserError


def check_batch(experiment: Experiment, train: Encoded) -> None:
    """Raises UserError for a batch that somebody asked for and that cannot be. A default one may be all the rows."""
    settings, origins = experiment.settings, experiment.origins
    size, rows = settings.batch_size, train.size
    if settings.batch_tokens is not None:
        check_tokens(settings.batch_tokens, train)
    elif size > rows and not origins.get("batch_size", "default").startswith("default"):
        raise UserError(f"batch_size={size}: train has {rows} rows.", f"Take {rows} or fewer.")
    if settings.accumulate is None:
        return
    largest = min(largest_step(experiment, train), rows)
    if settings.accumulate > largest:
        raise UserError(
            f"accumulate={settings.accumulate}: a batch of {largest} rows cannot be split into so many.",
            "Take fewer micro-batches, or a larger batch_size.",
        )


def check_tokens(tokens: int, train: Encoded) -> None:
    """Raises UserError where steps cannot be cut by tokens: rows of one length, or one that is longer than a step."""
    lengths = train.lengths
    if lengths is None:
        raise UserError(
            f"batch_tokens={tokens}: the rows of this dataset are all of one size.", "Say batch_size=64, or leave both."
        )
    longest = padded_width(lengths)
    if tokens < longest:
        raise UserError(
            f"batch_tokens={tokens}: the longest row takes {longest}.",
            f"Take at least {longest}, better many times that.",
        )


def largest_step(experiment: Experiment, train: Encoded) -> int:
    """Rows of a step; where they are cut by tokens, of one with the longest rows."""
    settings = experiment.settings
    if settings.batch_tokens is None or train.lengths is None:
        return settings.batch_size
    return max(1, settings.batch_tokens // padded_width(train.lengths))


def evaluation_batch(experiment: Experiment) -> int:
    """Rows of a batch in evaluation."""
    settings = experiment.settings
    # Without gradients a batch needs a fraction of the memory.
    return settings.evaluation_batch_size or max(256, settings.batch_size)


def total_steps(experiment: Experiment, train: Encoded | None) -> int:
    """Optimizer steps of the whole run. `train` is None for rows that come as a stream."""
    settings = experiment.settings
    if train is None:
        if settings.steps is None:
            raise UserError("A streamed dataset has no number of epochs.", "Say how long to train, as in steps=1000.")
        return settings.steps
    if settings.batch_tokens is not None and train.lengths is not None:
        each = len(token_bounds(train.lengths, settings.batch_tokens)) - 1
    else:
        each = count_steps(train.size, settings.batch_size)
    wanted = [settings.steps] if settings.steps is not None else []
    if settings.epochs is not None:
        wanted.append(settings.epochs * each)
    return int(min(wanted))
