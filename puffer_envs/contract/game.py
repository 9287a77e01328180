"""What a game says of itself before a single environment exists."""

import math
from typing import NamedTuple

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.milestone import Milestone


class EnvSpec(NamedTuple):
    """All that the outside needs to know of a game before a single environment exists."""

    name: str
    layout: ObsLayout
    action_space: spaces.Space
    reward_weights: dict[str, float]  # term -> weight, in the order of the columns of `reward_terms`
    milestones: tuple[Milestone, ...] = ()
    agents_per_env: int = 1
    texts: tuple[str, ...] = ()  # that the rows of the observations refer to by number

    @property
    def num_actions(self) -> int:
        """How many actions there are to choose from; of an action of several parts, all combinations."""
        return math.prod(_choices(self.action_space))

    def actions(self, numbers: np.ndarray) -> np.ndarray:
        """Actions as the environments take them, [N] or [N, parts], from numbers below `num_actions`, int [N]."""
        choices = _choices(self.action_space)
        return numbers if len(choices) == 1 else np.stack(np.unravel_index(numbers, choices), 1)


def _choices(space: spaces.Space) -> tuple[int, ...]:
    if isinstance(space, spaces.MultiDiscrete):
        return tuple(space.nvec.tolist())
    assert isinstance(space, spaces.Discrete)
    return (int(space.n),)
