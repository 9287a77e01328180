"""What a run leaves to read: lines, JSON, CSV and TensorBoard files, all under the run's folder (formats: `records`).

Logs follow the checkpoints (`RunLogger.state_dict`), and no full disk ever stops a run.
"""

import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from puffer_envs.contract.game import Table
from training.telemetry.records import (
    TABLES,
    EpisodeRecord,
    PositionRecord,
    ProgressRecord,
    Record,
    StepRecord,
    cells,
    clean_text,
    csv_row,
    episode_line,
    header,
    log_line,
    plain,
)
from training.telemetry.scalars import Scalars
from training.telemetry.text_file import TextFile

Echo = Callable[[str, str], None]  # (kind, text); kind is "episode", "log", "message" or "warning"

PACKAGES = ("pufferswarm", "training", "curriculum", "puffer_envs", "policies")  # their INFO messages are worth a line
WARNING_PAUSE = 60.0  # seconds
# Lines of episodes: so many at once, so many a second in the long run. Fast games end hundreds a second.
EPISODE_BURST, EPISODE_LINES = 256, 8


class _LogHandler(logging.Handler):
    """Python's logging into train.log and onto the screen."""

    def __init__(self, run: "RunLogger") -> None:
        super().__init__()
        self.run = run
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
            self.run.train_log.write(clean_text(self.format(record), keep="\n\t") + "\n")
            self.run.train_log.flush()
            self.run.show("warning" if record.levelno >= logging.WARNING else "message", text)
        except Exception:  # a log call with wrong arguments is no reason to stop a run
            self.handleError(record)


def print_line(kind: str, text: str) -> None:
    """The plainest echo: warnings to stderr, all else to stdout."""
    print(text, file=sys.stderr if kind == "warning" else sys.stdout, flush=True)


