"""Every number of the rules, with its unit and where it comes from.

The rules are those of UTMIST AI^2's Warehouse Brawl, as commit 09d542d of Elliot-Sones/UTMIST-AI2 has them. Lengths are
in its units (a fighter is one high), y points down, speeds are units a second, and a frame is 1/30 s.
"""

from typing import Annotated, NamedTuple

from annotated_types import Ge

LEARNER, BASED, CONSTANT, RANDOM = range(4)  # who plays the second fighter
OPPONENTS = ("learner", "based", "constant", "random")


class Config(NamedTuple):
    """The environment's settings."""

    opponent: str = "learner"  # of the first fighter: learner (both are learned from), based, constant or random
    max_steps: Annotated[int, Ge(1)] = 2_700  # frames of a match: 90 s
    frame_skip: Annotated[int, Ge(1)] = 1  # frames of a step: keys are held for all of them, scripts choose in each

    # -- rewards: weights of the named terms (user/train_agent.py of the original)
    reward_danger_zone: float = 0.5  # minus the seconds spent below the floors
    reward_damage_interaction: float = 1.0  # damage dealt minus damage taken, in 140ths
    reward_penalize_attack: float = -0.04  # seconds spent attacking
    reward_many_keys: float = -0.01  # seconds with more than three keys held
    reward_win: float = 50.0  # 1 the opponent has run out of stocks, -1 the fighter itself has
    reward_knockout: float = 8.0  # 1 the opponent is knocked out, -1 the fighter itself is
    reward_combo: float = 5.0  # 1 the opponent is hit while stunned, -1 the fighter itself is
    reward_equip: float = 10.0  # 1 a spear is picked up, 2 a hammer
    reward_drop: float = 15.0  # -1 a weapon is thrown away
    # Not the original's: units moved toward the opponent, by the fighter's own speed. Two that learn from each other on
    # two islands else learn to stay apart.
    reward_approach: float = 0.0


def reward_weights(config: Config) -> dict[str, float]:
    """Weights by name of term, in the order of the columns of `reward_terms`."""
    prefix = "reward_"
    return {name.removeprefix(prefix): getattr(config, name) for name in config._fields if name.startswith(prefix)}


# -- time and space ----------------------------------------------------------------------------------------------------
FPS = 30
DT = 1 / FPS  # s
GRAVITY = 17.808  # units / s^2
STOCKS = 3  # lives of a fighter
MAX_X, MAX_Y = 14.0, 8.0  # beyond which a fighter is knocked out: half of the stage of 29.8 x 16.8 tiles, floored
DANGER_Y = 4.2  # below which the danger zone begins
VIEW_X, VIEW_Y, VIEW_SPEED = 18.0, 7.0, 10.0  # beyond which observations cut numbers off
START_X, START_Y = 5.0, 0.0  # where the fighter on the right begins; the one on the left at -START_X

# -- bodies ------------------------------------------------------------------------------------------------------------
FIGHTER_WIDTH, FIGHTER_HEIGHT = 0.87, 1.0
# Left, right, top and bottom of the two floors, and the height up to which a fighter stands on them: the bodies' own y.
FLOORS = ((2.0, 7.0, 0.85, 5.0), (-7.0, -2.0, 2.85, 7.0))
FLOOR_LEVELS = (1.0, 3.0)
PLATFORM_WIDTH, PLATFORM_HEIGHT = 2.0, 0.2
PLATFORM_START = (0.0, 1.0)
PLATFORM_ENDS = ((1.0, 0.0), (-1.0, 2.0))  # it goes to the second one first
PLATFORM_TURN = 0.1  # distance to an end at which it turns round
PLATFORM_SPEED, PLATFORM_LEAST = 1.0, 0.03  # speed is PLATFORM_SPEED sin(pi p) + PLATFORM_LEAST, p: share of its way
PLATFORM_REACH = 1.25  # how far from its middle a fighter still stands on it
FRICTION, PLATFORM_FRICTION = 0.7, 0.9  # of fighters and floors, of the platform; two that touch: the product

