"""The formats of what a run writes: the records are the columns of its CSV files, the functions its lines.

Others read these, so each has one definition, here; `logger` decides when and where they are written.
"""

import csv
import io
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.contract.game import Game


# -- the records: one row of a file each, the fields are its columns -------------------------------------------------
class EpisodeRecord(NamedTuple):
    """A row of episodes.csv."""

    episode_id: int
    env_id: int
    length_steps: int
    return_env: float
    return_total: float
    return_rnd: float | None  # None: a learner without curiosity
    return_novel: float | None
    return_bayes: float | None
    milestones_reached: Sequence[str]  # in this episode, not those it began with
    posterior_summary: Mapping[str, Mapping[str, float]]  # milestone -> alpha, beta, mean, low, high (95%)
    alarm_triggered: bool
    savestate_tag: str | None  # None: it was a new game
    facts: Mapping[str, Any]  # the game's own (`Game.columns`): name -> value, each a column
    start_step_global: int
    end_step_global: int


class StepRecord(NamedTuple):
    """A row of steps.csv, the sampled log of single steps."""

    step_global: int
    episode_id: int
    env_id: int
    r_env: float
    r_rnd: float | None
    r_novel: float | None
    r_bayes: float | None
    r_total: float
    milestone_flags: np.ndarray  # bool [M]
    facts: Mapping[str, Any]  # `Game.step_columns`
    posterior_m: float  # mean of the next milestone
    alarm_score: float  # .5 - posterior_m


class PositionRecord(NamedTuple):
    """A row of positions.csv, for heat maps."""

    step_global: int
    env_id: int
    episode_id: int
    facts: Mapping[str, Any]  # `Game.position_columns`
    reward: float


class ProgressRecord(NamedTuple):
    """A row of progress.csv: how well a milestone is mastered now."""

    milestone: str
    alpha: float
    beta: float
    mean: float
    alarm_score: float


Record = EpisodeRecord | StepRecord | PositionRecord
TABLES: dict[str, type[Record]] = {
    "episodes.csv": EpisodeRecord,
    "steps.csv": StepRecord,
    "positions.csv": PositionRecord,
}


def own_columns(game: Game) -> dict[str, tuple[str, ...]]:
    """File -> names of the facts that are the game's own columns in it, in the place of ``facts``."""
    return {
        "episodes.csv": tuple(column.name for column in game.columns),
        "steps.csv": game.step_columns,
        "positions.csv": game.position_columns,
    }


def header(record: type[Record], facts: Sequence[str]) -> list[str]:
    """Names of a file's columns."""
    return [name for field in record._fields for name in (facts if field == "facts" else (field,))]


def cells(record: Record, facts: Sequence[str]) -> list[Any]:
    """Values of a record under `header`."""
    own = [record.facts[name] for name in facts]
    return [cell for field in record._fields for cell in (own if field == "facts" else [getattr(record, field)])]


# -- the lines -----------------------------------------------------------------------------------------------------
def episode_line(record: EpisodeRecord, theta: tuple[str, float] | None = None) -> str:
    """``[EP 1342 env=7] len=642  R_env=23.5  ...``; ``theta`` is a milestone worth showing and its posterior mean."""
    cells = [
        f"len={record.length_steps}",
        f"R_env={_short(record.return_env)}",
        f"R_total={_short(record.return_total)}",
    ]
    for name, value in record.facts.items():
        if value is not None:
            cells.append(f"{name}={_short(value) if isinstance(value, float) else value}")
    cells.append(f"savestate_tag={record.savestate_tag or 'new_game'}")
    if theta is not None:
        cells.append(f"theta_{theta[0]}={theta[1]:.2f}")
    return clean_text(f"[EP {record.episode_id} env={record.env_id}] " + "  ".join(cells))


def log_line(
    *,
    step: int,
    total_steps: int,
    sps: float,
    epsilon: float | None,
    random_share: float | None,
    length: float,
    r_env: float,
    r_total: float,
    components: Mapping[str, float],
    episodes: int,
    num_envs: int,
    spawn_mix: Mapping[str, float],
) -> str:
    """The line of every ``--log-interval``.

    Args:
        epsilon: mean chance that a random action begins. random_share: of the decisions, since random actions last.
            Both None where nothing is drawn so.
        length, r_env, r_total: means of recent episodes.
        components: part of the reward -> its mean a step, ``r_<part>/step`` in the line.
    """
    cells = [f"SPS={sps:.0f}"]
    if epsilon is not None:
        cells.append(f"epsilon={epsilon:.3f}")
    if random_share is not None:
        cells.append(f"random_share={random_share:.3f}")
    cells += [f"len={length:.1f}", f"r_env={_short(r_env)}", f"r_total={_short(r_total)}"]
    cells += [f"r_{part}/step={value:.4f}" for part, value in components.items()]
    cells += [f"episodes={episodes}", f"num_envs={num_envs}"]
    if spawn_mix:
        cells.append("spawn=" + "/".join(f"{tier}:{share:.2f}" for tier, share in spawn_mix.items()))
    return clean_text(f"[STEP {step}/{total_steps}] " + "  ".join(cells))


def clean_text(text: str, keep: str = "") -> str:
    """Without control characters, bidirectional overrides and lone surrogates: a printed name moves no cursor."""
    return "".join(c for c in text if c in keep or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def size_text(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit in ("B", "KB") else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"


# -- cells and rows ------------------------------------------------------------------------------------------------
def csv_row(cells: Iterable[Any]) -> str:
    """One line of a CSV file; floats as `repr`, flags as 0110, names joined by |, mappings as JSON."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, Mapping):
        return json.dumps(plain(value))
    if isinstance(value, np.ndarray):
        return "".join("1" if flag else "0" for flag in value)
    if isinstance(value, (list, tuple)):
        return clean_text("|".join(value))
    return clean_text(str(value))


def plain(value: Any) -> Any:
    """As JSON knows it: NumPy scalars to Python's, NaN and infinities to null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSON-lines file; a torn last line, which a crash leaves, is passed over.

    Raises:
        ValueError: another line is damaged.
    """
    *lines, _torn = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}: line {number} is damaged") from error
    return rows
