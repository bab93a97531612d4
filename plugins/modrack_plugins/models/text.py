"""Builds a text model of transformers: from a run's checkpoint, a pretrained one, or a size."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import nn
from transformers import AutoConfig

import modrack
from modrack_plugins.models.attention import attend_without_waiting
from modrack_plugins.models.checkpoints import UNREADABLE, load_pretrained
from modrack_plugins.models.configs import building
from modrack_plugins.models.first_token import read_first_token
from modrack_plugins.models.fresh import Fresh, make_fresh
from modrack_plugins.models.heads import READERS, Head, head_for
from modrack_plugins.models.native_layers import compute_natively
from modrack_plugins.models.tokenizers import read_tokenizer
from modrack_plugins.quiet import quiet_hub, quiet_loggers

__all__ = ["Fresh", "build"]


def build(
    data: modrack.Data,
    family: str | tuple[str, ...] | None,
    checkpoint: str | None,
    revision: str | None,
    fresh: Fresh | None,
    dropout: float | None,
    max_length: int,
    heads: Mapping[str, Head] = READERS,
) -> nn.Module:
    """The model, with its tokenizer as the attribute `processor`. Raises UserError for what cannot be loaded.

    `family` is the architecture that a checkpoint must have, or one of several, None for any; `heads` are those
    that the data choose from.
    """
    head = head_for(data, heads)
    with quiet(), _no_conversion():
        if data.restore is not None:
            model = _restored(data.restore, head)
        elif fresh is not None:
            model = make_fresh(data, fresh, head, dropout, max_length)
        else:
            model = load_pretrained(data, family, head, checkpoint, revision, dropout, max_length)
    attend_without_waiting(model)
    compute_natively(model, first=read_first_token(model))
    return model


def _restored(folder: Path, head: Head) -> nn.Module:
    """The shape of a run's model; the runner loads its weights."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = read_tokenizer(folder)
        model: nn.Module = head.maker.from_config(config, **building(config))
    except UNREADABLE as error:
        raise modrack.UserError(
            f"The checkpoint {folder} cannot be read: {' '.join(str(error).split())[:300]}",
            "It should hold config.json and the tokenizer's files.",
        ) from None
    model.processor = tokenizer
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and remarks of transformers and huggingface_hub, which are as before afterwards."""
    from transformers.utils import logging as chatter

    bars = chatter.is_progress_bar_enabled()
    chatter.disable_progress_bar()
    try:
        with quiet_hub(), quiet_loggers("transformers"):
            yield
    finally:
        if bars:
            chatter.enable_progress_bar()


@contextlib.contextmanager
def _no_conversion() -> Iterator[None]:
    """Keep transformers from asking a service to convert pickles, and from taking what that made, which nobody saw."""
    name = "DISABLE_SAFETENSORS_CONVERSION"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
