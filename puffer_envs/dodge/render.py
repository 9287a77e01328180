"""A picture of one arena, seen from behind the player: balls with shadows and the way they came, the clock."""

import math
from functools import cache
from itertools import pairwise

import numpy as np

from puffer_envs.dodge.config import (
    BALL_FLOOR,
    BALL_GRAVITY,
    BALL_RADIUS,
    DT,
    FPS,
    GROUND_Z,
    HIT_DISTANCE,
    PLAYER_RADIUS,
    THROWER_WAITS,
    ZONE_X,
    ZONE_Y,
    Config,
)
from puffer_envs.dodge.state import COUNTDOWN, NUM_BALLS, STEP, VX, VY, VZ, WAITS, Arena, X, Y, Z
from puffer_envs.kit import draw
from puffer_envs.kit.canvas import Canvas, Colour, Point, capsule, ring

WIDTH, HEIGHT = 800, 500  # pixels
EYE, LOOKS_AT = np.array([0.0, -13.5, 9.5]), np.array([0.0, 1.5, 0.4])
FOCUS = 560.0  # pixels a unit at a distance of one
TRAIL = 14  # steps of a ball's way that are shown behind it
NEAR = 1.0  # nothing nearer to the eye is drawn

FLOOR, FLOOR_LINE, ZONE, ZONE_EDGE = (24, 27, 42), (36, 41, 62), (38, 52, 84), (226, 208, 92)
BALL, HOT, THROWER = (236, 66, 62), (255, 196, 120), (255, 150, 40)
PLAYER, PLAYER_LIGHT = (70, 160, 255), (196, 226, 255)
SHADOW, PAPER, FAINT = (8, 9, 16), (240, 242, 248), (150, 158, 180)


def frame(arena: Arena, config: Config) -> np.ndarray:
    """uint8 [500, 800, 3]."""
    canvas = Canvas(_floor().copy(), 1.0, 0.0, 0.0)
    balls = [arena.balls[i] for i in range(int(arena.numbers[NUM_BALLS]))]
    for x, y, z, radius in [(*ball[:3], BALL_RADIUS) for ball in balls] + [(*arena.player[:3], PLAYER_RADIUS)]:
        _shadow(canvas, float(x), float(y), float(z), radius)
    if arena.numbers[WAITS]:
        _thrower(canvas, arena.thrower, 1 - int(arena.numbers[COUNTDOWN]) / THROWER_WAITS)
    in_front = [ball for ball in balls if ball[Y] < arena.player[Y]]
    for ball in sorted((ball for ball in balls if ball[Y] >= arena.player[Y]), key=lambda ball: -ball[Y]):
        _ball(canvas, ball)
    _player(canvas, arena.player)
    for ball in sorted(in_front, key=lambda ball: -ball[Y]):
        _ball(canvas, ball)
    image = np.clip(canvas.image, 0, 255).astype(np.uint8)
    _words(image, arena, config)
    return image


# -- from the arena to the picture -------------------------------------------------------------------------------------
@cache
def _camera() -> np.ndarray:
    """Float64 [3, 3]: to the right, down and ahead."""
    ahead = (LOOKS_AT - EYE) / np.linalg.norm(LOOKS_AT - EYE)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])


def _seen(x: float, y: float, z: float) -> tuple[Point, float] | None:
    """Pixel of a place and pixels of a unit there; None behind the eye."""
    right, down, ahead = _camera() @ (np.array([x, y, z]) - EYE)
    if ahead < NEAR:
        return None
    scale = FOCUS / ahead
    return (WIDTH / 2 + right * scale, HEIGHT / 2 + down * scale), scale


def _line(canvas: Canvas, start: tuple[float, ...], end: tuple[float, ...], width: float, colour: Colour) -> None:
    """On the floor, thick as it is seen from afar, in pieces, since a capsule has one width."""
    pieces = 12
    points = [_seen(*(a + (b - a) * i / pieces for a, b in zip(start, end, strict=True))) for i in range(pieces + 1)]
    for one, other in pairwise(points):
        if one is not None and other is not None:
            capsule(canvas, one[0], other[0], width * one[1] / 2, colour)


@cache
def _floor() -> np.ndarray:
    """What never moves, float32 [H, W, 3]."""
    shade = np.linspace(1, 0, HEIGHT, dtype=np.float32)[:, None, None]
    image = np.repeat(np.array(FLOOR, np.float32) * (0.45 + 0.75 * (1 - shade)), WIDTH, 1)
    canvas = Canvas(image, 1.0, 0.0, 0.0)
    for i in range(-12, 13, 2):
        _line(canvas, (i, -10.0, 0.0), (i, 24.0, 0.0), 0.04, FLOOR_LINE)
    for i in range(-10, 25, 2):
        _line(canvas, (-14.0, i, 0.0), (14.0, i, 0.0), 0.04, FLOOR_LINE)
    for i in range(81):  # the zone's ground, in strips
        y = -ZONE_Y + 2 * ZONE_Y * i / 80
        _line(canvas, (-ZONE_X, y, 0.0), (ZONE_X, y, 0.0), 0.13, ZONE)
    corners = [(-ZONE_X, -ZONE_Y), (ZONE_X, -ZONE_Y), (ZONE_X, ZONE_Y), (-ZONE_X, ZONE_Y)]
    for one, other in zip(corners, corners[1:] + corners[:1], strict=True):
        _line(canvas, (*one, 0.0), (*other, 0.0), 0.1, ZONE_EDGE)
    return image


