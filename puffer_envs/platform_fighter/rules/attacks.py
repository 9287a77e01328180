"""A frame of an attack: powers, casts, what they do to the caster, and whom they hit."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import (
    AIR_EASE,
    BOUNCE,
    FORCE_LINEAR,
    FORCE_SCALE,
    FORCE_SQUARE,
    GROUND_POINT_Y,
    MAX_DAMAGE,
    WALK_SPEED,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.rules import keys
from puffer_envs.platform_fighter.rules.capsules import hurts
from puffer_envs.platform_fighter.rules.physics import on_floor, toward
from puffer_envs.platform_fighter.state import (
    BLOW_X,
    BLOW_Y,
    CAST,
    CAST_FRAME,
    DAMAGE,
    DODGE,
    FACING,
    HIT_ANYONE,
    HIT_BY_MOVE,
    HIT_BY_POWER,
    HURT,
    HURT_X,
    HURT_Y,
    MOVE,
    PENDING_STUN,
    POWER,
    POWER_FRAME,
    PULL_X,
    PULL_Y,
    RECOVERED,
    STATE,
    SWITCHING,
    VX,
    VY,
    WEAPON,
    X,
    Y,
)


@inlined_kernel
def begin(whole: np.ndarray, kind: int, moves: Moves) -> None:
    """A fighter begins the move of a type with the weapon in its hands."""
    move = whole[WEAPON] * len(m.NAMES) + kind - m.FIRST_TYPE
    whole[MOVE], whole[HIT_BY_MOVE] = move, 0
    _begin_power(whole, moves.starts[move], moves)


@inlined_kernel
def _begin_power(whole: np.ndarray, power: int, moves: Moves) -> None:
    whole[POWER], whole[CAST], whole[CAST_FRAME] = power, moves.powers[power, m.FIRST_CAST], 0
    whole[POWER_FRAME] = whole[RECOVERED] = 0
    whole[HIT_ANYONE] = whole[HIT_BY_POWER] = 0
    whole[SWITCHING] = 1


@inlined_kernel
def type_of(whole: np.ndarray) -> int:
    """The type of the fighter's last move; 0 before the first."""
    return whole[MOVE] % len(m.NAMES) + m.FIRST_TYPE if whole[POWER] >= 0 else 0


@kernel
def advance(
    real: np.ndarray,
    whole: np.ndarray,
    victim: np.ndarray,
    victim_whole: np.ndarray,
    victim_signals: np.ndarray,
    platform: np.ndarray,
    moves: Moves,
) -> bool:
    """A frame of the attack under way; whether the move is over."""
    power = whole[POWER]
    traits = moves.powers[power, m.TRAITS]
    following, done = -1, False
    if traits & m.CHARGES and _is_charged(whole, moves):
        following = moves.powers[power, m.ON_MISS]
    else:
        frame, cast = whole[CAST_FRAME], whole[CAST]
        change = moves.changes_at[cast, frame] if frame < m.CHANGE_FRAMES else -1
        targets = change >= 0 and moves.changed[change] & m.TARGETS != 0
        if traits & m.HITS_AGAIN and whole[HIT_BY_MOVE] and not whole[HIT_BY_POWER] and victim_whole[STATE] != DODGE:
            whole[HIT_BY_POWER] = 1
            _strike(whole, victim, victim_whole, victim_signals, platform, targets, moves)
        if traits & m.STEERS:
            real[VX] = toward(real[VX], keys.direction(whole) * WALK_SPEED, AIR_EASE)
        if traits & m.DRAGS:
            real[VX] = toward(real[VX], 0.0, AIR_EASE)
        if change >= 0:
            _change(real, whole, victim, change, moves)
        winds_up = frame < moves.casts[cast, m.STARTUP]
        strikes, landed = not winds_up and frame < moves.casts[cast, m.ACTIVE_END], False
        if strikes:
            landed = _has_landed(real, whole, moves)
            if landed:
                following = _either(moves, power, m.ON_GROUND)
            hit = _hits(real, whole, victim, victim_whole, victim_signals, platform, targets, moves)
            if hit and traits & m.INSTANT:
                following = _either(moves, power, m.ON_HIT)
            if cast == moves.powers[power, m.LAST_CAST] and _is_last(moves, power):
                whole[RECOVERED] += 1
        whole[CAST_FRAME] += 1
        if not (landed or strikes or winds_up):
            if cast < moves.powers[power, m.LAST_CAST]:
                whole[CAST], whole[CAST_FRAME], whole[SWITCHING] = cast + 1, 0, 1
            elif whole[RECOVERED] < moves.powers[power, m.WAIT]:
                whole[RECOVERED] += 1
            elif _is_last(moves, power):
                done = True
            else:
                following = _either(moves, power, m.ON_HIT if whole[HIT_ANYONE] else m.ON_MISS)
    whole[POWER_FRAME] += 1
    if following >= 0:
        _begin_power(whole, following, moves)
    return done


@inlined_kernel
def _is_charged(whole: np.ndarray, moves: Moves) -> bool:
    """Whether a charge ends: its key was let go late enough, or it has been held as long as it can be."""
    power, frame = whole[POWER], whole[POWER_FRAME]
    if frame > moves.powers[power, m.MAX_CHARGE]:
        return True
    return frame > moves.powers[power, m.MIN_CHARGE] and not keys.held(whole, moves.keys[whole[MOVE]])


