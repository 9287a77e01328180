"""Fighters in the air, who fall, jump again, turn, dodge and attack. `act` returns the next state, or STAY."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import (
    AIR_DODGE_COOLDOWN,
    AIR_EASE,
    FAST_FALL_EASE,
    JUMP_COOLDOWN,
    JUMP_SPEED,
    MAX_FALL_SPEED,
    WALK_SPEED,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import attacks, ground, keys
from puffer_envs.platform_fighter.rules.physics import on_floor, toward
from puffer_envs.platform_fighter.state import (
    AIR_JUMP_TIMER,
    AIR_TURN,
    ATTACK,
    DODGE,
    DODGE_COOLDOWN,
    FACING,
    GROUNDED_DODGE,
    IN_AIR,
    JUMPS_IN_AIR,
    JUMPS_IN_ATTACK,
    JUMPS_IN_DODGE,
    JUMPS_IN_TURN,
    KEY_L,
    KEY_S,
    KEY_SPACE,
    KEY_W,
    RECOVERIES_IN_AIR,
    RECOVERIES_IN_ATTACK,
    RECOVERIES_IN_DODGE,
    RECOVERIES_IN_TURN,
    STATE,
    STAY,
    TIMER,
    TURN_JUMP_TIMER,
    VX,
    VY,
    X,
    Y,
)


@kernel
def act(real: np.ndarray, whole: np.ndarray, platform: np.ndarray, moves: Moves) -> int:
    """A frame in the air, also while turning round there, which keeps jumps of its own."""
    way, turning = keys.direction(whole), whole[STATE] == AIR_TURN
    if not turning and way != 0 and way != whole[FACING]:
        whole[TURN_JUMP_TIMER], whole[JUMPS_IN_TURN] = whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR]
        whole[RECOVERIES_IN_TURN] = whole[RECOVERIES_IN_AIR]
        return AIR_TURN
    down_alone = keys.held(whole, KEY_S) and not keys.held(whole, KEY_W)
    if down_alone and real[VY] > 0:
        real[VY] = toward(real[VY], MAX_FALL_SPEED, FAST_FALL_EASE)
    else:
        real[VY] = min(real[VY], MAX_FALL_SPEED)
    real[VX] = toward(real[VX], way * WALK_SPEED, AIR_EASE)
    if on_floor(real[X], real[Y], platform):
        return ground.settle(whole)
    timer, jumps, recoveries = AIR_JUMP_TIMER, JUMPS_IN_AIR, RECOVERIES_IN_AIR
    if turning:
        timer, jumps, recoveries = TURN_JUMP_TIMER, JUMPS_IN_TURN, RECOVERIES_IN_TURN
    if keys.pressed(whole, KEY_SPACE) and whole[timer] <= 0 and whole[jumps] > 0:
        real[VY] = -JUMP_SPEED
        whole[FACING] = 1 if way > 0 else -1  # left without a direction, as in the original
        whole[timer] = JUMP_COOLDOWN
        whole[jumps] -= 1
    whole[timer] = max(0, whole[timer] - 1)
    following = _from_air(whole, jumps, recoveries, moves)
    return _turn_in_air(whole) if following == STAY and turning else following


@inlined_kernel
def _from_air(whole: np.ndarray, jumps: int, recoveries: int, moves: Moves) -> int:
    """A dodge or an attack."""
    if keys.pressed(whole, KEY_L) and whole[DODGE_COOLDOWN] <= 0:
        whole[DODGE_COOLDOWN], whole[GROUNDED_DODGE] = AIR_DODGE_COOLDOWN, 0
        whole[JUMPS_IN_DODGE], whole[RECOVERIES_IN_DODGE] = whole[jumps], whole[recoveries]
        return DODGE
    kind = keys.move_type(whole, False)
    if kind == m.NONE or (kind == m.RECOVERY and whole[recoveries] <= 0):
        return STAY
    if kind == m.RECOVERY:
        whole[recoveries] -= 1
    whole[JUMPS_IN_ATTACK], whole[RECOVERIES_IN_ATTACK] = whole[jumps], whole[recoveries]
    attacks.begin(whole, kind, moves)
    return ATTACK


@inlined_kernel
def _turn_in_air(whole: np.ndarray) -> int:
    if whole[TIMER] > 0:
        whole[TIMER] -= 1
        return STAY
    before, last = whole[FACING], keys.last_side(whole)
    whole[FACING] = -before
    if last == before:
        return AIR_TURN
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR] = whole[TURN_JUMP_TIMER], whole[JUMPS_IN_TURN]
    whole[RECOVERIES_IN_AIR] = whole[RECOVERIES_IN_TURN]
    return IN_AIR
