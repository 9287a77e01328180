"""The arrays of E arenas with one player each, and the observation rows.

Numbers are float64, so that who is hit does not hang on how a sum was rounded; observations are rounded when written.
"""

from typing import NamedTuple

import numpy as np

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.dodge.config import MAX_BALLS, Config

# -- columns of the player, of a ball and of the thrower, who holds what its ball will have ----------------------------
X, Y, Z, VX, VY, VZ = range(6)

NUM_BALLS, COUNTDOWN, STEP, WAITS = range(4)  # columns of `numbers`; WAITS: whether there is a thrower
THROWN, LEFT, NEAREST = range(3)  # facts of an episode: columns of `facts`

ALONG_X, ALONG_Y, SPRINT, JUMP = range(4)  # columns of `controls`: all from -1 to 1

SHOWN = 10  # balls that an observation tells of, the oldest first
OWN = 5  # numbers of the player that it tells of: place and horizontal speed
WAITING = 4  # of the thrower: place, and how much of its time is over
UNIT = 0.1  # scales places and speeds of up to 25 for networks


class State(NamedTuple):
    """The arenas."""

    player: np.ndarray  # float64 [E, 6]
    balls: np.ndarray  # float64 [E, MAX_BALLS, 6], the oldest first
    thrower: np.ndarray  # float64 [E, 6]
    numbers: np.ndarray  # int32 [E, 4]


class Arena(NamedTuple):
    """Rows of `State` that belong to one arena."""

    player: np.ndarray
    balls: np.ndarray
    thrower: np.ndarray
    numbers: np.ndarray
    rng: np.ndarray  # uint64 [2]


class Rules(NamedTuple):
    """What the settings make of the rules."""

    fast: bool  # balls come from an arc, else from a line
    interval: int  # steps between balls
    flight: float  # s
    angle: float  # radians: of the arc's half
    thrower: bool
    sprint: float
    frame_skip: int
    max_steps: int


def allocate(num_envs: int) -> State:
    """Arenas in which nothing has begun."""
    return State(
        player=np.zeros((num_envs, 6)),
        balls=np.zeros((num_envs, MAX_BALLS, 6)),
        thrower=np.zeros((num_envs, 6)),
        numbers=np.zeros((num_envs, 4), np.int32),
    )


def layout(config: Config) -> ObsLayout:
    """What an observation holds: numbers as they are in the arena, or a picture from above, channels first."""
    if config.observation == "image":
        channels = 3 if config.colour == "rgb" else 1
        return ObsLayout(np.uint8, ("image", (channels, config.image_size, config.image_size), 8, 1 / 255))
    fields = [("player", (OWN,), 32, UNIT), ("balls", (SHOWN, 6), 32, UNIT)]
    if config.with_thrower:
        fields += [("thrower", (3,), 32, UNIT), ("thrower_time", (1,), 32, 1.0)]
    return ObsLayout(np.float32, *fields)
