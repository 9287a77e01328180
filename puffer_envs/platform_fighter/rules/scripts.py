"""Scripted fighters: which keys they hold, from what they see at the beginning of a frame."""

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.kit.rng import uniform
from puffer_envs.platform_fighter.config import (
    BASED,
    BASED_EDGE,
    BASED_LOW,
    BASED_REACH_SQUARED,
    RANDOM,
    VIEW_Y,
)
from puffer_envs.platform_fighter.state import (
    KEY_A,
    KEY_D,
    KEY_J,
    KEY_SPACE,
    KO,
    NUM_KEYS,
    STATE,
    STUN,
    Match,
    X,
    Y,
)


@kernel
def keys_of(script: int, match: Match, me: int, time: int) -> int:
    """Bits of the keys that a script holds; none where it is "constant".

    Args:
        time: frames of the match, this one included.
    """
    if script == BASED:
        return _based(match.real[me], match.real[1 - me], match.whole[1 - me, STATE], time)
    if script == RANDOM:
        bits = 0
        for i in range(NUM_KEYS):
            bits |= (1 if uniform(match.rng) > 0.5 else 0) << i
        return bits
    return 0


@kernel
def _based(own: np.ndarray, other: np.ndarray, state: int, time: int) -> int:
    """Back from the edge, else toward the opponent; jumps when low or below it, and light attacks when near."""
    bits = 0
    own_y, other_y = min(own[Y], VIEW_Y), min(other[Y], VIEW_Y)  # it goes by its observation
    if own[X] > BASED_EDGE:
        bits = KEY_A
    elif own[X] < -BASED_EDGE:
        bits = KEY_D
    elif state not in (STUN, KO):
        bits = KEY_D if other[X] > own[X] else KEY_A
    if (own_y > BASED_LOW or own_y > other_y) and time % 2 == 0:
        bits |= KEY_SPACE
    dx, dy = own[X] - other[X], own_y - other_y
    return bits | KEY_J if dx * dx + dy * dy < BASED_REACH_SQUARED else bits