# -- the contact solver: Chipmunk 7's defaults -------------------------------------------------------------------------
SLOP = 0.1  # penetration that is left alone
BIAS = 1 - (1 - 0.1) ** (60 * DT)  # share of the rest that is pushed out in a step
ITERATIONS = 10
PERSISTENCE = 3  # steps after which the impulses of a former contact are forgotten

# -- how fighters move -------------------------------------------------------------------------------------------------
WALK_SPEED, RUN_SPEED, DASH_SPEED, BACKDASH_SPEED = 6.75, 8.0, 10.0, 4.0
JUMP_SPEED = 8.9
MAX_FALL_SPEED = 12.0
FAST_FALL_EASE, AIR_EASE = 14.25 / FPS, 10.75 / FPS  # change of speed a frame
STUN_EASE = AIR_EASE / 1.5
BOUNCE = 0.7  # share of the speed that a bounce keeps
AIR_JUMPS, RECOVERIES = 2, 1
TURN_FRAMES, DASH_FRAMES, BACKDASH_FRAMES, DODGE_FRAMES, TAUNT_FRAMES, KO_FRAMES = 1, 9, 7, 10, 30, 90
JUMP_COOLDOWN = 6  # frames
GROUND_DODGE_COOLDOWN, AIR_DODGE_COOLDOWN = 30, 82  # frames

# -- attacks -----------------------------------------------------------------------------------------------------------
PIXEL = 2 * 1.024 / 320  # units a pixel of the moves' figures
HURT_WIDTH, HURT_HEIGHT = 145 * PIXEL, 160 * PIXEL  # of the capsule in which a fighter can be hit
FORCE_LINEAR, FORCE_SQUARE = 70, 12_000  # force is fixed + variable (X / FORCE_LINEAR + X^2 / FORCE_SQUARE)
FORCE_SCALE = 1.024 / 320 * 30  # speed a unit of force
MAX_DAMAGE = 700.0
RECOVERY_DIVISOR = 1.426  # of a power's variable recovery
GROUND_POINT_Y = 1.54  # below which a dive's point has hit the ground

# -- weapons -----------------------------------------------------------------------------------------------------------
SPAWN_NEAR, SPAWN_FAR = 2.6, 6.5  # x at which a spawner puts a weapon, left of the middle the second one
SPAWN_YS = (0.7, 2.7)
SPAWN_COOLDOWN = (500, 700)  # frames, inclusive
FIRST_SPAWN_EARLIER = 350  # frames, at most
WEAPON_FRAMES = 350  # that a spawned weapon waits
# Frames from a weapon's appearance until it can be picked up. The original plays an animation as long, whose length the
# facts do not tell.
SPAWN_ANIMATION = 30
MOST_SPAWNERS = 2  # no weapon is made while there are more, of dropped ones
DROPPED_FRAMES = 250  # that a dropped weapon waits
DROP_LOCK = 15  # frames in which who dropped a weapon can pick up no dropped one
DROP_X, DROP_Y = 0.1, 0.27  # where a dropped weapon appears, from the fighter, ahead and below
PICKUP_WIDTH, PICKUP_HEIGHT, DROPPED_HEIGHT = 1.5, 0.83, 16 / 48  # of the capsules in which weapons are picked up
WEAPON_SIZE = 40 / 48  # edge of a weapon's body: its picture of 40 x 16 pixels at 48 a unit, half a unit higher
WEAPON_FRICTION = 1e11

# -- the scripted opponent "based" -------------------------------------------------------------------------------------
BASED_EDGE = 10.67 / 2  # |x| beyond which it turns back
BASED_LOW = 1.6  # y below which it jumps
BASED_REACH_SQUARED = 4.0  # distance at which it attacks, squared

PRESETS: dict[str, Config] = {"default": Config()}
