"""The run in a terminal: a live screen, one updating line, or plain lines for a log file."""

import atexit
import contextlib
import io
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from training.telemetry import panels
from training.telemetry.panels import MESSAGES, Screen
from training.telemetry.records import clean_text

Mode = Literal["auto", "rich", "line", "plain"]

REFRESH_HZ = 4
HISTORY = 240  # values of the curve, one a second; every other is dropped when it is full
# Leave the alternate screen, show the cursor, plain colours.
RESTORE = b"\x1b[?1049l\x1b[?25h\x1b[0m"
CLEAR_LINE = "\r\x1b[2K"


class Dashboard:
    """Shows a dict that the run keeps up to date (`panels.Data` names its keys), four times a second.

    It draws from a thread of its own and never waits for the run, nor the run for it. `show` takes lines, so it is what
    `RunLogger.echo` wants to be. Whatever happens to the run, `stop` or `restore` gives the terminal back as it was.

    Args:
        mode: ``auto`` is ``rich`` in a terminal and ``plain`` elsewhere; ``rich`` and ``line`` fall back to ``plain``
            where there is no terminal.
        file: where to draw; stdout by default.
    """

    def __init__(self, data: Mapping[str, Any], mode: Mode = "auto", file: TextIO | None = None) -> None:
        self.data = data
        self.file = file if file is not None else sys.stdout
        self.mode = resolve_mode(mode, self.file)
        self.messages: deque[tuple[str, str]] = deque(maxlen=MESSAGES)
        self.history: deque[float] = deque(maxlen=HISTORY)
        self._began = time.monotonic()
        self._sampled = 0.0
        self._last: RenderableType = Text("")
        self._failed = False
        self._live: Live | None = None
        self._redirects = contextlib.ExitStack()
        self._line_thread: threading.Thread | None = None
        self._line_stop = threading.Event()
        self._lock = threading.Lock()  # of `line` mode: a message and the line must not mix

    # -- lines ---------------------------------------------------------------------------------------------------
    def show(self, kind: str, text: str) -> None:
        """A line of the run, of kind episode, log, message or warning; each mode shows what it has room for."""
        text = clean_text(text)
        if self.mode == "plain":
            with contextlib.suppress(OSError, ValueError):  # nobody reads the pipe any more
                print(text, file=sys.stderr if kind == "warning" else self.file, flush=True)
        elif kind in ("message", "warning"):  # episodes and figures have their place on the screen
            self.messages.append((kind, text))
            if self._line_thread is not None:
                self._draw_line(text + "\n")

    # -- life ----------------------------------------------------------------------------------------------------
    def start(self) -> "Dashboard":
        """Take the terminal."""
        self._began = time.monotonic()
        atexit.register(self.stop)
        if self.mode != "plain":  # what others print would tear the picture: it becomes messages
            self._redirects.enter_context(contextlib.redirect_stdout(_Lines(self, "message")))
            self._redirects.enter_context(contextlib.redirect_stderr(_Lines(self, "warning")))
        if self.mode == "rich":
            console = Console(file=self.file, force_terminal=True)
            self._live = Live(
                console=console,
                screen=True,
                refresh_per_second=REFRESH_HZ,
                get_renderable=lambda: self._frame(*console.size),
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        elif self.mode == "line":
            self._line_stop.clear()
            self._line_thread = threading.Thread(target=self._draw_lines, name="dashboard", daemon=True)
            self._line_thread.start()
        return self

    def stop(self) -> None:
        """Give the terminal back; the last messages and figures stay on it. More than once does no harm."""
        atexit.unregister(self.stop)
        live, self._live = self._live, None
        thread, self._line_thread = self._line_thread, None
        self._redirects.close()
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone: nothing to give back
            if live is not None:
                live.stop()
            if thread is not None:
                self._line_stop.set()
                thread.join(2.0)
                print(CLEAR_LINE, end="", file=self.file)
            if live is not None:
                print(*(text for _, text in list(self.messages)[-10:]), sep="\n", file=self.file)
            if live is not None or thread is not None:
                print(panels.status_line(self._screen()), file=self.file, flush=True)

    def restore(self) -> None:
        """The least that a terminal needs, without waiting for any lock: for a signal handler about to exit."""
        if self._live is not None:
            with contextlib.suppress(OSError, ValueError):
                os.write(self.file.fileno(), RESTORE)

    def __enter__(self) -> "Dashboard":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- drawing, in the thread ------------------------------------------------------------------------------------
    def _frame(self, width: int, height: int) -> RenderableType:
        """The present picture, or the former one where the run changed what was just being read."""
        try:
            self._sample()
            self._last = panels.frame(self._screen(), width, height)
        except Exception as error:  # a picture is never worth a run
            if not self._failed:
                self._failed = True
                self.messages.append(("warning", f"the dashboard stumbled: {type(error).__name__}: {error}"))
        return self._last

    def _screen(self) -> Screen:
        memory = {"process": resident_bytes(), **self.data.get("memory", {})}
        data = {**self.data, "memory": memory}
        return Screen(data, list(self.messages), list(self.history), time.monotonic() - self._began)

    def _sample(self) -> None:
        now, value = time.monotonic(), self.data.get("means", {}).get("r_env")
        if value is None or now - self._sampled < 1.0:
            return
        self._sampled = now
        if len(self.history) == HISTORY:
            thinned = list(self.history)[::2]
            self.history.clear()
            self.history.extend(thinned)
        self.history.append(float(value))

    def _draw_lines(self) -> None:
        while not self._line_stop.wait(1 / REFRESH_HZ):
            with contextlib.suppress(Exception):  # as in `_frame`
                self._draw_line()

    def _draw_line(self, above: str = "") -> None:
        line = panels.status_line(self._screen())[: terminal_width(self.file) - 1]
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.file.write(f"{CLEAR_LINE}{above}{line}")
            self.file.flush()


class _Lines(io.TextIOBase):
    """A stream whose lines become messages."""

    def __init__(self, dashboard: Dashboard, kind: str) -> None:
        self.dashboard, self.kind = dashboard, kind
        self.rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in filter(str.strip, lines):
            self.dashboard.show(self.kind, line)
        return len(text)


def resolve_mode(mode: Mode, file: TextIO) -> Mode:
    """What ``--dashboard`` comes to on this stream."""
    terminal = file.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    if not terminal:
        return "plain"
    pretty = (getattr(file, "encoding", None) or "").lower().replace("-", "").startswith("utf")
    if mode == "auto":
        return "rich" if pretty else "plain"
    return "line" if mode == "rich" and not pretty else mode


def terminal_width(file: TextIO) -> int:
    """Columns of a terminal, 80 where nobody knows."""
    try:
        return os.get_terminal_size(file.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def resident_bytes() -> int:
    """Memory that this process holds."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
