"""The arrays of E matches with two fighters each, and the observation rows.

A fighter, and a spawner with its weapon, is one row of numbers and one of integers, whose columns are named here. Both
begin with what the contact solver knows of a body, so that it moves fighters and weapons alike.

Numbers are float64: frames hang on comparisons (who stands on a floor, whose capsules touch), and rounding to float32
between steps would decide some of them otherwise than the original does.
"""

from typing import NamedTuple

import numpy as np

from puffer_envs.contract.layout import ObsLayout

# -- states, numbered as observations show them ------------------------------------------------------------------------
(WALK, STAND, TURN, AIR_TURN, SPRINT, STUN, IN_AIR, DODGE, ATTACK, DASH, BACKDASH, KO, TAUNT) = range(13)
STATES = (
    *("walk", "stand", "turn", "air turn", "sprint", "stun", "in air", "dodge", "attack"),
    *("dash", "backdash", "KO", "taunt"),
)
STAY = -1  # what a state's rules return where it goes on

# -- keys, in the order of actions -------------------------------------------------------------------------------------
KEYS = ("W", "A", "S", "D", "space", "H", "L", "J", "K", "G")
NUM_KEYS = len(KEYS)
KEY_W, KEY_A, KEY_S, KEY_D, KEY_SPACE, KEY_H, KEY_L, KEY_J, KEY_K, KEY_G = (1 << i for i in range(NUM_KEYS))
NO_SIDE, LEFT, RIGHT, LEFT_RIGHT, RIGHT_LEFT = range(5)  # of A and D, those held, the one pressed last behind

PUNCH, SPEAR, HAMMER = range(3)
WEAPONS = ("punch", "spear", "hammer")

# -- columns of a body: the first ones of fighters and of spawners -----------------------------------------------------
SURFACES = 3  # first floor, second floor, platform
X, Y, VX, VY, BIAS_X, BIAS_Y = range(6)  # the bias is a speed that pushes out of what is touched, for one step
# Of each surface: impulses along the normal and of friction, and in a step what pushes out, and how much it has.
NORMAL, TANGENT, PUSH, PUSHED = (6 + i * SURFACES for i in range(4))
TOUCHED, SIDE = 0, SURFACES  # integers: step of the last contact with each surface, and by which side
NO_CONTACT = -1_000  # step of a contact that never was

_REAL, _WHOLE = 6 + 4 * SURFACES, 2 * SURFACES

# -- columns of a fighter ----------------------------------------------------------------------------------------------
(HURT_X, HURT_Y, BLOW_X, BLOW_Y, PULL_X, PULL_Y, DAMAGE, HOME_X, HOME_Y) = range(_REAL, _REAL + 9)
FIGHTER_REALS = _REAL + 9
STATE, FACING, STOCKS_LEFT, WEAPON, TIMER, DODGE_COOLDOWN, PENDING_STUN = range(_WHOLE, _WHOLE + 7)
HELD, PRESSED, HORIZONTAL, PICKUP_LOCK, AIR_JUMP_TIMER, TURN_JUMP_TIMER = range(_WHOLE + 7, _WHOLE + 13)
# What the state objects of the original keep for themselves, also while another state is the present one.
JUMPS_IN_AIR, JUMPS_IN_TURN, JUMPS_IN_DODGE, JUMPS_IN_ATTACK, JUMPS_IN_STUN = range(_WHOLE + 13, _WHOLE + 18)
RECOVERIES_IN_AIR, RECOVERIES_IN_TURN, RECOVERIES_IN_DODGE, RECOVERIES_IN_ATTACK = range(_WHOLE + 18, _WHOLE + 22)
# The attack under way: numbers of the tables in `moves`, frames of the cast, of the power and of its recovery.
GROUNDED_DODGE, MOVE, POWER, CAST, CAST_FRAME, POWER_FRAME, RECOVERED = range(_WHOLE + 22, _WHOLE + 29)
SWITCHING, HIT_ANYONE, HIT_BY_POWER, HIT_BY_MOVE = range(_WHOLE + 29, _WHOLE + 33)
FIGHTER_WHOLES = _WHOLE + 33

# -- columns of a spawner ----------------------------------------------------------------------------------------------
MAX_SPAWNERS = 6  # the two of the stage, and the weapons that two fighters can have dropped: two held, two spawned
(SPOT_X, SPOT_Y, SEEN_X, SEEN_Y) = range(_REAL, _REAL + 4)  # where it stands, and where its weapon is said to be
SPAWNER_REALS = _REAL + 4
(DROPPED, ACTIVE, CONTENT, COOLDOWN_BASE, COOLDOWN, LAST_SPAWN, SPAWNED_AT, READY) = range(_WHOLE, _WHOLE + 8)
SPAWNER_WHOLES = _WHOLE + 8

PLATFORM_X, PLATFORM_Y, PLATFORM_VX, PLATFORM_VY = range(4)  # columns of `platform`
FRAME, NUM_SPAWNERS, OUTWARD = range(3)  # columns of `numbers`; OUTWARD: the platform goes to its second end

# -- what happened to a fighter in a frame: columns of `signals` -------------------------------------------------------
HURT, LOST, FELL, COMBOED, EQUIPPED, THREW, BEGAN_ATTACK = range(7)
NUM_SIGNALS = 7

# -- facts of an episode: columns of `facts` ---------------------------------------------------------------------------
DEALT, TAKEN, KNOCKOUTS, FALLS, IN_DANGER, PICKED_UP, ATTACKS, FRAMES = range(8)
NUM_FACTS = 8

FIELDS = 32  # of a fighter, see `observe`
LAYOUT = ObsLayout(np.float32, ("own", (FIELDS,)), ("opponent", (FIELDS,)))  # not normalised


class State(NamedTuple):
    """The matches."""

    real: np.ndarray  # float64 [E, 2, FIGHTER_REALS]
    whole: np.ndarray  # int32 [E, 2, FIGHTER_WHOLES]
    spawner_real: np.ndarray  # float64 [E, MAX_SPAWNERS, SPAWNER_REALS]
    spawner_whole: np.ndarray  # int32 [E, MAX_SPAWNERS, SPAWNER_WHOLES]
    platform: np.ndarray  # float64 [E, 4]
    numbers: np.ndarray  # int32 [E, 3]


class Match(NamedTuple):
    """Rows of `State` that belong to one match."""

    real: np.ndarray
    whole: np.ndarray
    spawner_real: np.ndarray
    spawner_whole: np.ndarray
    platform: np.ndarray
    numbers: np.ndarray
    signals: np.ndarray  # float64 [2, NUM_SIGNALS]
    rng: np.ndarray  # uint64 [2]


def allocate(num_envs: int) -> State:
    """Matches that have not begun."""
    return State(
        real=np.zeros((num_envs, 2, FIGHTER_REALS)),
        whole=np.zeros((num_envs, 2, FIGHTER_WHOLES), np.int32),
        spawner_real=np.zeros((num_envs, MAX_SPAWNERS, SPAWNER_REALS)),
        spawner_whole=np.zeros((num_envs, MAX_SPAWNERS, SPAWNER_WHOLES), np.int32),
        platform=np.zeros((num_envs, 4)),
        numbers=np.zeros((num_envs, 3), np.int32),
    )
