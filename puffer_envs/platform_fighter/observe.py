"""Observations: 32 numbers of each fighter, in the original's units and order, the own ones first.

    0 x, 1 y, 2 vx, 3 vy, 4 faces right, 5 stands, 6 does not, 7 jumps left, 8 state, 9 recoveries left, 10 frames of a
    dodge, 11 frames of a stun, 12 damage / 700, 13 stocks, 14 type of the move, 15 weapon, 16 - 27 four spawners (x, y,
    0 without a weapon, 1 with one of the stage's, 2 a dropped spear, 3 a dropped hammer), 28 - 31 platform x, y, vx, vy

Numbers 7, 9, 10, 11 and 14 are those that the present state keeps for itself, 0 where it keeps none; they can be old.
"""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter.config import MAX_DAMAGE, VIEW_SPEED, VIEW_X, VIEW_Y
from puffer_envs.platform_fighter.rules.attacks import type_of
from puffer_envs.platform_fighter.rules.physics import on_floor
from puffer_envs.platform_fighter.state import (
    ACTIVE,
    AIR_TURN,
    ATTACK,
    CONTENT,
    DAMAGE,
    DODGE,
    DROPPED,
    FACING,
    FIELDS,
    IN_AIR,
    JUMPS_IN_AIR,
    JUMPS_IN_ATTACK,
    JUMPS_IN_DODGE,
    JUMPS_IN_STUN,
    JUMPS_IN_TURN,
    NUM_SPAWNERS,
    RECOVERIES_IN_AIR,
    RECOVERIES_IN_ATTACK,
    RECOVERIES_IN_DODGE,
    RECOVERIES_IN_TURN,
    SPOT_X,
    SPOT_Y,
    STATE,
    STOCKS_LEFT,
    STUN,
    TIMER,
    VX,
    VY,
    WEAPON,
    State,
    X,
    Y,
)

_SPAWNERS, _SPAWNERS_AT, _PLATFORM_AT = 4, 16, 28


@kernel
def write_rows(state: State, out: np.ndarray, envs: np.ndarray) -> None:
    """Both fighters' rows of environments ``envs`` (indices) into ``out``, float32 [2 E, 64]."""
    for i in range(envs.size):
        env = envs[i]
        first, second = out[2 * env], out[2 * env + 1]
        _write_fighter(state, env, 0, first)
        _write_fighter(state, env, 1, second)
        _write_stage(state, env, first)
        for field in range(_SPAWNERS_AT, FIELDS):
            second[field] = first[field]
        for field in range(FIELDS):
            first[FIELDS + field], second[FIELDS + field] = second[field], first[field]


@inlined_kernel
def _cut(value: float, most: float) -> float:
    return max(-most, min(most, value))


@inlined_kernel
def _write_fighter(state: State, env: int, me: int, out: np.ndarray) -> None:
    real, whole = state.real[env, me], state.whole[env, me]
    grounded = on_floor(real[X], real[Y], state.platform[env])
    present = whole[STATE]
    out[0], out[1] = _cut(real[X], VIEW_X), _cut(real[Y], VIEW_Y)
    out[2], out[3] = _cut(real[VX], VIEW_SPEED), _cut(real[VY], VIEW_SPEED)
    out[4], out[5], out[6] = whole[FACING] > 0, grounded, not grounded
    out[7] = out[9] = 0.0
    if present == IN_AIR:
        out[7], out[9] = whole[JUMPS_IN_AIR], whole[RECOVERIES_IN_AIR]
    elif present == ATTACK:
        out[7], out[9] = whole[JUMPS_IN_ATTACK], whole[RECOVERIES_IN_ATTACK]
    elif present == AIR_TURN:
        out[7], out[9] = whole[JUMPS_IN_TURN], whole[RECOVERIES_IN_TURN]
    elif present == DODGE:
        out[7], out[9] = whole[JUMPS_IN_DODGE], whole[RECOVERIES_IN_DODGE]
    elif present == STUN:
        out[7] = whole[JUMPS_IN_STUN]
    out[8] = present
    out[10] = whole[TIMER] if present == DODGE else 0
    out[11] = whole[TIMER] if present == STUN else 0
    out[12], out[13] = real[DAMAGE] / MAX_DAMAGE, whole[STOCKS_LEFT]
    out[14] = type_of(whole) if present == ATTACK else 0
    out[15] = whole[WEAPON]


@inlined_kernel
def _write_stage(state: State, env: int, out: np.ndarray) -> None:
    """What both fighters see alike: spawners and platform."""
    for i in range(_SPAWNERS):
        at, kind = _SPAWNERS_AT + 3 * i, 0
        if i < state.numbers[env, NUM_SPAWNERS] and state.spawner_whole[env, i, ACTIVE]:
            kind = state.spawner_whole[env, i, CONTENT] + 1 if state.spawner_whole[env, i, DROPPED] else 1
        out[at] = _cut(state.spawner_real[env, i, SPOT_X], VIEW_X) if kind else 0.0
        out[at + 1] = _cut(state.spawner_real[env, i, SPOT_Y], VIEW_Y) if kind else 0.0
        out[at + 2] = kind
    platform = state.platform[env]
    out[_PLATFORM_AT], out[_PLATFORM_AT + 1] = _cut(platform[0], VIEW_X), _cut(platform[1], VIEW_Y)
    out[_PLATFORM_AT + 2], out[_PLATFORM_AT + 3] = _cut(platform[2], VIEW_SPEED), _cut(platform[3], VIEW_SPEED)
