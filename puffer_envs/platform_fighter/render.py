"""A picture of one match: stage, platform, fighters in their poses, the capsules that hit, and how it stands."""

import math
from functools import cache

import numpy as np

from puffer_envs.kit import draw
from puffer_envs.kit.canvas import Canvas, Colour, Point, box, capsule, ring
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter.config import (
    DANGER_Y,
    DT,
    FLOORS,
    KO_FRAMES,
    PLATFORM_ENDS,
    PLATFORM_HEIGHT,
    PLATFORM_WIDTH,
    STOCKS,
)
from puffer_envs.platform_fighter.moves import Moves
from puffer_envs.platform_fighter.state import (
    ACTIVE,
    ATTACK,
    BACKDASH,
    CAST,
    CAST_FRAME,
    CONTENT,
    DAMAGE,
    DASH,
    DODGE,
    FACING,
    FRAME,
    HAMMER,
    IN_AIR,
    KO,
    MOVE,
    NUM_SPAWNERS,
    SEEN_X,
    SEEN_Y,
    SPEAR,
    SPRINT,
    STATE,
    STATES,
    STOCKS_LEFT,
    STUN,
    TAUNT,
    TIMER,
    VX,
    VY,
    WALK,
    WEAPON,
    WEAPONS,
    Match,
    X,
    Y,
)

WIDTH, HEIGHT = 960, 540  # pixels
SCALE = 48.0  # pixels a unit
LEFT, TOP = -WIDTH / SCALE / 2, -5.0  # the place of the upper left corner
BOTTOM, RIGHT = TOP + HEIGHT / SCALE, -LEFT

SKY, DUSK = (22, 26, 48), (92, 62, 92)
STONE, STONE_TOP, STONE_EDGE = (58, 64, 86), (128, 140, 168), (44, 48, 66)
PLANK, PLANK_TOP = (176, 124, 72), (228, 178, 112)
TEAMS: tuple[Colour, Colour] = ((255, 148, 66), (84, 164, 255))
DARK: tuple[Colour, Colour] = ((160, 74, 24), (30, 84, 164))
HIT, STEEL, WOOD = (255, 70, 70), (206, 214, 226), (150, 104, 62)
PAPER, FAINT, PANEL = (240, 242, 248), (150, 158, 180), (14, 16, 28)


def frame(match: Match, moves: Moves, max_steps: int, opponent: str) -> np.ndarray:
    """uint8 [540, 960, 3].

    Args:
        opponent: who plays the second fighter, to be told.
    """
    canvas = Canvas(_stage().copy(), SCALE, LEFT, TOP)
    _platform(canvas, match)
    for i in range(int(match.numbers[NUM_SPAWNERS])):
        if match.spawner_whole[i, ACTIVE]:
            at = float(match.spawner_real[i, SEEN_X]), float(match.spawner_real[i, SEEN_Y])
            ring(canvas, at, 0.5, 0.05, PAPER, 0.35 + 0.15 * math.sin(match.numbers[FRAME] * 0.2))
            _weapon(canvas, int(match.spawner_whole[i, CONTENT]), (at[0] - 0.35, at[1] + 0.2), (0.87, -0.5))
    for me in (1, 0):
        _fighter(canvas, match, moves, me)
    for me in range(2):
        _hitboxes(canvas, match, moves, me)
    for me in range(2):
        _panel_ground(canvas, me)
    image = np.clip(canvas.image, 0, 255).astype(np.uint8)
    for me in range(2):
        _panel_text(image, match, moves, me, f"player {me + 1}" if me == 0 or opponent == "learner" else opponent)
    seconds = max(0, max_steps - int(match.numbers[FRAME])) * DT
    clock = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    draw.text(image, clock, (WIDTH - draw.text_size(clock, 3)[0]) // 2, 16, PAPER, 3)
    return image


# -- the stage ---------------------------------------------------------------------------------------------------------
@cache
def _stage() -> np.ndarray:
    """What never moves, float32 [H, W, 3]."""
    shade = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None] ** 1.6
    sky, dusk = np.array(SKY, np.float32), np.array(DUSK, np.float32)
    image = np.repeat(sky + (dusk - sky) * shade, WIDTH, 1)
    canvas = Canvas(image, SCALE, LEFT, TOP)
    for i in range(15):  # the warehouse far behind
        x, tall = LEFT + i * 1.6, 1.4 + 1.9 * abs(math.sin(i * 2.4))
        box(canvas, (x, 4.2 - tall), (1.25, 9.0), (34, 34, 58), 0.05, 0.75)
        for row in range(int(tall / 0.5)):
            lit = (i * 7 + row * 5) % 4 == 0
            box(canvas, (x + 0.25, 4.5 - tall + row * 0.5), (0.24, 0.22), (255, 214, 140), 0.02, 0.35 if lit else 0.05)
    for left, right, top, bottom in FLOORS:
        box(canvas, (left, top), (right - left, bottom - top), STONE_EDGE, 0.12)
        box(canvas, (left + 0.06, top + 0.06), (right - left - 0.12, bottom - top - 0.12), STONE, 0.1)
        for row in range(int(bottom - top) + 1):  # courses of blocks
            y = top + 0.62 + row * 0.72
            for column in range(4):
                x = left + 0.2 + column * 1.3 - (0.65 if row % 2 else 0.0)
                begin, end = max(x, left + 0.14), min(x + 1.16, right - 0.14)
                if y + 0.6 < bottom and end > begin + 0.1:
                    box(canvas, (begin, y), (end - begin, 0.58), (66, 73, 97), 0.06, 0.8)
        box(canvas, (left - 0.08, top), (right - left + 0.16, 0.34), STONE_TOP, 0.1)
        box(canvas, (left - 0.08, top + 0.26), (right - left + 0.16, 0.1), STONE_EDGE, 0.04, 0.6)
    for i in range(int((RIGHT - LEFT) / 0.5)):  # where the danger zone begins
        capsule(canvas, (LEFT + i * 0.5, DANGER_Y), (LEFT + i * 0.5 + 0.16, DANGER_Y), 0.02, HIT, 0.3)
    (ax, ay), (bx, by) = PLATFORM_ENDS
    for i in range(13):
        at = ax + (bx - ax) * i / 12, ay + (by - ay) * i / 12
        capsule(canvas, at, at, 0.035, PLANK_TOP, 0.35)
    return image


