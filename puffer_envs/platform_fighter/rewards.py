"""Rewards: one function per named term. A term says how much of its thing happened; the weights are in `config`."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter.config import DANGER_Y, DT, STOCKS, Config, reward_weights
from puffer_envs.platform_fighter.rules import keys
from puffer_envs.platform_fighter.state import (
    ATTACK,
    ATTACKS,
    BEGAN_ATTACK,
    COMBOED,
    DAMAGE,
    DEALT,
    EQUIPPED,
    FALLS,
    FELL,
    FRAMES,
    HURT,
    IN_DANGER,
    KNOCKOUTS,
    KO,
    LOST,
    NUM_KEYS,
    PICKED_UP,
    STATE,
    STOCKS_LEFT,
    TAKEN,
    THREW,
    VX,
    VY,
    Match,
    X,
    Y,
)

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_DANGER, _DAMAGE, _ATTACK, _KEYS, _WIN, _KNOCKOUT, _COMBO, _EQUIP, _DROP, _APPROACH = range(len(TERMS))
_DAMAGE_UNIT = 140.0
_MANY = 3  # keys that may be held at no cost

FIRST_HIT, FIRST_KNOCKOUT, SECOND_KNOCKOUT, WIN = range(4)  # milestones
MILESTONES = 4


@kernel
def score(match: Match, terms: np.ndarray) -> None:
    """Add the terms of a frame of both fighters to ``terms``, float32 [2, K]."""
    for me in range(2):
        own, other, row = match.signals[me], match.signals[1 - me], terms[me]
        row[_DANGER] += danger_zone(match, me)
        row[_DAMAGE] += (other[HURT] - own[HURT]) / _DAMAGE_UNIT
        row[_ATTACK] += DT if match.whole[me, STATE] == ATTACK else 0.0
        row[_KEYS] += many_keys(match, me)
        row[_WIN] += other[LOST] - own[LOST]
        row[_KNOCKOUT] += other[FELL] - own[FELL]
        row[_COMBO] += other[COMBOED] - own[COMBOED]
        row[_EQUIP] += own[EQUIPPED]  # the weapon's own number: 1 a spear, 2 a hammer
        row[_DROP] -= own[THREW]
        row[_APPROACH] += approach(match, me)


@inlined_kernel
def danger_zone(match: Match, me: int) -> float:
    """Minus the time below the floors, also of who has been knocked out there and waits."""
    return -DT if match.real[me, Y] >= DANGER_Y else 0.0


@inlined_kernel
def many_keys(match: Match, me: int) -> float:
    """Time with more than three keys held."""
    count = 0
    for i in range(NUM_KEYS):
        count += 1 if keys.held(match.whole[me], 1 << i) else 0
    return DT if count > _MANY else 0.0


@inlined_kernel
def approach(match: Match, me: int) -> float:
    """How far the fighter's speed takes it toward the other in a frame; 0 while one of them is knocked out."""
    own, other = match.real[me], match.real[1 - me]
    if match.whole[0, STATE] == KO or match.whole[1, STATE] == KO:
        return 0.0
    dx, dy = other[X] - own[X], other[Y] - own[Y]
    distance = np.sqrt(dx * dx + dy * dy)
    return DT * (own[VX] * dx + own[VY] * dy) / distance if distance > 0 else 0.0


@kernel
def note(match: Match, facts: np.ndarray) -> None:
    """Count what happened in a frame; ``facts`` float64 [2, NUM_FACTS]."""
    for me in range(2):
        own, other, row = match.signals[me], match.signals[1 - me], facts[me]
        row[DEALT] += other[HURT]
        row[TAKEN] += own[HURT]
        row[KNOCKOUTS] += other[FELL]
        row[FALLS] += own[FELL]
        row[IN_DANGER] += match.real[me, Y] >= DANGER_Y
        row[PICKED_UP] += own[EQUIPPED] > 0
        row[ATTACKS] += own[BEGAN_ATTACK]
        row[FRAMES] += 1


@kernel
def reach(match: Match, held: np.ndarray, reached: np.ndarray) -> bool:
    """Mark the milestones that the fighters show in a frame and do not hold; both arrays bool [2, M]. Whether any."""
    found = False
    for me in range(2):
        for milestone in range(MILESTONES):
            if not held[me, milestone] and shows(match, me, milestone):
                reached[me, milestone] = found = True
    return found


@inlined_kernel
def shows(match: Match, me: int, milestone: int) -> bool:
    """Whether a fighter has reached a milestone by this frame, or by the world that it begins in."""
    lost = STOCKS - match.whole[1 - me, STOCKS_LEFT]
    if milestone == FIRST_HIT:
        return match.signals[1 - me, HURT] > 0 or match.real[1 - me, DAMAGE] > 0
    if milestone == FIRST_KNOCKOUT:
        return lost >= 1
    return lost >= (2 if milestone == SECOND_KNOCKOUT else STOCKS)
