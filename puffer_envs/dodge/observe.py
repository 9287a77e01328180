"""Observations: numbers, or a picture from above that is changed where something moved."""

from typing import NamedTuple

import numpy as np

from puffer_envs.dodge.config import (
    BACKGROUND,
    BALL,
    BALL_RADIUS,
    GRAY,
    MAX_BALLS,
    OUTLINE,
    OUTLINE_STEP,
    PLAYER,
    PLAYER_RADIUS,
    THROWER,
    THROWER_RADIUS,
    THROWER_WAITS,
    WORLD,
    ZONE_X,
    ZONE_Y,
    Config,
)
from puffer_envs.dodge.state import COUNTDOWN, NUM_BALLS, OWN, SHOWN, WAITING, WAITS, State, X, Y
from puffer_envs.kit.jit import inlined_kernel, kernel

NOTHING_DRAWN = -1  # not even the background


# -- numbers -----------------------------------------------------------------------------------------------------------
@kernel
def write_rows(state: State, out: np.ndarray, rows: np.ndarray, with_thrower: bool) -> None:
    """Write the vectors of ``rows`` (indices) into float32 [N, R], as `state.layout` says."""
    for i in range(rows.size):
        env = rows[i]
        row, balls = out[env], state.balls[env]
        for column in range(OWN):
            row[column] = np.float32(state.player[env, column])
        for ball in range(SHOWN):  # zeros where there is none
            for column in range(6):
                row[OWN + 6 * ball + column] = np.float32(balls[ball, column])
        if with_thrower:
            seen = row[OWN + 6 * SHOWN : OWN + 6 * SHOWN + WAITING]
            for column in range(3):
                seen[column] = np.float32(state.thrower[env, column])
            waits = state.numbers[env, WAITS] > 0
            seen[3] = np.float32(1 - state.numbers[env, COUNTDOWN] / THROWER_WAITS) if waits else np.float32(0)


# -- pictures ----------------------------------------------------------------------------------------------------------
class Picture(NamedTuple):
    """What never moves, and what was drawn on it last."""

    background: np.ndarray  # uint8 [C, n, n]
    colours: np.ndarray  # uint8 [3, C], of the thrower, a ball and the player
    radii: np.ndarray  # int64 [3], pixels
    drawn: np.ndarray  # int16 [N, MAX_BALLS + 2, 3]: row, column and radius of the discs in a row's picture
    discs: np.ndarray  # int16 [N], how many these are


def picture(config: Config, num_rows: int) -> Picture:
    """An empty zone."""
    n, rgb = config.image_size, config.colour == "rgb"
    shades = [_shades(colour, rgb) for colour in (THROWER, BALL, PLAYER)]
    background = np.empty((3 if rgb else 1, n, n), np.uint8)
    background[:] = _shades(BACKGROUND, rgb)[:, None, None]
    for x, y in _outline():
        row, column = _pixel(WORLD - y, n), _pixel(x + WORLD, n)
        background[:, row, column] = _shades(OUTLINE, rgb)
    return Picture(
        background=background,
        colours=np.array(shades),
        radii=np.array([int(radius * n / (2 * WORLD)) for radius in (THROWER_RADIUS, BALL_RADIUS, PLAYER_RADIUS)]),
        drawn=np.zeros((num_rows, MAX_BALLS + 2, 3), np.int16),
        discs=np.full(num_rows, NOTHING_DRAWN, np.int16),
    )


def _shades(colour: tuple[int, int, int], rgb: bool) -> np.ndarray:
    """uint8 [C]."""
    gray = int(np.floor(np.dot(GRAY, colour) + 0.5))
    return np.array(colour if rgb else (gray,), np.uint8)


def _outline() -> list[tuple[float, float]]:
    """Points of the zone's edge."""
    across = [-ZONE_X + i / OUTLINE_STEP for i in range(int(2 * ZONE_X * OUTLINE_STEP) + 1)]
    down = [-ZONE_Y + i / OUTLINE_STEP for i in range(int(2 * ZONE_Y * OUTLINE_STEP) + 1)]
    return [(x, y) for y in (-ZONE_Y, ZONE_Y) for x in across] + [(x, y) for x in (-ZONE_X, ZONE_X) for y in down]


@inlined_kernel
def _pixel(place: float, n: int) -> int:
    """Of a distance from the left or the upper edge."""
    return min(int(place / (2 * WORLD) * n), n - 1)


@kernel
def draw_rows(state: State, picture: Picture, out: np.ndarray, rows: np.ndarray) -> None:
    """Bring the pictures of ``rows`` (indices) in ``out``, uint8 [N, C n n], from what they show to what is now.

    The discs of before are covered with background, those of now are drawn: some hundred bytes of seven thousand.
    """
    for i in range(rows.size):
        row = rows[i]
        _erase(picture, out[row], row)
        picture.discs[row] = 0
        if state.numbers[row, WAITS]:
            _place(picture, out[row], row, 0, state.thrower[row])
        for ball in range(state.numbers[row, NUM_BALLS]):
            _place(picture, out[row], row, 1, state.balls[row, ball])
        _place(picture, out[row], row, 2, state.player[row])


@inlined_kernel
def _erase(picture: Picture, image: np.ndarray, row: int) -> None:
    channels, n, _ = picture.background.shape
    if picture.discs[row] == NOTHING_DRAWN:
        for channel in range(channels):
            for i in range(n):
                for j in range(n):
                    image[(channel * n + i) * n + j] = picture.background[channel, i, j]
    for disc in range(picture.discs[row]):
        at = picture.drawn[row, disc]
        top, left, radius = int(at[0]), int(at[1]), int(at[2])
        for channel in range(channels):
            for i in range(max(top - radius, 0), min(top + radius + 1, n)):
                for j in range(max(left - radius, 0), min(left + radius + 1, n)):
                    image[(channel * n + i) * n + j] = picture.background[channel, i, j]


@inlined_kernel
def _place(picture: Picture, image: np.ndarray, row: int, kind: int, body: np.ndarray) -> None:
    """Draw a body as a disc, if its centre is in the picture."""
    if not (abs(body[X]) < WORLD and abs(body[Y]) < WORLD):
        return
    channels, n, _ = picture.background.shape
    top, left = _pixel(WORLD - body[Y], n), _pixel(body[X] + WORLD, n)
    radius = picture.radii[kind]
    for i in range(max(top - radius, 0), min(top + radius + 1, n)):
        for j in range(max(left - radius, 0), min(left + radius + 1, n)):
            if (i - top) * (i - top) + (j - left) * (j - left) <= radius * radius:
                for channel in range(channels):
                    image[(channel * n + i) * n + j] = picture.colours[kind, channel]
    at = picture.drawn[row, picture.discs[row]]
    at[0], at[1], at[2] = top, left, radius
    picture.discs[row] += 1
