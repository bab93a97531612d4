"""Other libraries without their remarks and progress bars, while modrack tells a person what happens itself."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_loggers(*names: str) -> Iterator[None]:
    """Nothing but what is fatal from the loggers of these names, which are as before afterwards."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def quiet_hub() -> Iterator[None]:
    """huggingface_hub without remarks and bars."""
    from huggingface_hub import utils as hub

    bars = not hub.are_progress_bars_disabled()
    hub.disable_progress_bars()
    try:
        with quiet_loggers("huggingface_hub"):
            yield
    finally:
        if bars:
            hub.enable_progress_bars()