def _platform(canvas: Canvas, match: Match) -> None:
    x, y = float(match.platform[0]), float(match.platform[1])
    corner = x - PLATFORM_WIDTH / 2, y - PLATFORM_HEIGHT / 2
    box(canvas, (corner[0], corner[1] + 0.06), (PLATFORM_WIDTH, PLATFORM_HEIGHT), (40, 26, 18), 0.08, 0.6)
    box(canvas, corner, (PLATFORM_WIDTH, PLATFORM_HEIGHT), PLANK, 0.07)
    box(canvas, corner, (PLATFORM_WIDTH, 0.07), PLANK_TOP, 0.03)


# -- fighters ----------------------------------------------------------------------------------------------------------
def _fighter(canvas: Canvas, match: Match, moves: Moves, me: int) -> None:
    real, whole = match.real[me], match.whole[me]
    x, y, side, state = float(real[X]), float(real[Y]), int(whole[FACING]), int(whole[STATE])
    if state == KO:
        _burst(canvas, (x, y), 1 - int(whole[TIMER]) / KO_FRAMES, TEAMS[me])
        return
    if not (LEFT - 0.4 < x < RIGHT + 0.4 and TOP - 0.5 < y < BOTTOM + 0.5):
        edge = _inside((x, y))
        ring(canvas, edge, 0.2, 0.07, PAPER, 0.8)
        capsule(canvas, edge, edge, 0.16, TEAMS[me])
        return
    alpha = 0.45 if state == DODGE else 1.0
    colour, dark = TEAMS[me], DARK[me]
    lean = _lean(state, side, float(real[VX]))
    hip, neck = (x - 0.05 * side, y + 0.12), (x + lean, y - 0.2)
    for foot, knee in _legs(state, x, y, side, int(match.numbers[FRAME]), float(real[VY])):
        capsule(canvas, hip, knee, 0.1, dark, alpha)
        capsule(canvas, knee, foot, 0.09, dark, alpha)
    hand = _hand(match, moves, me)
    capsule(canvas, (neck[0] - 0.1 * side, neck[1] + 0.05), _back_hand(state, x, y, side), 0.075, dark, alpha)
    capsule(canvas, hip, neck, 0.24, (20, 22, 34), 0.5 * alpha)
    capsule(canvas, hip, neck, 0.21, colour, alpha)
    head = (neck[0] + 0.06 * side + lean * 0.3, neck[1] - 0.22)
    capsule(canvas, head, head, 0.23, (20, 22, 34), 0.5 * alpha)
    capsule(canvas, head, head, 0.2, colour, alpha)
    capsule(
        canvas, (head[0] - 0.16 * side, head[1] - 0.07), (head[0] + 0.15 * side, head[1] - 0.09), 0.05, PAPER, alpha
    )
    knot = head[0] - 0.34 * side, head[1] - 0.02 + 0.03 * math.sin(match.numbers[FRAME] * 0.5)
    capsule(canvas, (head[0] - 0.18 * side, head[1] - 0.07), knot, 0.035, PAPER, alpha)
    eye = head[0] + 0.1 * side, head[1] + 0.04
    capsule(canvas, eye, eye, 0.035, (20, 22, 34), alpha)
    if whole[WEAPON]:
        reach = hand[0] - x, hand[1] - y
        long = math.hypot(*reach) or 1.0
        way = (reach[0] / long, reach[1] / long) if state == ATTACK else (0.45 * side, -0.89)
        _weapon(canvas, int(whole[WEAPON]), hand, way, alpha)
    capsule(canvas, (neck[0] + 0.06 * side, neck[1] + 0.06), hand, 0.08, dark, alpha)
    capsule(canvas, hand, hand, 0.1, colour, alpha)
    if state == STUN:
        for i in range(3):
            angle = match.numbers[FRAME] * 0.3 + i * 2.1
            star = head[0] + 0.32 * math.cos(angle), head[1] - 0.3 + 0.1 * math.sin(angle)
            capsule(canvas, star, star, 0.055, (255, 236, 120))
    if state in (DASH, SPRINT, BACKDASH):
        for i in range(3):
            back = x - 0.5 * math.copysign(1, float(real[VX])), y - 0.2 + i * 0.22
            capsule(canvas, back, (back[0] - 0.4 * math.copysign(1, float(real[VX])), back[1]), 0.025, PAPER, 0.5)


