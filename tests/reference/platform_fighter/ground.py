"""What all states begin with, and what those on the ground do in a frame."""

from collections.abc import Callable

from tests.reference.platform_fighter.attacks import Move, MoveType
from tests.reference.platform_fighter.fighter import Fighter, facing_of, key_of
from tests.reference.platform_fighter.rules import (
    AIR_JUMPS,
    BACK_DASH_SPEED,
    DASH_SPEED,
    DODGE_COOLDOWN_GROUND,
    JUMP_SPEED,
    KILL_X,
    KILL_Y,
    MOVE_SPEED,
    RUN_SPEED,
    State,
    toward,
)

Signal = Callable[[str, Fighter], None]  # tells the match of an event of a fighter


def begin(fighter: Fighter, signal: Signal) -> State | None:
    """The kill box, a hit that was dealt, the cooldown."""
    if abs(fighter.x) > KILL_X or abs(fighter.y) > KILL_Y:
        return State.KO
    if fighter.pending_stun > 0:
        if fighter.state == State.STUN:
            signal("hit_during_stun", fighter)
        stun = fighter.memory[State.STUN]
        stun.stun_frames, fighter.pending_stun = fighter.pending_stun, 0
        if fighter.own.jumps_left is not None:
            stun.jumps_left = fighter.own.jumps_left
        return State.STUN
    fighter.dodge_cooldown = max(0, fighter.dodge_cooldown - 1)
    return None


def refresh(fighter: Fighter, state: State) -> State:
    """All jumps and the recovery, for a state that is entered from the ground."""
    memory = fighter.memory[state]
    memory.jump_timer, memory.jumps_left, memory.recoveries_left = 0, AIR_JUMPS, 1
    return state


def ground_state(fighter: Fighter) -> State:
    """Where a fighter on the ground goes on: walking while a side is held."""
    return State.WALK if fighter.keys.horizontal else State.STAND


def attack(fighter: Fighter, kind: MoveType) -> State:
    """Make a move ready."""
    fighter.memory[State.ATTACK].move_type = kind
    fighter.move = Move(fighter, kind)
    return State.ATTACK


def begin_on_ground(fighter: Fighter, signal: Signal) -> State | None:
    """Jump, fall, dodge, attack, taunt: the same in every ground state that obeys."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    direction, pressed, on_floor = fighter.keys.horizontal, fighter.keys.pressed, fighter.on_floor
    if pressed["space"] and on_floor:
        fighter.body.vy = -JUMP_SPEED
        fighter.facing = facing_of(direction) if direction else fighter.facing
        return refresh(fighter, State.IN_AIR)
    if not on_floor:
        return refresh(fighter, State.IN_AIR)
    if not direction and pressed["l"] and fighter.dodge_cooldown <= 0:
        fighter.dodge_cooldown = DODGE_COOLDOWN_GROUND
        fighter.grounded_dodge = True
        return State.DODGE
    kind = fighter.move_type()
    if kind is not None:
        refresh(fighter, State.ATTACK)
        return attack(fighter, kind)
    return State.TAUNT if pressed["g"] else None


def turn_or_stop(fighter: Fighter) -> State | None:
    """How walking and sprinting end: the other side, no side, or a dash."""
    keys, other = fighter.keys, key_of(-fighter.facing)
    if keys.pressed[other] or (keys.held[other] and not keys.held[key_of(fighter.facing)]):
        return State.BACK_DASH if keys.pressed["l"] else State.TURN
    if not (keys.held["A"] or keys.held["D"]):
        return State.STAND
    return State.DASH if keys.pressed["l"] else None


def is_carried(fighter: Fighter) -> bool:
    """Whether the platform takes a walking or standing fighter along."""
    return fighter.on_platform and not fighter.keys.held["S"] and fighter.on_floor


def walk(fighter: Fighter, signal: Signal) -> State | None:
    """At walking speed, on the platform in addition to its velocity."""
    following = begin_on_ground(fighter, signal)
    if following is None:
        following = turn_or_stop(fighter)
    if following is not None:
        return following
    platform, speed = fighter.world.platform, fighter.facing * MOVE_SPEED
    if is_carried(fighter):
        fighter.set_velocity(speed + platform.vx, fighter.vy + platform.vy)
    else:
        fighter.body.vx = speed
    return None


def sprint(fighter: Fighter, signal: Signal) -> State | None:
    """At running speed."""
    following = begin_on_ground(fighter, signal)
    if following is None:
        following = turn_or_stop(fighter)
    if following is None:
        fighter.body.vx = fighter.facing * RUN_SPEED
    return following


def stand(fighter: Fighter, signal: Signal) -> State | None:
    """Slow down, or move with the platform."""
    following = begin_on_ground(fighter, signal)
    if following is not None:
        return following
    direction, platform = fighter.keys.horizontal, fighter.world.platform
    if direction == -fighter.facing:
        return State.BACK_DASH if fighter.keys.pressed["l"] else State.TURN
    if direction:
        return State.WALK
    if is_carried(fighter):
        fighter.set_velocity(platform.vx, platform.vy)
    else:
        fighter.body.vx = toward(fighter.vx, 0.0, MOVE_SPEED)
    return None


def turn_round(fighter: Fighter, signal: Signal) -> State | None:
    """Look to the other side, after a frame."""
    following = begin_on_ground(fighter, signal)
    if following is not None:
        return following
    if fighter.timer <= 0:
        last, before = fighter.keys.last_side, fighter.facing
        fighter.facing = -before
        if last == -before:
            return State.WALK
        return State.TURN if last == before else State.STAND
    if fighter.keys.pressed["l"]:
        return State.BACK_DASH
    fighter.timer -= 1
    return None


def dash(fighter: Fighter, signal: Signal) -> State | None:
    """Fast forwards for some frames, then sprint."""
    following = begin_on_ground(fighter, signal)
    if following is not None:
        return following
    fighter.body.vx = fighter.facing * DASH_SPEED
    fighter.timer -= 1
    return State.SPRINT if fighter.timer <= 0 else None


def back_dash(fighter: Fighter, signal: Signal) -> State | None:
    """Backwards for some frames, deaf to all keys, on the ground or beyond it."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    fighter.body.vx = -fighter.facing * BACK_DASH_SPEED
    fighter.timer -= 1
    return ground_state(fighter) if fighter.timer <= 0 else None
