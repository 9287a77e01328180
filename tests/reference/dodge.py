"""Slow twin of dodge: one game, one agent, plain Python, from the rules.

`Dodge` plays and observes it. Its arithmetic is float64 in the order of the rules, so that the kernels can be compared
with it bit for bit.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

Action = int | Sequence[float]
Body = list[float]  # x, y, z (up), vx, vy, vz
Controls = tuple[float, float, float, float]  # vx, vy, sprint, jump
Colour = tuple[int, int, int]
Pixels = Iterable[tuple[int, int]]  # row, column

DT = 1 / 60
ZONE_X, ZONE_Y = 5.0, 4.0
SPEED, JUMP_SPEED, PLAYER_GRAVITY = 5, 7.0, 20
BALL_GRAVITY, BALL_RADIUS = 9.8, 0.3
MOST_BALLS, SEEN_BALLS = 12, 10
HIT_DISTANCE, NEAR_DISTANCE = 0.8, 2
WAIT = 30  # steps a thrower stands there before it throws

INTERVALS = {1: 120, 2: 30, 3: 30}  # steps from ball to ball, by level
FLIGHT_TIMES = {1: 2.0, 2: 0.8, 3: 0.8}  # seconds

WEIGHTS = (1.0, 0.5, -100.0)  # of the terms alive, dodge, hit

# Where a row of each kind has its numbers; pitch and roll do nothing, but count as out of range like the others.
COLUMNS: dict[str, tuple[str, ...]] = {
    "basic_3d": ("vx", "vy", "sprint"),
    "basic_4d_jump": ("vx", "vy", "sprint", "jump"),
    "tilt_5d": ("vx", "vy", "pitch", "roll", "sprint"),
    "full_6d": ("vx", "vy", "jump", "pitch", "roll", "sprint"),
}
DIRECTIONS = ((0.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-1.0, 0.0), (1.0, 0.0))  # of discrete actions 0..4
STAND: Controls = (0.0, 0.0, -1.0, 0.0)

HALF_WINDOW, WINDOW = 12, 24  # the part of the world that an image shows
BACKGROUND, OUTLINE, THROWER = (30, 30, 40), (200, 200, 50), (255, 140, 0)
BALL, PLAYER = (255, 50, 50), (50, 150, 255)


def read_action(kind: str, action: Action) -> Controls:
    """The controls of an action; one that is out of range does nothing at all."""
    if isinstance(action, int | np.integer):
        return (*DIRECTIONS[action], -1.0, 0.0) if 0 <= action < len(DIRECTIONS) else STAND
    row = [float(number) for number in action]
    if not all(-1 <= number <= 1 for number in row):
        return STAND
    named = dict(zip(COLUMNS[kind], row, strict=True))
    return named["vx"], named["vy"], named["sprint"], named.get("jump", 0.0)


# Motion


def clamp(value: float, limit: float) -> float:
    """The value, kept within ± limit."""
    return max(-limit, min(limit, value))


def move_player(player: Body, controls: Controls, sprint_multiplier: float) -> Body:
    """The player one step later; the velocity is the one wanted, even where the zone's edge stops it."""
    x, y, z, _, _, vz = player
    ax, ay, sprint, jump = controls
    speed = SPEED * (1 + (sprint + 1) / 2 * sprint_multiplier)
    vx, vy = ax * speed, ay * speed
    x, y = clamp(x + vx * DT, ZONE_X), clamp(y + vy * DT, ZONE_Y)
    if z > 1:
        vz = vz - PLAYER_GRAVITY * DT
    elif jump > 0.5:
        vz = JUMP_SPEED
    z = z + vz * DT
    if z <= 1:
        z, vz = 1.0, 0.0
    return [x, y, z, vx, vy, vz]


def move_ball(ball: Body) -> Body:
    """The ball one step later, bounced if it came to the ground."""
    x, y, z, vx, vy, vz = ball
    vz = vz - BALL_GRAVITY * DT
    x, y, z = x + vx * DT, y + vy * DT, z + vz * DT
    if z <= BALL_RADIUS and vz < 0:
        z, vz, vx, vy = BALL_RADIUS, -0.7 * vz, 0.95 * vx, 0.95 * vy
    return [x, y, z, vx, vy, vz]


