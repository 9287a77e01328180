"""The state machine of a fighter: what each state does in a frame, and which one follows.

Keys just pressed and keys held are told apart as in the original: a jump needs a fresh press, an attack only a key that
is down. Rules of a state return the next state, or STAY.
"""

import numpy as np

from puffer_envs.kit import rng
from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import (
    AIR_DODGE_COOLDOWN,
    AIR_EASE,
    AIR_JUMPS,
    BACKDASH_FRAMES,
    BACKDASH_SPEED,
    BOUNCE,
    DASH_FRAMES,
    DASH_SPEED,
    DODGE_FRAMES,
    FAST_FALL_EASE,
    GROUND_DODGE_COOLDOWN,
    JUMP_COOLDOWN,
    JUMP_SPEED,
    KO_FRAMES,
    MAX_FALL_SPEED,
    MAX_X,
    MAX_Y,
    RECOVERIES,
    RUN_SPEED,
    STUN_EASE,
    TAUNT_FRAMES,
    TURN_FRAMES,
    WALK_SPEED,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import attacks, keys
from puffer_envs.platform_fighter.rules.physics import meets_platform, on_floor, toward
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
    KEY_G,
    KEY_L,
    KEY_S,
    KEY_SPACE,
    KEY_W,
    KO,
    PENDING_STUN,
    PLATFORM_VX,
    PLATFORM_VY,
    PULL_X,
    PULL_Y,
    PUNCH,
    RECOVERIES_IN_AIR,
    RECOVERIES_IN_ATTACK,
    RECOVERIES_IN_DODGE,
    RECOVERIES_IN_TURN,
    SPRINT,
    STAND,
    STATE,
    STAY,
    STOCKS_LEFT,
    STUN,
    TAUNT,
    TIMER,
    TURN,
    TURN_JUMP_TIMER,
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
    state = whole[STATE]
    if state == ATTACK:
        following = _common(real, whole, signals)
        if following == STAY and attacks.advance(real, whole, other, other_whole, other_signals, platform, moves):
            following = _after_attack(real, whole, platform)
    elif state in (IN_AIR, AIR_TURN):
        following = _air(real, whole, signals, platform, moves)
    elif state in (WALK, STAND, TURN, SPRINT, DASH):
        following = _ground(real, whole, signals, platform, moves)
    else:
        following = _helpless(real, whole, signals, platform)
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


# -- on the ground -----------------------------------------------------------------------------------------------------
@inlined_kernel
def _ground_state(whole: np.ndarray) -> int:
    return WALK if keys.direction(whole) != 0 else STAND


@inlined_kernel
def _refresh(whole: np.ndarray) -> int:
    """Into the air with all jumps."""
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR], whole[RECOVERIES_IN_AIR] = 0, AIR_JUMPS, RECOVERIES
    return IN_AIR


@kernel
def _ground(real: np.ndarray, whole: np.ndarray, signals: np.ndarray, platform: np.ndarray, moves: Moves) -> int:
    """The states in which a fighter stands and is free to act."""
    following = _common(real, whole, signals)
    if following != STAY:
        return following
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


# -- in the air --------------------------------------------------------------------------------------------------------
@kernel
def _air(real: np.ndarray, whole: np.ndarray, signals: np.ndarray, platform: np.ndarray, moves: Moves) -> int:
    """In the air, also while turning round there, which keeps jumps of its own."""
    following = _common(real, whole, signals)
    if following != STAY:
        return following
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
        return _ground_state(whole)
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


@inlined_kernel
def _after_attack(real: np.ndarray, whole: np.ndarray, platform: np.ndarray) -> int:
    if on_floor(real[X], real[Y], platform):
        return _ground_state(whole)
    whole[AIR_JUMP_TIMER], whole[JUMPS_IN_AIR] = 0, whole[JUMPS_IN_ATTACK]
    whole[RECOVERIES_IN_AIR] = whole[RECOVERIES_IN_ATTACK]
    return IN_AIR


# -- without control ---------------------------------------------------------------------------------------------------
@kernel
def _helpless(real: np.ndarray, whole: np.ndarray, signals: np.ndarray, platform: np.ndarray) -> int:
    """The states in which keys do nothing: backdash, taunt, dodge, stun and KO."""
    state, following = whole[STATE], _common(real, whole, signals)
    if state == KO:
        return _wait_for_respawn(real, whole)
    if following != STAY:
        return following
    if state == STUN:
        return _reel(real, whole, platform)
    if state == BACKDASH:
        real[VX] = -whole[FACING] * BACKDASH_SPEED
    whole[TIMER] -= 1
    if whole[TIMER] > 0:
        return STAY
    if state != DODGE or whole[GROUNDED_DODGE]:  # a taunt ends on the ground even in the air, as in the original
        return _ground_state(whole)
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
        return _ground_state(whole)
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
