"""Figures between two log lines, and the sliding means over the last episodes."""

import math
from collections import deque
from collections.abc import Collection
from typing import Any

import numpy as np

from training.common.ledger import FinishedEpisode, Step, facts

# Episodes behind the sliding means, as the original's log lines have it.
WINDOW = 100


class Metrics:
    """Sums since the last line; all of it is in the checkpoint, so that a resumed run writes the same lines.

    Args:
        parts: of the reward. terms: of the game's own.
        places: facts of an episode that are no figures (`Game.places`).
    """

    def __init__(self, parts: tuple[str, ...], terms: tuple[str, ...], places: Collection[str] = ()) -> None:
        self.parts, self.terms, self.places = parts, terms, places
        self.recent: deque[list[float]] = deque(maxlen=WINDOW)  # length, r_env, r_total of finished episodes
        self.facts: deque[dict[str, float]] = deque(maxlen=WINDOW)  # the games' own figures of the same episodes
        self._clear()

    def _clear(self) -> None:
        self.steps = 0
        self.rewards = np.zeros(len(self.parts) + 1, np.float64)
        self.term_sums = np.zeros(len(self.terms), np.float64)
        self.learned: dict[str, tuple[float, int]] = {}  # sum, and of how many updates
        self.updates = 0

    def add(self, step: Step, reward_terms: np.ndarray, active: np.ndarray) -> None:
        """Take in one decision of all rows; those that nobody learns from (not ``active``, bool [N]) do not count."""
        alive = step.alive & active
        self.steps += int(alive.sum())
        self.rewards[:-1] += step.rewards[alive].sum(axis=0, dtype=np.float64)
        self.rewards[-1] += step.total[alive].sum(dtype=np.float64)
        self.term_sums += reward_terms[alive].sum(axis=0, dtype=np.float64)
        for finished in step.episodes:
            self._add_episode(finished)

    def _add_episode(self, finished: FinishedEpisode) -> None:
        self.recent.append([float(finished.episode.length), finished.returns["env"], finished.total])
        self.facts.append(facts(finished.episode, self.places))

    def learn(self, figures: dict[str, float]) -> None:
        """Take in the figures of one update."""
        self.updates += 1
        for name, value in figures.items():
            if math.isfinite(value):  # the variance that is explained of returns which are all one is no number
                total, count = self.learned.get(name, (0.0, 0))
                self.learned[name] = total + value, count + 1

    def sliding(self) -> dict[str, float]:
        """Means over the last episodes: length, r_env, r_total, and the game's own figures at their ends."""
        means = np.mean(self.recent, axis=0) if self.recent else np.zeros(3)
        facts = (
            {f"episode/{name}": float(np.mean([f[name] for f in self.facts])) for name in self.facts[0]}
            if self.facts
            else {}
        )
        return facts | dict(
            zip(("episode/length", "episode/return_env", "episode/return_total"), means.tolist(), strict=True)
        )

    def flush(self) -> dict[str, float]:
        """Means since the last flush, a step or an update, and begin anew."""
        steps = max(self.steps, 1)
        names = [*(f"r_{part}" for part in self.parts), "r_total"]
        figures = dict(zip(names, (self.rewards / steps).tolist(), strict=True))
        figures |= {f"reward/{t}": float(x) / steps for t, x in zip(self.terms, self.term_sums, strict=True)}
        figures |= {f"learner/{name}": total / count for name, (total, count) in self.learned.items()}
        figures["learner/updates"] = self.updates
        self._clear()
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Everything."""
        return {
            "recent": [list(entry) for entry in self.recent],
            "facts": [dict(entry) for entry in self.facts],
            "steps": self.steps,
            "rewards": self.rewards.copy(),
            "term_sums": self.term_sums.copy(),
            "learned": dict(self.learned),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.recent = deque(state["recent"], maxlen=WINDOW)
        self.facts = deque(state["facts"], maxlen=WINDOW)
        self.steps, self.updates = int(state["steps"]), int(state["updates"])
        self.rewards[:] = state["rewards"]
        self.term_sums[:] = state["term_sums"]
        self.learned = {name: (total, count) for name, (total, count) in state["learned"].items()}
