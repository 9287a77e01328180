"""The state machine: what a state does in a frame, which state follows, what happens on the way in and out.

A frame of a state is a function of the fighter that changes its velocity and returns the next state, or None to stay.
Some quirks are the original's: a taunt in the air ends on the ground, a jump without direction looks left.
"""

from collections.abc import Callable

import numpy as np

from puffer_envs.kit import rng
from tests.reference.platform_fighter.attacks import Move, MoveType
from tests.reference.platform_fighter.fighter import Fighter, facing_of, key_of
from tests.reference.platform_fighter.rules import (
    AIR_EASE,
    AIR_JUMPS,
    BACK_DASH_FRAMES,
    BACK_DASH_SPEED,
    BOUNCE,
    DASH_FRAMES,
    DASH_SPEED,
    DODGE_COOLDOWN_AIR,
    DODGE_COOLDOWN_GROUND,
    DODGE_FRAMES,
    FAST_FALL_EASE,
    JUMP_COOLDOWN,
    JUMP_SPEED,
    KILL_X,
    KILL_Y,
    KO_FRAMES,
    MAX_FALL_SPEED,
    MOVE_SPEED,
    RUN_SPEED,
    STUN_EASE,
    TAUNT_FRAMES,
    TURN_FRAMES,
    State,
    toward,
)

Signal = Callable[[str, Fighter], None]  # tells the match of an event of a fighter


def turn(fighter: Fighter, stream: np.ndarray, signal: Signal) -> None:
    """A fighter's whole turn: its state, then what hits added to its velocity, then the change of state."""
    following = FRAMES[fighter.state](fighter, signal)
    fighter.hurtbox.x, fighter.hurtbox.y = fighter.x, fighter.y
    hit, drag = fighter.damage_velocity, fighter.target_velocity
    fighter.set_velocity(fighter.vx + hit[0] + drag[0], fighter.vy + hit[1] + drag[1])
    if following is not None:
        change_state(fighter, following, stream, signal)
    fighter.damage_velocity = fighter.target_velocity = (0.0, 0.0)


def change_state(fighter: Fighter, following: State, stream: np.ndarray, signal: Signal) -> None:
    """Leave the state for another one, or for itself: it begins anew."""
    if fighter.state in (State.DODGE, State.KO):
        fighter.body.falls = True
        fighter.set_velocity(0.0, 0.0)
    fighter.pending_stun = 0
    fighter.state = following
    enter(fighter, stream, signal)


def enter(fighter: Fighter, stream: np.ndarray, signal: Signal) -> None:
    """What a state does when it begins."""
    match fighter.state:
        case State.TURN:
            fighter.timer = TURN_FRAMES
        case State.AIR_TURN:
            fighter.timer = TURN_FRAMES
            fighter.body.vx /= 3
        case State.DASH:
            fighter.timer = DASH_FRAMES
        case State.BACK_DASH:
            fighter.timer = BACK_DASH_FRAMES
        case State.DODGE:
            fighter.own.dodge_timer = DODGE_FRAMES
            fighter.body.falls = False
            fighter.set_velocity(0.0, 0.0)
        case State.ATTACK:
            if fighter.keys.held["A"] or fighter.keys.held["D"]:
                fighter.facing = facing_of(fighter.keys.horizontal)
            rng.randint(stream, 12)  # picks a picture
        case State.TAUNT:
            fighter.timer = TAUNT_FRAMES
            rng.randint(stream, 3)  # picks a picture
        case State.KO:
            signal("knockout", fighter)
            fighter.timer = KO_FRAMES
            fighter.stocks -= 1
            fighter.body.falls = False
            fighter.set_velocity(0.0, 0.0)


# -- what all states begin with, and what those on the ground do


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


# -- in the air


