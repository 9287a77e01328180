"""The platform fighter's slow twin as a Gymnasium environment: what our environments are measured against.

A module of its own, as the worker processes of `AsyncVectorEnv` import it by name. The twin lies with the tests.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from puffer_envs.kit import rng
from tests.reference.platform_fighter.match import WEIGHTS, Match


class FighterTwin(gymnasium.Env):
    """One match; both fighters' keys, int8 [2, 10], go in together and both fighters' rows, float32 [2, 64], come out.

    So a step is two decisions, and stands for the same work as that of a match of ours. Gymnasium knows one reward a
    step: both fighters' are summed up, the first one's is returned.

    Args:
        number: of the match, whose random numbers are those of our environment ``number`` under seed 0.
        warm_up: steps of random keys before the first observation.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (2, 64), np.float32)
    action_space = spaces.MultiBinary((2, 10))

    def __init__(self, number: int, warm_up: int = 0) -> None:
        self.match = Match(rng.streams(0, number, 1)[0])  # which has begun
        self.random = np.random.default_rng(number)
        self.warm_up = warm_up
        self.begun = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if self.begun:
            self.match.reset()
        else:
            self.begun = True
            self._play(self.warm_up)
        return self._see(), {}

    def _play(self, steps: int) -> None:
        for _ in range(steps):
            *_, terminal, truncated, _ = self.step(self.random.integers(0, 2, (2, 10), np.int8))
            if terminal or truncated:
                self.match.reset()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        match = self.match
        match.step(action.tolist())
        rewards = [sum(WEIGHTS[name] * value for name, value in terms.items()) for terms in match.rewards]
        truncated = match.truncated and not match.terminal
        return self._see(), rewards[0], match.terminal, truncated, {}

    def _see(self) -> np.ndarray:
        return np.array([self.match.observe(i) for i in range(2)], np.float32)
