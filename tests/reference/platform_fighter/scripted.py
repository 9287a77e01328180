"""The scripted opponents: from what they see, and how many steps the match is old (1 in the first), to ten keys."""

from collections.abc import Sequence

import numpy as np

from puffer_envs.kit import rng
from tests.reference.platform_fighter.fighter import ORDER
from tests.reference.platform_fighter.rules import State

EDGE = 10.67 / 2
LOW_Y = 1.6
NEAR_SQUARED = 4.0

X, Y, STATE, OPPONENT = 0, 1, 8, 32  # places in the observation; the opponent's 32 follow the own ones


def constant() -> list[bool]:
    """No key, ever."""
    return [False] * len(ORDER)


def random(stream: np.ndarray) -> list[bool]:
    """Each key with probability one half, drawn in their order."""
    return [float(rng.uniform(stream)) > 0.5 for _ in ORDER]


def based(seen: Sequence[float], time: int) -> list[bool]:
    """Stay over the stage, go to the opponent, jump to where it is, attack when it is near."""
    x, y, other_x, other_y = seen[X], seen[Y], seen[OPPONENT + X], seen[OPPONENT + Y]
    down: set[str] = set()
    if abs(x) > EDGE:
        down.add("A" if x > 0 else "D")
    elif seen[OPPONENT + STATE] not in (State.STUN, State.KO):
        down.add("D" if other_x > x else "A")
    if (y > LOW_Y or y > other_y) and time % 2 == 0:
        down.add("space")
    if (x - other_x) ** 2 + (y - other_y) ** 2 < NEAR_SQUARED:
        down.add("j")
    return [key in down for key in ORDER]