# -- what moves --------------------------------------------------------------------------------------------------------
def _shadow(canvas: Canvas, x: float, y: float, z: float, radius: float) -> None:
    """Flat on the floor below; the fainter the higher what throws it."""
    seen = _seen(x, y, 0.0)
    if seen is not None:
        (column, row), scale = seen
        half = 0.55 * radius * scale
        alpha = 0.75 / (1 + 0.25 * z)
        capsule(canvas, (column - half, row), (column + half, row), 0.5 * radius * scale, SHADOW, alpha)


def _ball(canvas: Canvas, ball: np.ndarray) -> None:
    x, y, z, vx, vy, vz = (float(number) for number in ball)
    for i in range(TRAIL, 0, -1):  # backwards in time, to the last bounce
        t = i * DT
        height = z - vz * t - BALL_GRAVITY / 2 * t * t
        seen = _seen(x - vx * t, y - vy * t, height) if height > BALL_FLOOR else None
        if seen is not None:
            share = 1 - i / (TRAIL + 1)
            capsule(canvas, seen[0], seen[0], BALL_RADIUS * seen[1] * (0.35 + 0.5 * share), HOT, 0.16 * share)
    _sphere(canvas, (x, y, z), BALL_RADIUS, BALL, HOT)


def _player(canvas: Canvas, player: np.ndarray) -> None:
    x, y, z = (float(player[i]) for i in (X, Y, Z))
    lean = 0.02 * float(player[VX]), 0.02 * float(player[VY])
    foot, seen = _seen(x - lean[0], y - lean[1], z - GROUND_Z + 0.3), _seen(x, y, z)
    if foot is not None and seen is not None:
        capsule(canvas, foot[0], seen[0], 0.3 * seen[1], PLAYER)
        ring(canvas, seen[0], HIT_DISTANCE * seen[1], 2.0, PLAYER_LIGHT, 0.25)
    _sphere(canvas, (x, y, z), PLAYER_RADIUS, PLAYER, PLAYER_LIGHT)


def _sphere(canvas: Canvas, at: tuple[float, float, float], radius: float, colour: Colour, light: Colour) -> None:
    seen = _seen(*at)
    if seen is None:
        return
    (column, row), reach = seen[0], radius * seen[1]
    capsule(canvas, (column, row), (column, row), reach, colour)
    for share, alpha in ((0.7, 0.16), (0.45, 0.25), (0.2, 0.5)):
        spot = column - 0.3 * reach, row - 0.35 * reach
        capsule(canvas, spot, spot, share * reach, light, alpha)


def _thrower(canvas: Canvas, thrower: np.ndarray, share: float) -> None:
    """The ball to come, with a ring that closes in on it, and where it will fly."""
    x, y, z, vx, vy, vz = (float(thrower[i]) for i in (X, Y, Z, VX, VY, VZ))
    seen = _seen(x, y, z)
    if seen is None:
        return
    capsule(canvas, seen[0], seen[0], 0.3 * seen[1], THROWER, 0.4 + 0.6 * share)
    ring(canvas, seen[0], (1.3 - 0.9 * share) * seen[1], 2.0, THROWER, 0.8)
    for i in range(1, 9):
        t = 0.09 * i
        point = _seen(x + vx * t, y + vy * t, z + vz * t - BALL_GRAVITY / 2 * t * t)
        if point is not None:
            capsule(canvas, point[0], point[0], 0.05 * point[1], THROWER, 0.5 * share)


def _words(image: np.ndarray, arena: Arena, config: Config) -> None:
    step = int(arena.numbers[STEP])
    draw.text(image, f"level {config.level}", 16, 16, FAINT, 2)
    clock = f"{step / FPS:.1f} of {config.max_steps / FPS:.1f} s"
    draw.text(image, clock, WIDTH - 16 - draw.text_size(clock, 2)[0], 16, PAPER, 2)
    width = math.ceil((WIDTH - 32) * min(1.0, step / config.max_steps))
    draw.rectangle(image, 16, HEIGHT - 14, WIDTH - 32, 4, FLOOR_LINE)
    draw.rectangle(image, 16, HEIGHT - 14, width, 4, ZONE_EDGE)
