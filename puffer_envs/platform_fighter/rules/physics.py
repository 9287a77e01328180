"""Boxes against the floors and the platform, as the library of the original (Chipmunk 7) moves them.

The order of a step is its own: positions first, then collisions, then gravity, then the impulses of the last step
again, and what is missing of them. Boxes cannot turn and do not meet each other, so a contact is one impulse along its
normal and one of friction, and each box can be moved by itself.
"""

import math

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter.config import (
    BIAS,
    DT,
    FIGHTER_HEIGHT,
    FIGHTER_WIDTH,
    FLOOR_LEVELS,
    FLOORS,
    FRICTION,
    GRAVITY,
    ITERATIONS,
    PERSISTENCE,
    PLATFORM_ENDS,
    PLATFORM_FRICTION,
    PLATFORM_HEIGHT,
    PLATFORM_LEAST,
    PLATFORM_REACH,
    PLATFORM_SPEED,
    PLATFORM_TURN,
    PLATFORM_WIDTH,
    SLOP,
)
from puffer_envs.platform_fighter.state import (
    BIAS_X,
    BIAS_Y,
    NORMAL,
    OUTWARD,
    PLATFORM_VX,
    PLATFORM_VY,
    PLATFORM_X,
    PLATFORM_Y,
    PUSH,
    PUSHED,
    SIDE,
    SURFACES,
    TANGENT,
    TOUCHED,
    VX,
    VY,
    X,
    Y,
)

_HALF_WIDTH, _HALF_HEIGHT = FIGHTER_WIDTH / 2, FIGHTER_HEIGHT / 2
_HALF_PLATFORM, _HALF_THICK = PLATFORM_WIDTH / 2, PLATFORM_HEIGHT / 2
FROM_LEFT, FROM_RIGHT, FROM_ABOVE, FROM_BELOW = range(1, 5)  # sides from which a box touches
_PLATFORM = 2  # number of the platform's surface


@inlined_kernel
def toward(value: float, target: float, change: float) -> float:
    """A value moved toward a target by ``change``, not beyond it."""
    if value < target:
        return min(value + change, target)
    return max(value - change, target)


# -- where a fighter is ------------------------------------------------------------------------------------------------
@inlined_kernel
def meets_platform(x: float, y: float, platform: np.ndarray) -> bool:
    """Whether a fighter's box touches the platform."""
    across = abs(x - platform[PLATFORM_X]) <= _HALF_WIDTH + _HALF_PLATFORM
    return across and abs(y - platform[PLATFORM_Y]) <= _HALF_HEIGHT + _HALF_THICK


@inlined_kernel
def on_floor(x: float, y: float, platform: np.ndarray) -> bool:
    """Whether a fighter stands: its box touches a floor and is not below its level, or it is above the platform."""
    for i in range(2):
        left, right, top, bottom = FLOORS[i]
        across = x + _HALF_WIDTH >= left and x - _HALF_WIDTH <= right
        if y <= FLOOR_LEVELS[i] and across and y + _HALF_HEIGHT >= top and y - _HALF_HEIGHT <= bottom:
            return True
    if y > platform[PLATFORM_Y] - 0.01 or not meets_platform(x, y, platform):
        return False
    return platform[PLATFORM_X] - PLATFORM_REACH <= x <= platform[PLATFORM_X] + PLATFORM_REACH


# -- the platform ------------------------------------------------------------------------------------------------------
@kernel
def drive(platform: np.ndarray, numbers: np.ndarray) -> None:
    """The platform's velocity for this step; at an end it rests for one step and turns round."""
    (first_x, first_y), (second_x, second_y) = PLATFORM_ENDS
    x, y = platform[PLATFORM_X], platform[PLATFORM_Y]
    dx, dy = first_x - x, first_y - y
    if numbers[OUTWARD]:
        dx, dy = second_x - x, second_y - y
    distance = math.sqrt(dx * dx + dy * dy)
    if distance < PLATFORM_TURN:
        platform[PLATFORM_VX] = platform[PLATFORM_VY] = 0.0
        numbers[OUTWARD] = 1 - numbers[OUTWARD]
        return
    way_x, way_y = second_x - first_x, second_y - first_y
    share = ((x - first_x) * way_x + (y - first_y) * way_y) / (way_x * way_x + way_y * way_y)
    speed = PLATFORM_SPEED * math.sin(max(0.0, min(1.0, share)) * math.pi) + PLATFORM_LEAST
    platform[PLATFORM_VX], platform[PLATFORM_VY] = dx / distance * speed, dy / distance * speed


@inlined_kernel
def move_platform(platform: np.ndarray) -> None:
    """The platform's place after a step."""
    platform[PLATFORM_X] += platform[PLATFORM_VX] * DT
    platform[PLATFORM_Y] += platform[PLATFORM_VY] * DT