class RunLogger:
    """Everything a run writes beside its checkpoints and videos.

    Nothing is created before the first line. On resume call `load_state_dict` before anything is logged: the files are
    cut back to the checkpoint, all but train.log, which tells what happened.

    Args:
        run_dir: the run's folder.
        echo: where lines go besides the files; a dashboard takes over by setting `echo`.
        own_columns: file -> the game's own columns in it, see `records.own_columns`.
        own_tables: files of the game's own.
    """

    def __init__(
        self,
        run_dir: Path,
        echo: Echo = print_line,
        own_columns: Mapping[str, Sequence[str]] = MappingProxyType({}),
        own_tables: Sequence[Table] = (),
    ) -> None:
        self.run_dir = run_dir
        self.echo = echo
        self.step = -1  # newest step that was logged
        self._allowance, self._allowed_at = float(EPISODE_BURST), time.monotonic()
        self._complained: dict[str, float] = {}  # first words -> when, so that no warning repeats within a minute
        self.train_log = TextFile(run_dir / "train.log", self._complain)
        self.files = {name: TextFile(run_dir / name, self._complain) for name in ("metrics.jsonl", "timing.jsonl")}
        self.own_columns = {name: own_columns.get(name, ()) for name in TABLES}
        for name, record in TABLES.items():
            self.files[name] = TextFile(run_dir / name, self._complain, csv_row(header(record, self.own_columns[name])))
        self.own_tables = own_tables
        for table in own_tables:
            self.files[table.file] = TextFile(run_dir / table.file, self._complain, csv_row(table.columns))
        self._progress = ""  # all of progress.csv
        self.scalars = Scalars(run_dir / "tensorboard", self._complain)
        self._handler = _LogHandler(self)
        logging.getLogger().addHandler(self._handler)
        for name in PACKAGES:
            logging.getLogger(name).setLevel(logging.INFO)
        logging.captureWarnings(True)

    # -- what to log ---------------------------------------------------------------------------------------------
    def message(self, text: str) -> None:
        """A sentence for people, into train.log and onto the screen."""
        logging.getLogger("training.run.run").info("%s", text)

    def line(self, **figures: Any) -> None:
        """The line of every ``--log-interval``; ``figures`` are the arguments of `log_line`."""
        self._line("log", log_line(**figures))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of the run, of nothing but the seed: no time, no speed. Flushes all files."""
        self.files["metrics.jsonl"].write(json.dumps(plain({"step": step, **values})) + "\n")
        self._show_scalars(step, values)
        self.flush()

    def timing(self, step: int, values: Mapping[str, float]) -> None:
        """Speeds and times, kept apart from what can be compared between runs."""
        self.files["timing.jsonl"].write(json.dumps(plain({"step": step, "time": time.time(), **values})) + "\n")
        self._show_scalars(step, values)

    def episode(self, record: EpisodeRecord, theta: tuple[str, float] | None = None) -> None:
        """A finished episode: a row of episodes.csv and its line, unless there are too many to be read."""
        self._rows("episodes.csv", [record])
        if self._may_show_episode():
            self._line("episode", episode_line(record, theta))

    def _may_show_episode(self) -> bool:
        now = time.monotonic()
        self._allowance = min(self._allowance + EPISODE_LINES * (now - self._allowed_at), float(EPISODE_BURST))
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def steps(self, records: Iterable[StepRecord]) -> None:
        """Sampled steps."""
        self._rows("steps.csv", records)

    def positions(self, records: Iterable[PositionRecord]) -> None:
        """Where rows are."""
        self._rows("positions.csv", records)

    def own_rows(self, of: str, figures: Mapping[str, Any]) -> None:
        """A row of each file of the game's own that tells of episodes, intervals or evaluations."""
        for table in self.own_tables:
            if table.of == of:
                self.files[table.file].write(csv_row(figures.get(name) for name in table.columns.values()))

    def progress(self, records: Iterable[ProgressRecord]) -> None:
        """The present posteriors; the file is the newest table, its history is in episodes.csv."""
        self._progress = csv_row(ProgressRecord._fields) + "".join([csv_row(record) for record in records])
        self._write_progress()

    # -- keeping step with checkpoints ---------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """How far every file has come, on the disk."""
        self.flush(sync=True)
        offsets = {name: file.size for name, file in self.files.items()}
        return {"offsets": offsets, "progress": self._progress, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut every file back to where it was; an empty dict is the start of the run."""
        for name, file in self.files.items():
            file.truncate(state.get("offsets", {}).get(name, 0))
        self.step = state.get("step", -1)
        self.scalars.purge_step = self.step + 1
        self._progress = state.get("progress", "")
        self._write_progress()

    def flush(self, sync: bool = False) -> None:
        """Hand over all lines that wait."""
        self.train_log.flush(sync)
        for file in self.files.values():
            file.flush(sync)

    def close(self) -> None:
        """Write what waits and let go of logging; more than once does no harm."""
        logging.getLogger().removeHandler(self._handler)
        logging.captureWarnings(False)
        for file in (self.train_log, *self.files.values()):
            file.close()
        self.scalars.close()

    def __enter__(self) -> "RunLogger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and kind not in (KeyboardInterrupt, SystemExit):
            logging.getLogger("training.run.run").error("the run stopped", exc_info=error)
        self.close()

    # -- inside --------------------------------------------------------------------------------------------------
    def show(self, kind: str, text: str) -> None:
        """Onto the screen, whatever that is now."""
        with suppress(OSError, ValueError):  # nobody reads the pipe any more
            self.echo(kind, clean_text(text))

    def _rows(self, name: str, records: Iterable[Record]) -> None:
        if rows := [csv_row(cells(record, self.own_columns[name])) for record in records]:
            self.files[name].write("".join(rows))

    def _line(self, kind: str, text: str) -> None:
        self.train_log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.show(kind, text)

    def _complain(self, text: str) -> None:
        now = time.monotonic()
        if now - self._complained.get(text, -math.inf) >= WARNING_PAUSE:
            self._complained[text] = now
            self.show("warning", text)

    def _write_progress(self) -> None:
        path = self.run_dir / "progress.csv"
        try:
            if not self._progress:
                path.unlink(missing_ok=True)
                return
            temporary = path.with_suffix(".csv.tmp")
            temporary.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(self._progress)
            os.replace(temporary, path)
        except OSError as error:
            self._complain(f"cannot write {path.name}: {error.strerror}; training goes on without it")

    def _show_scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.step = max(self.step, step)
        self.scalars.write(step, values)
