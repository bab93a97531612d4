"""Libraries that would talk into the screen."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import click

from modrack_registry.errors import ModrackWarning


def hush(*, debug: bool) -> None:
    """Keep libraries from talking into the screen; `--debug` lets them."""
    if debug:
        return

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        click.echo(f"Warning: {message}", err=True)

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", ModrackWarning)
    warnings.showwarning = show
    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_DATASETS_DISABLE_PROGRESS_BARS", "1"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1"),
        ("TOKENIZERS_PARALLELISM", "true"),
    ):
        os.environ.setdefault(name, value)
    for name in ("transformers", "datasets", "huggingface_hub", "torch", "filelock", "fsspec"):
        logging.getLogger(name).setLevel(logging.ERROR)
