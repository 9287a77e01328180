"""Signals that ask a run to stop: they set a flag, the loop saves and leaves when its step is done."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 75}  # 75: the scheduler shall queue the run again
# One Ctrl-C often arrives twice within milliseconds: from the terminal and from the launcher above us.
SECOND_AFTER = 0.25  # seconds


class StopSignals:
    """Within this context SIGTERM, SIGINT and SIGUSR1 only set ``requested``; a second one exits at once.

    To be entered in the main thread, as Python wants it for signals.

    Args:
        on_exit: called before a second signal ends the process, to restore the terminal; it must not wait for locks.
    """

    def __init__(self, on_exit: Callable[[], None] | None = None) -> None:
        self.requested: str | None = None
        self.on_exit = on_exit
        self._since = 0.0
        self._former: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What the process shall end with: 0 when nobody asked it to stop."""
        return 0 if self.requested is None else EXIT_CODES[self.requested]

    def __enter__(self) -> "StopSignals":
        for name in EXIT_CODES:
            number = getattr(signal, name)
            self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)
        self._former.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested is None:
            self.requested, self._since = name, time.monotonic()
        elif time.monotonic() - self._since >= SECOND_AFTER:
            try:
                if self.on_exit is not None:
                    self.on_exit()
            finally:
                os._exit(EXIT_CODES[name])
