"""What the states do in a frame that are in the air, or may be."""

from tests.reference.platform_fighter.attacks import MoveType
from tests.reference.platform_fighter.fighter import Fighter, facing_of
from tests.reference.platform_fighter.ground import Signal, attack, begin, ground_state
from tests.reference.platform_fighter.rules import (
    AIR_EASE,
    BOUNCE,
    DODGE_COOLDOWN_AIR,
    FAST_FALL_EASE,
    JUMP_COOLDOWN,
    JUMP_SPEED,
    MAX_FALL_SPEED,
    MOVE_SPEED,
    STUN_EASE,
    State,
    toward,
)


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
