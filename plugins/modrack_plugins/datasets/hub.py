"""Any dataset of the Hugging Face Hub."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import modrack
from modrack_plugins.hub_access import hub_reachable
from modrack_plugins.quiet import quiet_hub, quiet_loggers


@modrack.dataset(gives=("text", "image", "audio", "tabular"), target=("class", "classes", "number", "tokens", "none"))
def hub(
    *,
    path: Annotated[str, "name of the dataset on the Hub, as stanfordnlp/imdb"],
    name: Annotated[str | None, "which of its configurations"] = None,
    revision: Annotated[str | None, "commit, tag or branch; a commit makes the run repeatable"] = None,
    streaming: Annotated[bool, "read it as it comes instead of downloading it first; needs steps=…"] = False,
    text: Annotated[str | None, "the column of texts; none: the first one of texts"] = None,
    image: Annotated[str | None, "the column of images; none: the first one of images"] = None,
    label: Annotated[str | None, "the column of labels; none: the first one of classes, or found by name"] = None,
    train: Annotated[str, "the split to train on"] = "train",
    validation: Annotated[str | None, "the split to evaluate on; none: validation, or cut from train"] = None,
    test: Annotated[str | None, "the split to test on; none: test, or cut from train"] = None,
) -> Any:
    """Any dataset of the Hugging Face Hub; code that comes with one is never run.

    Rows whose label the Hub keeps secret are left out, and so is a split that has no other.
    """
    from datasets import DatasetDict, IterableDatasetDict

    from modrack_plugins.datasets.hubrows import encode, select

    if text is not None and image is not None:
        raise modrack.UserError("dataset.text and dataset.image: one of them is the input.", "Leave one out.")
    made = _load(path, name, revision, streaming)
    splits = {}
    for split, asked in {"train": train, "validation": validation, "test": test}.items():
        if (asked or split) in made:
            splits[split] = select(made[asked or split], path, text, image, label)
        elif asked is not None:
            raise modrack.UserError(
                f"dataset.{split}={asked}: {path} has no such split.", f"It has: {', '.join(map(str, made))}."
            )
    asked_for = {"train"} | {split for split, asked in (("validation", validation), ("test", test)) if asked}
    return (IterableDatasetDict if streaming else DatasetDict)(encode(splits, path, label, asked_for))


def _load(path: str, name: str | None, revision: str | None, streaming: bool) -> Any:
    from pathlib import Path

    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    reachable = hub_reachable()
    try:
        with _quietly(offline=not reachable):
            return load_dataset(path, name, revision=revision, streaming=streaming)
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        if not reachable and not Path(path).exists():
            raise modrack.UserError(
                f"dataset.path={path}: the Hub cannot be reached, and it was not downloaded before.",
                "Use files of your own: --dataset files dataset.path=FOLDER",
            ) from None
        # "An error occurred" is said by the outermost error; what it was, by its cause.
        told = error.__cause__ if type(error).__name__ == "DatasetGenerationError" and error.__cause__ else error
        said = (" ".join(str(told).split()) or type(told).__name__)[:300]
        raise modrack.UserError(f"dataset.path={path}: {said}") from None


@contextlib.contextmanager
def _quietly(*, offline: bool) -> Iterator[None]:
    """Without the libraries' bars and warnings; offline, without a request. All is as before afterwards."""
    import datasets
    import huggingface_hub

    config, constants = datasets.config, huggingface_hub.constants
    was_offline = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    bars = not datasets.are_progress_bars_disabled()
    if offline:
        # What was downloaded before is still found.
        config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        with quiet_hub(), quiet_loggers("datasets"):
            yield
    finally:
        config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = was_offline
        if bars:
            datasets.enable_progress_bars()
