"""Fighters that stand: they walk, turn, dash, jump, dodge, attack and taunt. `act` returns the next state, or STAY."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import (
    AIR_JUMPS,
    DASH_SPEED,
    GROUND_DODGE_COOLDOWN,
    JUMP_SPEED,
    RECOVERIES,
    RUN_SPEED,
    WALK_SPEED,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import attacks, keys
from puffer_envs.platform_fighter.rules.physics import meets_platform, on_floor, toward
from puffer_envs.platform_fighter.state import (
    AIR_JUMP_TIMER,
    ATTACK,
    BACKDASH,
    DASH,
    DODGE,
    DODGE_COOLDOWN,
    FACING,
    GROUNDED_DODGE,
    IN_AIR,
    JUMPS_IN_AIR,
    JUMPS_IN_ATTACK,
    KEY_A,
    KEY_D,
    KEY_G,
    KEY_L,
    KEY_S,
    KEY_SPACE,
    PLATFORM_VX,
    PLATFORM_VY,
    RECOVERIES_IN_AIR,
    RECOVERIES_IN_ATTACK,
    SPRINT,
    STAND,
    STATE,
    STAY,
    TAUNT,
    TIMER,
    TURN,
    VX,
    VY,
    WALK,
    X,
    Y,
)


@inlined_kernel
def settle(whole: np.ndarray) -> int:
    """The state of who comes to stand: walking if the keys say so."""
    return WALK if keys.direction(whole) != 0 else STAND


@inlined_kernel
def _refresh(whole: np.ndarray) -> int:
    """Into the air with all jumps."""
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR], whole[RECOVERIES_IN_AIR] = 0, AIR_JUMPS, RECOVERIES
    return IN_AIR


@kernel
def act(real: np.ndarray, whole: np.ndarray, platform: np.ndarray, moves: Moves) -> int:
    """A frame of a state in which a fighter stands and is free to act."""
    stands, way = on_floor(real[X], real[Y], platform), keys.direction(whole)
    if not stands:
        return _refresh(whole)
    if keys.pressed(whole, KEY_SPACE):
        real[VY] = -JUMP_SPEED
        whole[FACING] = way if way != 0 else whole[FACING]
        return _refresh(whole)
    if way == 0 and keys.pressed(whole, KEY_L) and whole[DODGE_COOLDOWN] <= 0:
        whole[DODGE_COOLDOWN], whole[GROUNDED_DODGE] = GROUND_DODGE_COOLDOWN, 1
        return DODGE
    kind = keys.move_type(whole, True)
    if kind != m.NONE:
        whole[JUMPS_IN_ATTACK], whole[RECOVERIES_IN_ATTACK] = AIR_JUMPS, RECOVERIES
        attacks.begin(whole, kind, moves)
        return ATTACK
    if keys.pressed(whole, KEY_G):
        return TAUNT
    state = whole[STATE]
    if state == STAND:
        return _stand(real, whole, platform, way)
    if state == TURN:
        return _turn(whole)
    if state == DASH:
        real[VX] = whole[FACING] * DASH_SPEED
        whole[TIMER] -= 1
        return SPRINT if whole[TIMER] <= 0 else STAY
    return _walk(real, whole, platform)


@inlined_kernel
def _walk(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> int:
    """Walking, or sprinting, which the platform does not carry along."""
    ahead, behind = (KEY_D, KEY_A) if whole[FACING] > 0 else (KEY_A, KEY_D)
    if keys.pressed(whole, behind) or (keys.held(whole, behind) and not keys.held(whole, ahead)):
        return BACKDASH if keys.pressed(whole, KEY_L) else TURN
    if not keys.held(whole, KEY_A | KEY_D):
        return STAND
    if keys.pressed(whole, KEY_L):
        return DASH
    if whole[STATE] == SPRINT:
        real[VX] = whole[FACING] * RUN_SPEED
        return STAY
    real[VX] = whole[FACING] * WALK_SPEED
    if _rides(real, whole, platform):
        real[VX] += platform[PLATFORM_VX]
        real[VY] += platform[PLATFORM_VY]
    return STAY


@inlined_kernel
def _rides(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> bool:
    """Whether the platform carries a fighter, who stands for sure."""
    return not keys.held(whole, KEY_S) and meets_platform(real[X], real[Y], platform)


@inlined_kernel
def _stand(real: np.ndarray, whole: np.ndarray, platform: np.ndarray, way: int) -> int:
    if way != 0 and way != whole[FACING]:
        return BACKDASH if keys.pressed(whole, KEY_L) else TURN
    if way != 0:
        return WALK
    if _rides(real, whole, platform):
        real[VX], real[VY] = platform[PLATFORM_VX], platform[PLATFORM_VY]
    else:
        real[VX] = toward(real[VX], 0.0, WALK_SPEED)
    return STAY


@inlined_kernel
def _turn(whole: np.ndarray) -> int:
    if whole[TIMER] <= 0:
        before, last = whole[FACING], keys.last_side(whole)
        whole[FACING] = -before
        return STAND if last == 0 else WALK if last == -before else TURN
    if keys.pressed(whole, KEY_L):
        return BACKDASH
    whole[TIMER] -= 1
    return STAY
