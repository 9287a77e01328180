"""The books of the running episodes: who plays, what each row has earned, and what one step of all rows brought."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.contract.records import Episode, Event
from puffer_envs.contract.vector_env import LEARNER, VectorEnv


class FinishedEpisode(NamedTuple):
    """An episode of an environment with what the books say of it; its first agent speaks for all."""

    episode: Episode
    episode_id: int
    returns: dict[str, float]  # part of the reward -> unweighted sum over the episode, mean over the learner's agents
    total: float  # of the weighted sum
    start_step: int  # global step at its start
    end_step: int


class Step(NamedTuple):
    """What one decision of all rows brought."""

    rewards: np.ndarray  # float32 [N, P], the unweighted parts
    total: np.ndarray  # float32 [N]
    alive: np.ndarray  # bool [N]; the others' workers are out of order
    began: np.ndarray  # bool [N], an episode has just begun: after the end of another, or of a worker's absence
    returned: np.ndarray  # bool [N], of these the latter
    lost: np.ndarray  # bool [N], its worker died in this step
    events: list[Event]
    episodes: list[FinishedEpisode]


class Ledger:
    """Keeps the books of an environment's rows.

    Args:
        weights: part of the reward -> its weight; the game's own, ``env``, comes first.
    """

    def __init__(self, env: VectorEnv, weights: Mapping[str, float]) -> None:
        n = env.num_agents
        self.env, self.parts = env, tuple(weights)
        self.weights = np.array(list(weights.values()), np.float32)
        self.global_step = 0
        self.episodes = 0  # finished
        self.episode_id = np.arange(1, n + 1)  # of the episode that runs in each row
        self.alive = np.ones(n, np.bool_)
        self.returns = np.zeros((n, len(self.parts)), np.float64)
        self.start_step = np.zeros(n, np.int64)
        env.keep_episodes(True)

    def enter(self, rewards: np.ndarray, events: list[Event]) -> Step:
        """Take in the step that the environments have just made; ``rewards`` float32 [N, P]."""
        env = self.env
        alive = env.masks & self.alive  # a row that has just come back has made no step
        ended = env.terminals | env.truncations
        returned = env.masks & ~self.alive
        self.global_step += int(alive.sum())
        self.returns[alive] += rewards[alive]
        step = Step(
            rewards,
            rewards @ self.weights,
            alive,
            (ended & alive) | returned,
            returned,
            self.alive & ~alive,
            events,
            self._finished(env.poll_episodes()),
        )
        self._begin_anew(ended | ~alive)
        return step

    def _finished(self, episodes: list[Episode]) -> list[FinishedEpisode]:
        """One for each environment."""
        agents, learners = self.env.spec.agents_per_env, {each.row for each in episodes if each.seat == LEARNER}
        firsts = [each for each in episodes if each.row % agents == 0]
        return [
            self._told(first, [row for row in range(first.row, first.row + agents) if row in learners])
            for first in firsts
        ]

    def _told(self, episode: Episode, rows: list[int]) -> FinishedEpisode:
        """What the books say of an episode; ``rows`` are those that the learner played."""
        row = episode.row
        self.episodes += 1
        returns = self.returns[rows or [row]].mean(axis=0)
        total = float(returns @ self.weights)
        began = int(self.start_step[row])
        parts = dict(zip(self.parts, returns.tolist(), strict=True))
        return FinishedEpisode(episode, int(self.episode_id[row]), parts, total, began, self.global_step)

    def _begin_anew(self, ended: np.ndarray) -> None:
        """Rows whose episode ended, or whose worker is away, begin anew at their next observation."""
        rows = np.flatnonzero(ended & self.alive)
        if rows.size:
            self.returns[rows] = 0.0
            self.episode_id[rows] = self.episode_id.max() + 1 + np.arange(rows.size)
        self.start_step[ended] = self.global_step  # while a worker is away again and again, until it is back
        self.alive = self.env.masks.copy()

    def state_dict(self) -> dict[str, Any]:
        """Everything."""
        return {
            "global_step": self.global_step,
            "episodes": self.episodes,
            "episode_id": self.episode_id.copy(),
            "alive": self.alive.copy(),
            "returns": self.returns.copy(),
            "start_step": self.start_step.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.global_step, self.episodes = int(state["global_step"]), int(state["episodes"])
        self.episode_id[:] = state["episode_id"]
        self.alive[:] = state["alive"]
        self.returns[:] = state["returns"]
        self.start_step[:] = state["start_step"]


def score(episode: Episode, outcome: str) -> float:
    """Of an episode's first agent: 1 it won, 0 it lost, .5 neither. ``outcome`` is `Game.outcome`."""
    if outcome:
        return float(episode.summary[outcome])
    return 0.5 + 0.5 * float(np.sign(episode.term_returns.sum()))


def facts(episode: Episode, places: Collection[str] = ()) -> dict[str, float]:
    """The game's own figures of an episode at its end; ``places`` (`Game.places`) are none."""
    numbers = {name: float(value) for name, value in episode.summary.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if name not in places}
