"""From what happened to the rows of the files: records for the logger, and one dict for the dashboard."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from curriculum.manager import CurriculumManager
from puffer_envs.contract.game import Game
from puffer_envs.contract.vector_env import VectorEnv
from training.common.clock import every
from training.common.ledger import FinishedEpisode, Ledger, Step
from training.telemetry.panels import MilestoneView
from training.telemetry.records import EpisodeRecord, PositionRecord, ProgressRecord, StepRecord

# Decisions of a row between two samples of it in steps.csv and positions.csv.
SAMPLE_INTERVAL = 32


def episode_record(finished: FinishedEpisode, env: VectorEnv, manager: CurriculumManager, game: Game) -> EpisodeRecord:
    """A row of episodes.csv."""
    episode, milestones = finished.episode, env.spec.milestones
    held = episode.held | (episode.reached >= 0)
    return EpisodeRecord(
        episode_id=finished.episode_id,
        env_id=episode.row,
        length_steps=episode.length,
        return_env=finished.returns["env"],
        return_total=finished.total,
        return_rnd=finished.returns.get("rnd"),
        return_novel=finished.returns.get("novel"),
        return_bayes=finished.returns.get("bayes"),
        milestones_reached=[milestones[m].name for m in np.flatnonzero(episode.reached >= 0)],
        posterior_summary={
            row.milestone: {"alpha": row.alpha, "beta": row.beta, "mean": row.mean, "low": row.lo, "high": row.hi}
            for row in manager.posteriors.summary()
        },
        alarm_triggered=bool(milestones) and bool(manager.alarm[next_milestone(held)]),
        savestate_tag=episode.start_state,
        facts={column.name: episode.summary.get(column.name) for column in game.columns},
        start_step_global=finished.start_step,
        end_step_global=finished.end_step,
    )


def episode_figures(finished: FinishedEpisode, seconds: float) -> dict[str, Any]:
    """What a file of the game's own can tell of an episode (`game.Table`)."""
    head = {"episode": finished.episode_id, "step": finished.end_step, "seconds": seconds}
    return head | {"length": finished.episode.length, "return": finished.total} | finished.episode.summary


def next_milestone(held: np.ndarray) -> int:
    """Index of the first of at least one milestone that is not held, the last one when all are."""
    return int(np.argmin(held)) if not held.all() else len(held) - 1


def shown_milestone(env: VectorEnv, manager: CurriculumManager) -> tuple[str, float] | None:
    """The milestone whose theta stands in the episode line: the first that is not mastered."""
    if not env.spec.milestones:
        return None
    m = next_milestone(manager.theta >= 0.5)
    return env.spec.milestones[m].name, float(manager.theta[m])


def progress_records(manager: CurriculumManager) -> list[ProgressRecord]:
    """The table of progress.csv."""
    return [
        ProgressRecord(row.milestone, row.alpha, row.beta, row.mean, row.alarm_score)
        for row in manager.posteriors.summary()
    ]


def sample_due(ledger: Ledger) -> bool:
    """Whether this step of all rows goes into steps.csv and positions.csv."""
    rows, now = ledger.env.num_agents, ledger.global_step
    return every(SAMPLE_INTERVAL * rows, now - rows, now)


def step_records(step: Step, ledger: Ledger, manager: CurriculumManager, game: Game) -> Iterator[StepRecord]:
    """The first agent of each environment at this step, but of those that have just begun another episode."""
    env, theta = ledger.env, manager.theta
    sensed = game.sense(env.observations) if game.sense is not None else {}
    for row in _shown_rows(step, env):
        held = env.milestones_held[row].copy()
        mean = float(theta[next_milestone(held)]) if held.size else 0.0
        paid = dict(zip(ledger.parts, step.rewards[row].tolist(), strict=True))
        yield StepRecord(
            step_global=ledger.global_step,
            episode_id=int(ledger.episode_id[row]),
            env_id=row,
            r_env=paid["env"],
            r_rnd=paid.get("rnd"),
            r_novel=paid.get("novel"),
            r_bayes=paid.get("bayes"),
            r_total=float(step.total[row]),
            milestone_flags=held,
            facts={name: sensed[name][row] for name in game.step_columns},
            posterior_m=mean,
            alarm_score=0.5 - mean,
        )


def _shown_rows(step: Step, env: VectorEnv) -> list[int]:
    rows = np.flatnonzero(step.alive & ~step.began)
    return rows[rows % env.spec.agents_per_env == 0].tolist()


def position_records(step: Step, ledger: Ledger, game: Game) -> Iterator[PositionRecord]:
    """Where every row is, for games that say so."""
    if game.sense is None or not game.position_columns:
        return
    sensed = game.sense(ledger.env.observations)
    for row in _shown_rows(step, ledger.env):
        yield PositionRecord(
            step_global=ledger.global_step,
            env_id=row,
            episode_id=int(ledger.episode_id[row]),
            facts={name: sensed[name][row] for name in game.position_columns},
            reward=float(step.total[row]),
        )


# -- for the dashboard (`panels.Data` names the keys) ------------------------------------------------------------------
def live_data(
    figures: dict[str, float],
    seconds: dict[str, float],
    sps: dict[str, float],
    manager: CurriculumManager,
    ledger: Ledger,
    device: torch.device,
) -> dict[str, Any]:
    """What a log line brings up to date."""
    parts = {"env": seconds.get("env", 0.0), "act": seconds.get("act", 0.0), "learn": seconds.get("learn", 0.0)}
    tries = manager.posteriors.tries.tolist()
    rows = zip(manager.milestones, manager.theta.tolist(), manager.alarm.tolist(), tries, strict=True)
    return {
        "epsilon": figures.get("epsilon"),
        "episodes_done": ledger.episodes,
        "sps": {name.removeprefix("sps/"): value for name, value in sps.items()},
        "time": parts | {"rest": seconds["total"] - sum(parts.values())},
        "means": {
            "length": figures["episode/length"],
            "r_env": figures["episode/return_env"],
            "r_total": figures["episode/return_total"],
        },
        "reward": {name: figures[name] for name in (*(f"r_{part}" for part in ledger.parts), "r_total")}
        | {name.removeprefix("reward/"): x for name, x in figures.items() if name.startswith("reward/")},
        "losses": {name.removeprefix("learner/"): x for name, x in figures.items() if name.startswith("learner/")},
        "milestones": [MilestoneView(m.name, theta, alarm, n) for m, theta, alarm, n in rows],
        "spawn_mix": manager.spawn_mix(),
        "memory": device_memory(device),
    }


def device_memory(device: torch.device) -> dict[str, float]:
    """Bytes that torch holds on a GPU."""
    return {str(device): float(torch.cuda.memory_allocated(device))} if device.type == "cuda" else {}