@inlined_kernel
def _is_last(moves: Moves, power: int) -> bool:
    return moves.powers[power, m.ON_HIT] < 0 and moves.powers[power, m.ON_MISS] < 0


@inlined_kernel
def _either(moves: Moves, power: int, column: int) -> int:
    """The power that follows by a column, or by a miss where there is none."""
    following = moves.powers[power, column]
    return following if following >= 0 else moves.powers[power, m.ON_MISS]


@inlined_kernel
def _has_landed(real: np.ndarray, whole: np.ndarray, moves: Moves) -> bool:
    """Whether the point of a dive has reached the ground; a cast's first frame of danger does not look."""
    if whole[SWITCHING]:
        whole[SWITCHING] = 0
        return False
    cast = whole[CAST]
    return moves.casts[cast, m.HAS_POINT] != 0 and real[Y] + moves.blows[cast, m.POINT_Y] > GROUND_POINT_Y


@kernel
def _change(real: np.ndarray, whole: np.ndarray, victim: np.ndarray, change: int, moves: Moves) -> None:
    """What a frame does to the caster's velocity, and where it drags a victim of the move."""
    marks, facing = moves.changed[change], whole[FACING]
    if marks & m.TARGETS and whole[HIT_BY_MOVE]:
        multiple = moves.changes[change, m.MULTIPLE]
        victim[PULL_X] = multiple * (real[X] + moves.changes[change, m.TARGET_X] * facing - victim[X])
        victim[PULL_Y] = multiple * (real[Y] + moves.changes[change, m.TARGET_Y] - victim[Y])
    if marks & m.SETS_BOTH:
        real[VX], real[VY] = moves.changes[change, m.BOTH_X] * facing, moves.changes[change, m.BOTH_Y]
    real[VX] *= moves.changes[change, m.DAMP_X]
    real[VY] *= moves.changes[change, m.DAMP_Y]
    if marks & m.SETS_X:
        real[VX] = moves.changes[change, m.SET_X] * facing
    if marks & m.SETS_Y:
        real[VY] = moves.changes[change, m.SET_Y]
    if marks & m.ADDS_X:
        real[VX] += moves.changes[change, m.ADD_X] * facing
    if marks & m.ADDS_Y:
        real[VY] += moves.changes[change, m.ADD_Y]


@kernel
def _hits(
    real: np.ndarray,
    whole: np.ndarray,
    victim: np.ndarray,
    victim_whole: np.ndarray,
    victim_signals: np.ndarray,
    platform: np.ndarray,
    targets: bool,
    moves: Moves,
) -> bool:
    """Whether a capsule of the cast reaches the opponent, who is struck once by each power."""
    cast, facing = whole[CAST], whole[FACING]
    if victim_whole[STATE] == DODGE:
        return False
    for box in range(moves.casts[cast, m.FIRST_BOX], moves.casts[cast, m.LAST_BOX]):
        x, y = real[X] + moves.boxes[box, 0] * facing, real[Y] + moves.boxes[box, 1]
        if not hurts(victim[HURT_X], victim[HURT_Y], x, y, moves.boxes[box, 2], moves.boxes[box, 3]):
            continue
        power = whole[POWER]
        if not whole[HIT_ANYONE] and moves.powers[power, m.TRAITS] & m.STOPS_ON_HIT:
            real[VX], real[VY] = moves.on_hit_speed[power, 0], moves.on_hit_speed[power, 1]
        if not whole[HIT_BY_POWER]:
            _strike(whole, victim, victim_whole, victim_signals, platform, targets, moves)
        whole[HIT_ANYONE] = whole[HIT_BY_POWER] = whole[HIT_BY_MOVE] = 1
        return True
    return False


@kernel
def _strike(
    whole: np.ndarray,
    victim: np.ndarray,
    victim_whole: np.ndarray,
    victim_signals: np.ndarray,
    platform: np.ndarray,
    targets: bool,
    moves: Moves,
) -> None:
    """Damage, stun, and a blow that the victim's own step adds to its velocity; none where it is dragged instead."""
    cast = whole[CAST]
    damage = moves.blows[cast, m.CAST_DAMAGE]
    load = victim[DAMAGE] + damage
    force = moves.blows[cast, m.FIXED] + moves.blows[cast, m.VARIABLE] * (
        load / FORCE_LINEAR + load * load / FORCE_SQUARE
    )
    victim[DAMAGE] = min(MAX_DAMAGE, load)
    victim_signals[HURT] += damage
    victim_whole[PENDING_STUN] = moves.powers[whole[POWER], m.STUN_FRAMES]
    blow_x = blow_y = 0.0
    if not targets:
        blow_x, blow_y = moves.blows[cast, m.AHEAD] * whole[FACING] * force, moves.blows[cast, m.DOWN] * force
        if blow_y > 0 and on_floor(victim[X], victim[Y], platform):
            blow_y *= -BOUNCE
    victim[BLOW_X], victim[BLOW_Y] = blow_x * FORCE_SCALE, blow_y * FORCE_SCALE