def _lean(state: int, side: int, speed: float) -> float:
    """How far the head is ahead of the body."""
    if state in (DASH, SPRINT):
        return 0.18 * side
    if state == STUN:
        return -0.2 * side
    return 0.05 * side if state in (WALK, ATTACK) else 0.012 * speed


def _legs(state: int, x: float, y: float, side: int, step: int, fall: float) -> list[tuple[Point, Point]]:
    """Foot and knee of both legs."""
    ground = y + 0.4
    if state in (WALK, SPRINT, DASH, BACKDASH):
        swing = math.sin(step * (0.55 if state == WALK else 0.8))
        return [
            (
                (x + sign * 0.3 * swing, ground - 0.12 * max(0.0, -sign * swing * side)),
                (x + sign * 0.17 * swing, y + 0.26),
            )
            for sign in (1, -1)
        ]
    if state in (IN_AIR, STUN) or (state == ATTACK and abs(fall) > 2):
        tuck = 0.1 if fall < 0 else 0.0
        return [
            ((x + 0.12 * side, ground - 0.06 - tuck), (x + 0.2 * side, y + 0.2)),
            ((x - 0.28 * side, ground - tuck), (x - 0.1 * side, y + 0.28)),
        ]
    return [((x + sign * 0.2, ground), (x + sign * 0.15, y + 0.26)) for sign in (1, -1)]


def _hand(match: Match, moves: Moves, me: int) -> Point:
    """Where the leading hand is: at what hits, raised for a taunt, else at the side."""
    real, whole = match.real[me], match.whole[me]
    x, y, side, state = float(real[X]), float(real[Y]), int(whole[FACING]), int(whole[STATE])
    if state == TAUNT:
        return x + 0.2 * side, y - 0.85
    if state != ATTACK:
        return x + 0.34 * side, y + 0.08
    cast = int(whole[CAST])
    first, last = (int(moves.casts[cast, column]) for column in (m.FIRST_BOX, m.LAST_BOX))
    if first == last:
        return x - 0.3 * side, y - 0.05
    ahead, down = (float(number) for number in moves.boxes[first:last, :2].mean(0))
    long = math.hypot(ahead, down) or 1.0
    reach = min(long, 0.75)
    return x + ahead / long * reach * side, y + down / long * reach


def _back_hand(state: int, x: float, y: float, side: int) -> Point:
    if state == TAUNT:
        return x - 0.3 * side, y - 0.8
    return (x - 0.36 * side, y - 0.2) if state in (IN_AIR, STUN) else (x - 0.3 * side, y + 0.1)


