"""Ctrl-C and SIGTERM: the first asks the run to end after its step, the second ends the process."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """While it is entered, signals are kept as a request; call it to ask for the reason, or None."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> str | None:
        return self._reason

    def __enter__(self) -> StopRequest:
        # Python allows handlers in the main thread only; elsewhere Ctrl-C is not ours to see.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self._reason is not None:
            raise KeyboardInterrupt
        self._reason = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
