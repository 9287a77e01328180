"""Numbers and names that several parts of the twin share: world units, seconds, frames of 1/30 s."""

from enum import IntEnum

LEFT, RIGHT = -1, 1
PUNCH, SPEAR, HAMMER = 0, 1, 2

STOCKS = 3
MAX_STEPS = 2700
MAX_DAMAGE = 700
KILL_X, KILL_Y = 14, 8

MOVE_SPEED = 6.75
RUN_SPEED = 8.0
DASH_SPEED = 10.0
BACK_DASH_SPEED = 4.0
JUMP_SPEED = 8.9
MAX_FALL_SPEED = 12.0
FAST_FALL_EASE = 14.25 / 30  # a frame
AIR_EASE = 10.75 / 30
STUN_EASE = AIR_EASE / 1.5
BOUNCE = 0.7

TURN_FRAMES = 1
DASH_FRAMES = 9
BACK_DASH_FRAMES = 7
DODGE_FRAMES = 10
DODGE_COOLDOWN_GROUND = 30
DODGE_COOLDOWN_AIR = 82
JUMP_COOLDOWN = 6
TAUNT_FRAMES = 30
KO_FRAMES = 90
AIR_JUMPS = 2

HURTBOX = (0.928, 1.024)  # width, height
FORCE_TO_SPEED = 1.024 / 320 * 30


class State(IntEnum):
    """The states, by their number in the observation."""

    WALK = 0
    STAND = 1
    TURN = 2
    AIR_TURN = 3
    SPRINT = 4
    STUN = 5
    IN_AIR = 6
    DODGE = 7
    ATTACK = 8
    DASH = 9
    BACK_DASH = 10
    KO = 11
    TAUNT = 12


def toward(current: float, target: float, step: float) -> float:
    """A number moved to another one by a step, never past it."""
    return min(current + step, target) if current < target else max(current - step, target)