def is_gone(ball: Body) -> bool:
    """Whether a ball is so far away that it is removed."""
    x, y, z = ball[:3]
    return z < -5 or y < -25 or y > 30 or abs(x) > 30


def distance(a: Body, b: Body) -> float:
    """From centre to centre."""
    dx, dy, dz = (p - q for p, q in zip(a[:3], b[:3], strict=True))
    return math.sqrt((dx * dx + dy * dy) + dz * dz)


# The picture


def gray_of(colour: Colour) -> int:
    """The one channel of a colour in a gray image."""
    red, green, blue = colour
    return math.floor(0.299 * red + 0.587 * green + 0.114 * blue + 0.5)


def pixel_of(x: float, y: float, n: int) -> tuple[int, int]:
    """Row and column of a point within the window; +y is at the top."""
    row, column = int((HALF_WINDOW - y) / WINDOW * n), int((x + HALF_WINDOW) / WINDOW * n)
    return min(row, n - 1), min(column, n - 1)  # rounding may give n itself


def outline_pixels(n: int) -> Pixels:
    """The edge of the zone, a point every 0.1."""
    for i in range(101):
        yield from (pixel_of(-ZONE_X + i / 10, y, n) for y in (-ZONE_Y, ZONE_Y))
    for i in range(81):
        yield from (pixel_of(x, -ZONE_Y + i / 10, n) for x in (-ZONE_X, ZONE_X))


def disc_pixels(body: Body, radius: float, n: int) -> Pixels:
    """A filled disc, cut off at the image's edge; nothing of a body whose centre is outside the window."""
    x, y = body[:2]
    if not (abs(x) < HALF_WINDOW and abs(y) < HALF_WINDOW):
        return
    row, column = pixel_of(x, y, n)
    reach = int(radius * n / WINDOW)
    for di, dj in itertools.product(range(-reach, reach + 1), repeat=2):
        if di * di + dj * dj <= reach * reach and 0 <= row + di < n and 0 <= column + dj < n:
            yield row + di, column + dj


# The game


