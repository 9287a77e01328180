"""Rewards: one named term each. A term says how much of its thing happened; the weights are in `config`."""

import math

import numpy as np

from puffer_envs.dodge.config import DODGE_DISTANCE, HIT_DISTANCE, Config, reward_weights
from puffer_envs.dodge.state import NUM_BALLS, Arena, X, Y, Z
from puffer_envs.kit.jit import inlined_kernel

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_ALIVE, _DODGE, _HIT = range(len(TERMS))


@inlined_kernel
def nearest(arena: Arena) -> float:
    """Distance of the player's centre to that of the nearest ball; infinity without any."""
    best = math.inf
    for i in range(arena.numbers[NUM_BALLS]):
        dx, dy = arena.player[X] - arena.balls[i, X], arena.player[Y] - arena.balls[i, Y]
        dz = arena.player[Z] - arena.balls[i, Z]
        best = min(best, (dx * dx + dy * dy) + dz * dz)
    return math.sqrt(best)


@inlined_kernel
def score(distance: float, terms: np.ndarray) -> bool:
    """Add the terms of a step to ``terms``, float32 [K]; whether the player is hit, which pays nothing else."""
    if distance < HIT_DISTANCE:
        terms[_HIT] += 1
        return True
    terms[_ALIVE] += 1
    if distance < DODGE_DISTANCE:
        terms[_DODGE] += DODGE_DISTANCE - distance
    return False


@inlined_kernel
def reach(step: int, thresholds: np.ndarray, held: np.ndarray, reached: np.ndarray) -> bool:
    """Mark the milestones (bool [M]) that a step reaches; whether there are any."""
    found = False
    for milestone in range(thresholds.size):
        if step >= thresholds[milestone] and not held[milestone]:
            reached[milestone] = found = True
    return found