# -- a step of one box -------------------------------------------------------------------------------------------------
@inlined_kernel
def surface(number: int, platform: np.ndarray) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a surface."""
    if number < _PLATFORM:
        return FLOORS[number]
    x, y = platform[PLATFORM_X], platform[PLATFORM_Y]
    return x - _HALF_PLATFORM, x + _HALF_PLATFORM, y - _HALF_THICK, y + _HALF_THICK


@kernel
def move(
    real: np.ndarray,
    whole: np.ndarray,
    half_width: float,
    half_height: float,
    friction: float,
    falls: bool,
    platform: np.ndarray,
    step: int,
) -> None:
    """A step of a box; the platform has moved already.

    Args:
        real: float64 [18 or more], columns of a body; written like ``whole``, int32 [6 or more].
        friction: of the box; two surfaces rub with the product of theirs.
        falls: whether there is gravity.
        step: number of this step, to know how long ago a contact was.
    """
    real[X] += (real[VX] + real[BIAS_X]) * DT
    real[Y] += (real[VY] + real[BIAS_Y]) * DT
    real[BIAS_X] = real[BIAS_Y] = 0.0
    if falls:
        real[VY] += GRAVITY * DT
    contacts = 0
    for number in range(SURFACES):
        left, right, top, bottom = surface(number, platform)
        from_left, from_right = real[X] + half_width - left, right - (real[X] - half_width)
        from_above, from_below = real[Y] + half_height - top, bottom - (real[Y] - half_height)
        if from_left >= 0 and from_right >= 0 and from_above >= 0 and from_below >= 0:
            contacts += 1
            _touch(real, whole, number, (from_left, from_right, from_above, from_below), step)
    # A single contact is solved by the first look at it: its normal and its friction do not touch each other.
    for _ in range(contacts if contacts < 2 else ITERATIONS):
        for number in range(SURFACES):
            if whole[TOUCHED + number] == step:
                _solve(real, whole, number, friction, platform)


@inlined_kernel
def _touch(
    real: np.ndarray, whole: np.ndarray, number: int, depths: tuple[float, float, float, float], step: int
) -> None:
    """A contact of this step: the side with the least depth, and the impulses of the step before."""
    side, depth = FROM_LEFT, depths[0]
    for i in range(1, 4):
        if depths[i] < depth:
            side, depth = FROM_LEFT + i, depths[i]
    age = step - whole[TOUCHED + number]
    if whole[SIDE + number] != side or age > PERSISTENCE:
        real[NORMAL + number] = real[TANGENT + number] = 0.0
    if age == 1:  # after a step without contact they are remembered, but not given again
        normal, tangent = real[NORMAL + number], real[TANGENT + number]
        away = -normal if side in (FROM_LEFT, FROM_ABOVE) else normal
        real[VX] += away if side <= FROM_RIGHT else tangent
        real[VY] += tangent if side <= FROM_RIGHT else away
    whole[TOUCHED + number], whole[SIDE + number] = step, side
    real[PUSHED + number] = 0.0
    real[PUSH + number] = BIAS / DT * max(0.0, depth - SLOP)


@inlined_kernel
def _solve(real: np.ndarray, whole: np.ndarray, number: int, friction: float, platform: np.ndarray) -> None:
    """One look at a contact: what is missing of its impulses."""
    side = whole[SIDE + number]
    along, across = (VX, VY) if side <= FROM_RIGHT else (VY, VX)
    sign = -1.0 if side in (FROM_LEFT, FROM_ABOVE) else 1.0
    rub = friction * (PLATFORM_FRICTION if number == _PLATFORM else FRICTION)
    toward_x = platform[PLATFORM_VX] if number == _PLATFORM else 0.0
    toward_y = platform[PLATFORM_VY] if number == _PLATFORM else 0.0
    of_surface, beside = (toward_x, toward_y) if side <= FROM_RIGHT else (toward_y, toward_x)

    pushed, bias = real[PUSHED + number], along + BIAS_X - VX
    real[PUSHED + number] = max(0.0, pushed + real[PUSH + number] - sign * real[bias])
    real[bias] += sign * (real[PUSHED + number] - pushed)

    normal, tangent = real[NORMAL + number], real[TANGENT + number]
    slip = real[across] - beside
    real[NORMAL + number] = max(0.0, normal - sign * (real[along] - of_surface))
    limit = rub * real[NORMAL + number]
    real[TANGENT + number] = max(-limit, min(limit, tangent - slip))
    real[along] += sign * (real[NORMAL + number] - normal)
    real[across] += real[TANGENT + number] - tangent
