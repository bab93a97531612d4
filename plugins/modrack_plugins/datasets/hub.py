"""Any dataset of the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated, Any

import modrack
from modrack_plugins.hub_access import hub_reachable


@modrack.dataset(gives=("text", "image", "audio", "tabular"), target=("class", "classes", "number", "tokens", "none"))
def hub(
    *,
    path: Annotated[str, "name of the dataset on the Hub, as stanfordnlp/imdb"],
    name: Annotated[str | None, "which of its configurations"] = None,
    revision: Annotated[str | None, "commit, tag or branch; a commit makes the run repeatable"] = None,
    streaming: Annotated[bool, "read it as it comes instead of downloading it first; needs steps=…"] = False,
    text: Annotated[str | None, "the column of texts; none: the first one of texts"] = None,
    image: Annotated[str | None, "the column of images; none: the first one of images"] = None,
    label: Annotated[str | None, "the column of labels; none: the first one of classes"] = None,
    train: Annotated[str, "the split to train on"] = "train",
    validation: Annotated[str | None, "the split to evaluate on; none: validation, or cut from train"] = None,
    test: Annotated[str | None, "the split to test on; none: test, or cut from train"] = None,
) -> Any:
    """Any dataset of the Hugging Face Hub; code that comes with one is never run."""
    from datasets import DatasetDict, IterableDatasetDict, disable_progress_bars, load_dataset

    if not hub_reachable():
        import os

        # What was downloaded before is still found.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
        import datasets.config
        import huggingface_hub.constants

        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    disable_progress_bars()
    try:
        made = load_dataset(path, name, revision=revision, streaming=streaming)
    except (OSError, ValueError, RuntimeError) as error:
        said = (" ".join(str(error).split()) or type(error).__name__)[:300]
        if not hub_reachable():
            raise modrack.UserError(
                f"dataset.path={path}: the Hub cannot be reached, and it was not downloaded before.",
                "Use files of your own: --dataset files dataset.path=FOLDER",
            ) from None
        raise modrack.UserError(f"dataset.path={path}: {said}") from None
    wanted = {"train": train, "validation": validation, "test": test}
    splits = {}
    for split, asked in wanted.items():
        if asked is not None and asked not in made:
            if split == "train" or asked != split:
                there = ", ".join(made)
                raise modrack.UserError(f"dataset.{split}={asked}: {path} has no such split.", f"It has: {there}.")
        elif (asked or split) in made:
            splits[split] = _columns(made[asked or split], path, text, image, label)
    return (IterableDatasetDict if streaming else DatasetDict)(splits)


def _columns(rows: Any, path: str, text: str | None, image: str | None, label: str | None) -> Any:
    """Only the columns that are named, the input first; all of them where none is."""
    named = {"text": text, "image": image, "label": label}
    there = list(rows.features or {})
    for option, column in named.items():
        if column is not None and column not in there:
            raise modrack.UserError(
                f"dataset.{option}={column}: {path} has no such column.", f"It has: {', '.join(there)}."
            )
    asked = [column for column in (text, image) if column is not None]
    if asked:
        rest = [label] if label else [column for column in there if not _is_input(rows.features[column])]
        return rows.select_columns([*asked[:1], *rest])
    if label is not None:
        return rows.select_columns([column for column in there if column == label or _is_input(rows.features[column])])
    return rows


def _is_input(feature: Any) -> bool:
    return type(feature).__name__ in ("Image", "Audio") or getattr(feature, "dtype", None) in ("string", "large_string")
