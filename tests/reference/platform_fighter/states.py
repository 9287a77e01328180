"""The state machine: a fighter's turn, what happens on the way into a state and out of it.

A frame of a state is a function of the fighter that changes its velocity and returns the next state, or None to stay.
Some quirks are the original's: a taunt in the air ends on the ground, a jump without direction looks left.
"""

from collections.abc import Callable

import numpy as np

from puffer_envs.kit import rng
from tests.reference.platform_fighter import air, ground
from tests.reference.platform_fighter.fighter import Fighter, facing_of
from tests.reference.platform_fighter.ground import Signal
from tests.reference.platform_fighter.rules import (
    BACK_DASH_FRAMES,
    DASH_FRAMES,
    DODGE_FRAMES,
    KO_FRAMES,
    TAUNT_FRAMES,
    TURN_FRAMES,
    State,
)

FRAMES: dict[State, Callable[[Fighter, Signal], State | None]] = {
    State.WALK: ground.walk,
    State.STAND: ground.stand,
    State.TURN: ground.turn_round,
    State.AIR_TURN: air.air_turn,
    State.SPRINT: ground.sprint,
    State.STUN: air.stun,
    State.IN_AIR: air.in_air,
    State.DODGE: air.dodge,
    State.ATTACK: air.attacking,
    State.DASH: ground.dash,
    State.BACK_DASH: ground.back_dash,
    State.KO: air.knocked_out,
    State.TAUNT: air.taunt,
}


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
