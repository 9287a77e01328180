"""What environments tell of their rows: milestones reached, episodes finished, savestates that failed, sums."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.contract.spec import EnvSpec


class Event(NamedTuple):
    """A row reached a milestone for the first time in its episode."""

    row: int
    milestone: int  # index into EnvSpec.milestones
    step: int  # step of the episode, counted from 1
    state: bytes | None  # the world at that moment, as `save_state` gives it; None where no one wants it


class Episode(NamedTuple):
    """One finished episode of one row."""

    row: int
    length: int  # steps
    truncated: bool  # False: it ended in a terminal state
    term_returns: np.ndarray  # float32 [K], the sum of each weighted reward term
    start_state: str | None  # id of the savestate it began from, None for a new game
    held: np.ndarray  # bool [M], milestones held at its start
    reached: np.ndarray  # int32 [M], step at which each was reached, -1 where it was not
    summary: dict[str, Any]  # the game's own facts: badges, map, ...
    world: bytes | None = None  # as `save_state` gives it, at the end; only where it is asked for
    seat: int = 0  # who played it, see `VectorEnv.set_next_seats`


class FailedStart(NamedTuple):
    """A savestate that could not be loaded; the row began a new game instead."""

    row: int
    state_id: str
    reason: str


class Report(NamedTuple):
    """What the rows of one process did since the last report; `summarise` makes the info dict of several."""

    agent_steps: int
    episodes: int
    lengths: float  # sum over the episodes that ended
    returns: float  # sum over the episodes that ended
    terms: np.ndarray  # float64 [K], sums of the weighted reward terms
    metrics: dict[str, float]  # the game's own, means over rows


def summarise(spec: EnvSpec, reports: Sequence[Report]) -> dict[str, Any]:
    """One info dict: sums of sums, so that it does not depend on how rows are split among processes."""
    steps = sum(report.agent_steps for report in reports)
    episodes = sum(report.episodes for report in reports)
    info: dict[str, Any] = {"episodes": episodes}
    for name in reports[0].metrics:
        mean = sum(report.metrics[name] * report.agent_steps for report in reports) / steps
        info[name] = float(f"{mean:.6g}")  # the last digits of a mean of means would depend on the split
    if episodes:
        info["episode_length"] = sum(report.lengths for report in reports) / episodes
        info["episode_return"] = sum(report.returns for report in reports) / episodes
    terms = np.sum([report.terms for report in reports], axis=0) / steps
    return info | {f"reward/{term}": float(x) for term, x in zip(spec.reward_weights, terms, strict=True)}