def _weapon(canvas: Canvas, kind: int, at: Point, way: Point, alpha: float = 1.0) -> None:
    """A weapon held at a place, pointing a way (a unit vector)."""

    def along(distance: float) -> Point:
        return at[0] + way[0] * distance, at[1] + way[1] * distance

    if kind == SPEAR:
        capsule(canvas, along(-0.45), along(0.75), 0.04, WOOD, alpha)
        capsule(canvas, along(0.72), along(1.0), 0.065, STEEL, alpha)
        capsule(canvas, along(1.0), along(1.08), 0.03, STEEL, alpha)
    elif kind == HAMMER:
        capsule(canvas, along(-0.25), along(0.6), 0.05, WOOD, alpha)
        across = -way[1], way[0]
        end = along(0.66)
        ends = [(end[0] + across[0] * d, end[1] + across[1] * d) for d in (-0.2, 0.2)]
        capsule(canvas, ends[0], ends[1], 0.15, (90, 98, 114), alpha)
        capsule(canvas, ends[0], ends[1], 0.11, STEEL, alpha)


def _hitboxes(canvas: Canvas, match: Match, moves: Moves, me: int) -> None:
    """The capsules that hit in this frame, which has been counted already."""
    real, whole = match.real[me], match.whole[me]
    cast, step = int(whole[CAST]), int(whole[CAST_FRAME]) - 1
    if whole[STATE] != ATTACK or not moves.casts[cast, m.STARTUP] <= step < moves.casts[cast, m.ACTIVE_END]:
        return
    for ahead, down, width, height in moves.boxes[moves.casts[cast, m.FIRST_BOX] : moves.casts[cast, m.LAST_BOX]]:
        x, y = float(real[X] + ahead * whole[FACING]), float(real[Y] + down)
        radius = min(width, height) / 2
        dx, dy = max(0.0, width / 2 - radius), max(0.0, height / 2 - radius)
        capsule(canvas, (x - dx, y - dy), (x + dx, y + dy), radius, HIT, 0.34)
        capsule(canvas, (x - dx, y - dy), (x + dx, y + dy), radius * 0.72, (255, 190, 120), 0.3)


def _inside(at: Point) -> Point:
    """The nearest place within the picture."""
    return min(max(at[0], LEFT + 0.3), RIGHT - 0.3), min(max(at[1], TOP + 0.3), BOTTOM - 0.3)


def _burst(canvas: Canvas, at: Point, age: float, colour: Colour) -> None:
    """Rays from where a fighter left the stage."""
    x, y = _inside(at)
    if age < 0.5:
        for i in range(12):
            angle, far = i * math.pi / 6, 0.6 + 5 * age
            way = math.cos(angle), math.sin(angle)
            start, end = (x + way[0] * far, y + way[1] * far), (x + way[0] * far * 1.5, y + way[1] * far * 1.5)
            capsule(canvas, start, end, 0.07, colour, 1 - 2 * age)
        ring(canvas, (x, y), 0.3 + 4 * age, 0.12, PAPER, 1 - 2 * age)


# -- how it stands -----------------------------------------------------------------------------------------------------
_PANEL_WIDTH, _PANEL_HEIGHT = 262, 82  # pixels


def _panel_at(me: int) -> tuple[int, int]:
    return (16 if me == 0 else WIDTH - 16 - _PANEL_WIDTH), 14


def _panel_ground(canvas: Canvas, me: int) -> None:
    x, y = _panel_at(me)
    corner = LEFT + x / SCALE, TOP + y / SCALE
    box(canvas, corner, (_PANEL_WIDTH / SCALE, _PANEL_HEIGHT / SCALE), PANEL, 0.2, 0.72)
    box(canvas, corner, (6 / SCALE, _PANEL_HEIGHT / SCALE), TEAMS[me], 0.06)


def _panel_text(image: np.ndarray, match: Match, moves: Moves, me: int, name: str) -> None:
    """Name, damage, stocks, weapon and state."""
    x, y = _panel_at(me)
    whole, damage = match.whole[me], float(match.real[me, DAMAGE])
    draw.text(image, name, x + 16, y + 9, TEAMS[me], 2)
    heat = min(1.0, damage / 200)
    warm = (255, int(246 - 170 * heat), int(236 - 190 * heat))
    draw.text(image, f"{damage:.0f}", x + 16, y + 34, warm, 5)
    right = x + _PANEL_WIDTH - 16
    for i in range(STOCKS):
        full = i < whole[STOCKS_LEFT]
        draw.rectangle(image, right - 18 * (STOCKS - i) + 4, y + 9, 14, 14, TEAMS[me] if full else (60, 64, 80))
    weapon = WEAPONS[int(whole[WEAPON])]
    draw.text(image, weapon, right - draw.text_size(weapon, 2)[0], y + 35, PAPER, 2)
    doing = STATES[int(whole[STATE])]
    if whole[STATE] == ATTACK:
        doing = m.NAMES[int(whole[MOVE]) % len(m.NAMES)]
    draw.text(image, doing, right - draw.text_size(doing, 2)[0], y + 57, FAINT, 2)
