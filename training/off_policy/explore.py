"""Which decisions are random, and for how long."""

from typing import Any

import numpy as np

from training.off_policy.config import DQNConfig

LONGEST = 64  # decisions that a random action goes on at the most


def exploration(num_envs: int, step: int, config: DQNConfig) -> np.ndarray:
    """Epsilon of each environment, float64 [N]: a ladder base^(1 + alpha i / (N - 1)), reached by a ramp from 1."""
    ladder = config.epsilon_base ** (1 + config.epsilon_alpha * np.arange(num_envs) / max(num_envs - 1, 1))
    return 1.0 + (ladder - 1.0) * min(1.0, step / max(config.epsilon_ramp, 1))


class Explorer:
    """Epsilon-greedy whose random actions last, and more of it in a row that finds nothing new.

    A random action goes on for n decisions with a probability of n^-zeta (Dabney et al. 2021,
    https://arxiv.org/abs/2006.01782): exploring crosses a room instead of trembling in it. And a row that has seen no
    new place for a while explores, whatever its place on the ladder (Pislar et al. 2022, https://arxiv.org/abs/2108.11811):
    it would only stand at the same wall until its episode ends.
    """

    def __init__(self, num_rows: int, num_actions: int, config: DQNConfig) -> None:
        self.num_actions, self.config = num_actions, config
        self.left = np.zeros(num_rows, np.int64)  # decisions that the row's random action still goes on
        self.action = np.zeros(num_rows, np.int32)
        self.bored = np.zeros(num_rows, np.int64)  # decisions since the last new place
        self.decisions = self.random = 0  # since `take_random_share`

    def epsilon(self, step: int) -> np.ndarray:
        """Probability of each row that a random action begins, float64 [N]."""
        epsilon = exploration(len(self.bored), step, self.config)
        if not self.config.boredom:
            return epsilon
        return np.where(self.bored >= self.config.boredom, np.maximum(epsilon, self.config.epsilon_bored), epsilon)

    def choose(self, greedy: np.ndarray, epsilon: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The greedy actions, int32 [N], where nothing random begins or goes on."""
        n = len(greedy)
        begins = (rng.random(n) < epsilon) & (self.left == 0)
        draws = rng.integers(0, self.num_actions, n, dtype=np.int32)
        lasts = np.minimum(rng.zipf(self.config.epsilon_zeta, n), LONGEST) if self.config.epsilon_zeta else 1
        self.action = np.where(begins, draws, self.action)
        self.left = np.where(begins, lasts, self.left)
        random = self.left > 0
        self.left -= random
        self.decisions += n
        self.random += int(random.sum())
        return np.where(random, self.action, greedy)

    def take_random_share(self) -> float:
        """Share of the decisions since the last call that were random: more than epsilon, as random actions last."""
        share = self.random / max(self.decisions, 1)
        self.decisions = self.random = 0
        return share

    def observe(self, new: np.ndarray) -> None:
        """Which rows came to a new place, bool [N]."""
        self.bored = np.where(new, 0, self.bored + 1)

    def forget(self, rows: np.ndarray) -> None:
        """Begin anew in `rows` (indices), whose episodes ended."""
        self.left[rows] = 0
        self.bored[rows] = 0

    def state_dict(self) -> dict[str, Any]:
        """Which random actions go on, how bored each row is, and how many decisions were random."""
        return {
            "left": self.left.copy(),
            "action": self.action.copy(),
            "bored": self.bored.copy(),
            "decisions": self.decisions,
            "random": self.random,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.left[:], self.action[:], self.bored[:] = state["left"], state["action"], state["bored"]
        self.decisions, self.random = int(state["decisions"]), int(state["random"])