class Dodge:
    """A player in its zone and the balls that are thrown at it: `reset`, then `step` until the episode ends."""

    player: Body
    balls: list[Body]  # oldest first
    thrower: Body | None  # where its ball will start, and how fast
    countdown: int  # steps to the next ball
    steps: int
    thrown: int  # balls of this episode
    left: int  # of these, removed because they were far away
    nearest: float  # smallest distance of a ball in this episode

    def __init__(
        self,
        *,
        level: int = 2,
        actions: str = "basic_3d",  # a key of COLUMNS, or discrete
        with_thrower: bool = False,
        spawn_angle_degrees: float = 30.0,
        sprint_multiplier: float = 2.0,
        frame_skip: int = 1,
        max_steps: int = 1000,
        observation: str = "vector",  # or image
        image_size: int = 84,
        colour: str = "gray",  # or rgb
    ) -> None:
        self.level, self.actions, self.with_thrower = level, actions, with_thrower
        self.spawn_angle_degrees = 180.0 if level == 3 else spawn_angle_degrees
        self.sprint_multiplier, self.frame_skip, self.max_steps = sprint_multiplier, frame_skip, max_steps
        self.observation_kind, self.image_size, self.colour = observation, image_size, colour

    def reset(self, uniform: Callable[[], float]) -> None:
        """Begin a new episode; this one draws its luck, numbers in [0, 1), from `uniform`."""
        self.uniform = uniform
        self.player = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        self.balls, self.thrower = [], None
        self.steps = self.thrown = self.left = 0
        self.nearest = math.inf
        self.countdown = 1 + math.floor(uniform() * INTERVALS[self.level])
        if self.with_thrower and self.countdown <= WAIT:
            self.thrower = self.aim()

    def step(self, action: Action) -> tuple[tuple[float, float, float], bool, bool]:
        """Play a decision; its unweighted terms (alive, dodge, hit), whether it is terminal, whether truncated."""
        controls = read_action(self.actions, action)
        alive = dodge = hit = 0.0
        for _ in range(self.frame_skip):
            frame, terminal, truncated = self._frame(controls)
            alive, dodge, hit = alive + frame[0], dodge + frame[1], hit + frame[2]
            if terminal or truncated:
                break
        return (alive, dodge, hit), terminal, truncated

    def _frame(self, controls: Controls) -> tuple[tuple[float, float, float], bool, bool]:
        """Play one step of the clock."""
        self.player = move_player(self.player, controls, self.sprint_multiplier)
        self._move_balls()
        self._count_down()
        self.steps += 1
        nearest = min((distance(self.player, ball) for ball in self.balls), default=math.inf)
        self.nearest = min(self.nearest, nearest)
        if nearest < HIT_DISTANCE:
            return (0.0, 0.0, 1.0), True, False
        dodge = NEAR_DISTANCE - nearest if nearest < NEAR_DISTANCE else 0.0
        return (1.0, dodge, 0.0), False, self.steps >= self.max_steps

    def _move_balls(self) -> None:
        """Let the balls fly on, and remove those far away."""
        moved = [move_ball(ball) for ball in self.balls]
        self.balls = [ball for ball in moved if not is_gone(ball)]
        self.left += len(moved) - len(self.balls)

    def _count_down(self) -> None:
        """Throw a ball when it is time, and let the next thrower come when it is time for that."""
        self.countdown -= 1
        if self.countdown == 0:
            self._throw()
            self.countdown = INTERVALS[self.level]
        if self.with_thrower and self.countdown == WAIT:
            self.thrower = self.aim()

    def _throw(self) -> None:
        """Add a ball, the thrower's if there is one, who leaves."""
        ball = self.aim() if self.thrower is None else self.thrower
        self.balls = [*self.balls, ball][-MOST_BALLS:]
        self.thrown += 1
        self.thrower = None

    def aim(self) -> Body:
        """A place to throw from and the velocity that leads from there to where the player is now."""
        if self.level == 1:
            x, y, z = -1.5 + 3.0 * self.uniform(), 20.0, 2.5
        else:
            angle = (2 * self.uniform() - 1) * math.radians(self.spawn_angle_degrees)
            x, y, z = 20 * math.sin(angle), 20 * math.cos(angle), 1.5
        t = FLIGHT_TIMES[self.level]
        target_x, target_y = self.player[:2]
        return [x, y, z, (target_x - x) / t, (target_y - y) / t, ((1.0 - z) + 4.9 * t * t) / t]

    # What is seen

    def observation(self) -> np.ndarray:
        """What the agent sees now."""
        return self.image() if self.observation_kind == "image" else self.vector()

    def vector(self) -> np.ndarray:
        """f32 [65], with a thrower [69]: the player, the oldest balls, the thrower."""
        seen = self.balls[:SEEN_BALLS]
        numbers = self.player[:5] + [number for ball in seen for number in ball]
        numbers += [0.0] * 6 * (SEEN_BALLS - len(seen))
        if self.with_thrower:
            numbers += [0.0] * 4 if self.thrower is None else [*self.thrower[:3], 1 - self.countdown / WAIT]
        return np.array(numbers, np.float32)

    def image(self) -> np.ndarray:
        """u8 [1 or 3, n, n]: the zone and who is there, what is drawn later on top."""
        n, gray = self.image_size, self.colour == "gray"
        everywhere = ((row, column) for row in range(n) for column in range(n))
        layers: list[tuple[Pixels, Colour]] = [(everywhere, BACKGROUND), (outline_pixels(n), OUTLINE)]
        if self.thrower is not None:
            layers.append((disc_pixels(self.thrower, 0.2, n), THROWER))
        layers += [(disc_pixels(ball, 0.3, n), BALL) for ball in self.balls]
        layers.append((disc_pixels(self.player, 0.5, n), PLAYER))
        image = np.zeros((1 if gray else 3, n, n), np.uint8)
        for pixels, colour in layers:
            for row, column in pixels:
                image[:, row, column] = gray_of(colour) if gray else colour
        return image