def in_air(fighter: Fighter, signal: Signal) -> State | None:
    """Fall and steer, land, jump, dodge, attack."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    keys, own = fighter.keys, fighter.own
    direction = keys.horizontal
    if fighter.state == State.IN_AIR and direction == -fighter.facing:
        _hand_over(fighter, State.AIR_TURN)
        return State.AIR_TURN
    if keys.vertical < 0 and fighter.vy > 0:
        fighter.body.vy = toward(fighter.vy, MAX_FALL_SPEED, FAST_FALL_EASE)
    else:
        fighter.body.vy = min(fighter.vy, MAX_FALL_SPEED)
    fighter.body.vx = toward(fighter.vx, direction * MOVE_SPEED, AIR_EASE)
    if fighter.on_floor:
        return ground_state(fighter)
    if keys.pressed["space"] and own.jump_timer <= 0 and own.jumps_left > 0:
        fighter.body.vy = -JUMP_SPEED
        fighter.facing = facing_of(direction)
        own.jump_timer = JUMP_COOLDOWN
        own.jumps_left -= 1
    own.jump_timer = max(0, own.jump_timer - 1)
    if keys.pressed["l"] and fighter.dodge_cooldown <= 0:
        fighter.dodge_cooldown = DODGE_COOLDOWN_AIR
        fighter.grounded_dodge = False
        _hand_over(fighter, State.DODGE)
        return State.DODGE
    return _air_attack(fighter)


def _air_attack(fighter: Fighter) -> State | None:
    """The attack that the keys ask for; a recovery only while one is left."""
    own, kind = fighter.own, fighter.move_type()
    if kind is None or (kind == MoveType.RECOVERY and own.recoveries_left <= 0):
        return None
    if kind == MoveType.RECOVERY:
        own.recoveries_left -= 1
    memory = fighter.memory[State.ATTACK]
    memory.jumps_left, memory.recoveries_left = own.jumps_left, own.recoveries_left
    return attack(fighter, kind)


def _hand_over(fighter: Fighter, following: State) -> None:
    """Pass on what is left of jumps and recoveries."""
    own, memory = fighter.own, fighter.memory[following]
    memory.jump_timer, memory.jumps_left, memory.recoveries_left = own.jump_timer, own.jumps_left, own.recoveries_left


def air_turn(fighter: Fighter, signal: Signal) -> State | None:
    """All that is done in the air, and look to the other side after a frame."""
    following = in_air(fighter, signal)
    if following is not None:
        return following
    if fighter.timer > 0:
        fighter.timer -= 1
        return None
    before = fighter.facing
    fighter.facing = -before
    following = State.AIR_TURN if fighter.keys.last_side == before else State.IN_AIR
    _hand_over(fighter, following)
    return following


def back_into_air(fighter: Fighter) -> State:
    """On in the air with the jumps of the state that ends."""
    own, memory = fighter.own, fighter.memory[State.IN_AIR]
    if own.jumps_left is not None:
        memory.jumps_left, memory.jump_timer, memory.recoveries_left = own.jumps_left, 0, own.recoveries_left
    return State.IN_AIR


# -- neither


def stun(fighter: Fighter, signal: Signal) -> State | None:
    """Slow down and bounce off the floor until the frames are over."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    own = fighter.own
    own.stun_frames = max(0, own.stun_frames - 1)
    fighter.body.vx = toward(fighter.vx, 0.0, STUN_EASE)
    if own.stun_frames > 0:
        if fighter.on_floor and fighter.vy > 0:
            fighter.body.vy *= -BOUNCE
        return None
    if fighter.on_floor:
        return ground_state(fighter)
    fighter.memory[State.IN_AIR].jumps_left = max(1, own.jumps_left or 0)
    return State.IN_AIR


def dodge(fighter: Fighter, signal: Signal) -> State | None:
    """Hang there."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    own = fighter.own
    own.dodge_timer = max(0, own.dodge_timer - 1)
    if own.dodge_timer > 0:
        return None
    return ground_state(fighter) if fighter.grounded_dodge else back_into_air(fighter)


def attacking(fighter: Fighter, signal: Signal) -> State | None:
    """Run the move."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    if not fighter.move.step():
        return None
    return ground_state(fighter) if fighter.on_floor else back_into_air(fighter)


def taunt(fighter: Fighter, signal: Signal) -> State | None:
    """Do nothing for a second."""
    following = begin(fighter, signal)
    if following is not None:
        return following
    fighter.timer -= 1
    return ground_state(fighter) if fighter.timer <= 0 else None


def knocked_out(fighter: Fighter, signal: Signal) -> State | None:
    """Wait, then begin again without jumps."""
    begin(fighter, signal)
    fighter.timer -= 1
    if fighter.timer > 0:
        return None
    fighter.respawn()
    memory = fighter.memory[State.IN_AIR]
    memory.jumps_left, memory.recoveries_left = 0, 0
    return State.IN_AIR


FRAMES: dict[State, Callable[[Fighter, Signal], State | None]] = {
    State.WALK: walk,
    State.STAND: stand,
    State.TURN: turn_round,
    State.AIR_TURN: air_turn,
    State.SPRINT: sprint,
    State.STUN: stun,
    State.IN_AIR: in_air,
    State.DODGE: dodge,
    State.ATTACK: attacking,
    State.DASH: dash,
    State.BACK_DASH: back_dash,
    State.KO: knocked_out,
    State.TAUNT: taunt,
}
