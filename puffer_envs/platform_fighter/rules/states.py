"""The state machine of a fighter: what each state does in a frame, and which one follows.

Keys just pressed and keys held are told apart as in the original: a jump needs a fresh press, an attack only a key that
is down. Rules of a state return the next state, or STAY.
"""

import numpy as np

from puffer_envs.kit import rng
from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter.config import (
    BACKDASH_FRAMES,
    BACKDASH_SPEED,
    BOUNCE,
    DASH_FRAMES,
    DODGE_FRAMES,
    KO_FRAMES,
    MAX_X,
    MAX_Y,
    STUN_EASE,
    TAUNT_FRAMES,
    TURN_FRAMES,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import air, attacks, ground, keys
from puffer_envs.platform_fighter.rules.physics import on_floor, toward
from puffer_envs.platform_fighter.state import (
    AIR_JUMP_TIMER,
    AIR_TURN,
    ATTACK,
    BACKDASH,
    BEGAN_ATTACK,
    BLOW_X,
    BLOW_Y,
    COMBOED,
    DAMAGE,
    DASH,
    DODGE,
    DODGE_COOLDOWN,
    FACING,
    FELL,
    GROUNDED_DODGE,
    HOME_X,
    HOME_Y,
    HURT_X,
    HURT_Y,
    IN_AIR,
    JUMPS_IN_AIR,
    JUMPS_IN_ATTACK,
    JUMPS_IN_DODGE,
    JUMPS_IN_STUN,
    JUMPS_IN_TURN,
    KEY_A,
    KEY_D,
    KO,
    PENDING_STUN,
    PULL_X,
    PULL_Y,
    PUNCH,
    RECOVERIES_IN_AIR,
    RECOVERIES_IN_ATTACK,
    RECOVERIES_IN_DODGE,
    SPRINT,
    STAND,
    STATE,
    STAY,
    STOCKS_LEFT,
    STUN,
    TAUNT,
    TIMER,
    TURN,
    VX,
    VY,
    WALK,
    WEAPON,
    X,
    Y,
)


@kernel
def act(
    real: np.ndarray,
    whole: np.ndarray,
    signals: np.ndarray,
    other: np.ndarray,
    other_whole: np.ndarray,
    other_signals: np.ndarray,
    platform: np.ndarray,
    moves: Moves,
    stream: np.ndarray,
) -> None:
    """A fighter's part of a step: its state's rules, the blows that it has taken, and the change of its state."""
    state, following = whole[STATE], _common(real, whole, signals)
    if state == KO:
        following = _wait_for_respawn(real, whole)
    elif following != STAY:
        pass
    elif state == ATTACK:
        if attacks.advance(real, whole, other, other_whole, other_signals, platform, moves):
            following = _after_attack(real, whole, platform)
    elif state in (IN_AIR, AIR_TURN):
        following = air.act(real, whole, platform, moves)
    elif state in (WALK, STAND, TURN, SPRINT, DASH):
        following = ground.act(real, whole, platform, moves)
    else:
        following = _helpless(real, whole, platform)
    real[HURT_X], real[HURT_Y] = real[X], real[Y]
    real[VX] += real[BLOW_X] + real[PULL_X]
    real[VY] += real[BLOW_Y] + real[PULL_Y]
    if following != STAY:
        _enter(real, whole, signals, following, stream)
    real[BLOW_X] = real[BLOW_Y] = real[PULL_X] = real[PULL_Y] = 0.0


@inlined_kernel
def _common(real: np.ndarray, whole: np.ndarray, signals: np.ndarray) -> int:
    """What comes first in every state: out of bounds, hit, and clocks."""
    if abs(real[X]) > MAX_X or abs(real[Y]) > MAX_Y:
        return KO
    if whole[PENDING_STUN] > 0:
        return _stun(whole, signals)
    whole[DODGE_COOLDOWN] = max(0, whole[DODGE_COOLDOWN] - 1)
    return STAY


@kernel
def _stun(whole: np.ndarray, signals: np.ndarray) -> int:
    state, frames = whole[STATE], whole[PENDING_STUN]
    whole[PENDING_STUN] = 0
    if state == KO:
        return STAY
    if state == STUN:
        signals[COMBOED] += 1
    elif state == IN_AIR:
        whole[JUMPS_IN_STUN] = whole[JUMPS_IN_AIR]
    elif state == AIR_TURN:
        whole[JUMPS_IN_STUN] = whole[JUMPS_IN_TURN]
    elif state == ATTACK:
        whole[JUMPS_IN_STUN] = whole[JUMPS_IN_ATTACK]
    whole[TIMER] = frames
    return STUN


@kernel
def _enter(real: np.ndarray, whole: np.ndarray, signals: np.ndarray, state: int, stream: np.ndarray) -> None:
    """Leave the present state for another one, or for itself."""
    if whole[STATE] in (DODGE, KO):
        real[VX] = real[VY] = 0.0
    whole[STATE], whole[PENDING_STUN] = state, 0
    if state in (TURN, AIR_TURN):
        whole[TIMER] = TURN_FRAMES
        if state == AIR_TURN:
            real[VX] /= 3
    elif state == ATTACK:
        signals[BEGAN_ATTACK] += 1
        if keys.held(whole, KEY_A | KEY_D):
            whole[FACING] = 1 if keys.direction(whole) > 0 else -1
        rng.randint(stream, 12)  # which picture the original shows
    elif state == DASH:
        whole[TIMER] = DASH_FRAMES
    elif state == BACKDASH:
        whole[TIMER] = BACKDASH_FRAMES
    elif state == TAUNT:
        whole[TIMER] = TAUNT_FRAMES
        rng.randint(stream, 3)  # again
    elif state in (DODGE, KO):
        whole[TIMER] = DODGE_FRAMES if state == DODGE else KO_FRAMES
        real[VX] = real[VY] = 0.0
        if state == KO:
            signals[FELL] += 1
            whole[STOCKS_LEFT] -= 1


# -- without control ---------------------------------------------------------------------------------------------------
@inlined_kernel
def _after_attack(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> int:
    if on_floor(real[X], real[Y], platform):
        return ground.settle(whole)
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR] = 0, whole[JUMPS_IN_ATTACK]
    whole[RECOVERIES_IN_AIR] = whole[RECOVERIES_IN_ATTACK]
    return IN_AIR


@kernel
def _helpless(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> int:
    """The states in which keys do nothing: backdash, taunt, dodge and stun."""
    state = whole[STATE]
    if state == STUN:
        return _reel(real, whole, platform)
    if state == BACKDASH:
        real[VX] = -whole[FACING] * BACKDASH_SPEED
    whole[TIMER] -= 1
    if whole[TIMER] > 0:
        return STAY
    if state != DODGE or whole[GROUNDED_DODGE]:  # a taunt ends on the ground even in the air, as in the original
        return ground.settle(whole)
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR] = 0, whole[JUMPS_IN_DODGE]
    whole[RECOVERIES_IN_AIR] = whole[RECOVERIES_IN_DODGE]
    return IN_AIR


@inlined_kernel
def _reel(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> int:
    """Stunned: slower and slower, and bouncing."""
    whole[TIMER] = max(0, whole[TIMER] - 1)
    real[VX] = toward(real[VX], 0.0, STUN_EASE)
    stands = on_floor(real[X], real[Y], platform)
    if whole[TIMER] > 0:
        if stands and real[VY] > 0:
            real[VY] = -real[VY] * BOUNCE
        return STAY
    if stands:
        return ground.settle(whole)
    whole[JUMPS_IN_AIR] = max(1, whole[JUMPS_IN_STUN])
    return IN_AIR


@inlined_kernel
def _wait_for_respawn(real: np.ndarray, whole: np.ndarray) -> int:
    whole[TIMER] -= 1
    if whole[TIMER] > 0:
        return STAY
    real[X], real[Y] = real[HOME_X], real[HOME_Y]
    real[VX] = real[VY] = real[PULL_X] = real[PULL_Y] = real[DAMAGE] = 0.0
    whole[WEAPON] = PUNCH
    whole[JUMPS_IN_AIR] = whole[RECOVERIES_IN_AIR] = 0
    return IN_AIR
