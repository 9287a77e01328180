"""Every number of the rules, with its unit and where it comes from.

Those of the original are facts of its source: a dodge-ball arena in Bevy, played over HTTP. Lengths are in its units, z
points up, and a step is 1/60 s.
"""

from typing import Annotated, Literal, NamedTuple, get_args

from annotated_types import Ge, Interval

Actions = Literal["basic_3d", "basic_4d_jump", "tilt_5d", "full_6d", "discrete"]
ACTIONS: tuple[str, ...] = get_args(Actions)


class Config(NamedTuple):
    """The environment's settings."""

    level: Annotated[int, Interval(ge=1, le=3)] = 2  # 1: a slow ball every 2 s; 2: a fast one every .5 s; 3: all round
    actions: Actions = "basic_3d"
    observation: Literal["vector", "image"] = "vector"
    image_size: Annotated[int, Interval(ge=20, le=512)] = 84  # pixels along an edge
    colour: Literal["gray", "rgb"] = "gray"
    with_thrower: bool = False  # the thrower is seen .5 s before its ball
    spawn_angle_degrees: Annotated[float, Interval(ge=0, le=180)] = 30.0  # balls of level 2 come from within it
    sprint_multiplier: Annotated[float, Interval(ge=0, le=10)] = 2.0  # of speed that a whole sprint adds
    frame_skip: Annotated[int, Ge(1)] = 1  # steps of a decision
    max_steps: Annotated[int, Ge(1)] = 1_000  # steps of an episode

    # -- rewards: weights of the named terms
    reward_alive: float = 1.0  # steps without being hit
    reward_dodge: float = 0.5  # units that the nearest ball is nearer than 2
    reward_hit: float = -100.0  # 1 the player is hit


def reward_weights(config: Config) -> dict[str, float]:
    """Weights by name of term, in the order of the columns of `reward_terms`."""
    prefix = "reward_"
    return {name.removeprefix(prefix): getattr(config, name) for name in config._fields if name.startswith(prefix)}


# -- time and space ----------------------------------------------------------------------------------------------------
FPS = 60
DT = 1 / FPS  # s
ZONE_X, ZONE_Y = 5.0, 4.0  # half of the zone that the player cannot leave
HIT_DISTANCE = 0.8  # between the centres of player and ball: their radii
DODGE_DISTANCE = 2.0  # below which a ball that passes by pays
SURVIVED = (0.25, 0.5, 0.75, 1.0)  # shares of max_steps that are milestones

# -- the player --------------------------------------------------------------------------------------------------------
SPEED = 5.0  # units / s, along each axis: a diagonal is faster
GROUND_Z = 1.0  # of its centre
JUMP_SPEED, GRAVITY = 7.0, 20.0
JUMP_ABOVE = 0.5  # what a jump's action must exceed

# -- balls -------------------------------------------------------------------------------------------------------------
BALL_GRAVITY = 9.8
BALL_FLOOR = 0.3  # its radius
BOUNCE, BOUNCE_DRAG = 0.7, 0.95  # shares of the vertical and the horizontal speed that a bounce keeps
LOWEST_Z, NEAREST_Y, FARTHEST_Y, WIDEST_X = -5.0, -25.0, 30.0, 30.0  # beyond which a ball is gone
AIM_Z = 1.0  # at which balls are aimed, however high the player is
MAX_BALLS = 12  # in the air; eleven were seen at level 3, where a few come to rest within bounds
# Level 1: from a line in front.
SLOW_INTERVAL, SLOW_FLIGHT = 120, 2.0  # steps between balls, seconds of a ball's way to the player
SLOW_X, SLOW_Y, SLOW_Z = 1.5, 20.0, 2.5
# Levels 2 and 3: from an arc.
FAST_INTERVAL, FAST_FLIGHT = 30, 0.8
FAST_RADIUS, FAST_Z = 20.0, 1.5
THROWER_WAITS = 30  # steps from its appearance to the throw

# -- pictures ----------------------------------------------------------------------------------------------------------
WORLD = 12.0  # half of what a picture shows
OUTLINE_STEP = 10  # points of the zone's outline a unit
BACKGROUND, OUTLINE = (30, 30, 40), (200, 200, 50)
THROWER, BALL, PLAYER = (255, 140, 0), (255, 50, 50), (50, 150, 255)
THROWER_RADIUS, BALL_RADIUS, PLAYER_RADIUS = 0.2, 0.3, 0.5
GRAY = (0.299, 0.587, 0.114)  # of red, green and blue
