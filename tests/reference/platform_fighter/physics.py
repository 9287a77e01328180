"""Boxes that never turn, and the contact solver of Chipmunk for them.

Units: world units (y down), seconds. An obstacle is the ground or the platform, a body falls and is pushed out of it;
bodies do not see one another. All corner contacts of two such boxes are equally deep, and the first one takes the whole
impulse, so a pair of boxes needs one contact only.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

DT = 1 / 30
GRAVITY = 17.808
SLOP = 0.1  # depth that is left alone
BIAS = 1 - (0.9**60) ** DT  # share of the depth beyond it that is undone in a step
ITERATIONS = 10
PERSISTENCE = 3  # steps without contact after which its impulses are forgotten

Vector = tuple[float, float]

# The way out of an obstacle through each of its faces.
OUTWARD: dict[str, Vector] = {"top": (0.0, -1.0), "bottom": (0.0, 1.0), "left": (-1.0, 0.0), "right": (1.0, 0.0)}


@dataclass
class Box:
    """A box of some width and height around (x, y); an obstacle as it is, moving with its velocity."""

    x: float
    y: float
    width: float
    height: float
    friction: float
    vx: float = 0.0
    vy: float = 0.0

    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (
            self.x - self.width / 2,
            self.y - self.height / 2,
            self.x + self.width / 2,
            self.y + self.height / 2,
        )

    def depths(self, other: "Box") -> dict[str, float]:
        """How far this box would have to move to leave the other one, through each face of the other."""
        left, top, right, bottom = self.edges()
        other_left, other_top, other_right, other_bottom = other.edges()
        return {
            "top": bottom - other_top,
            "bottom": other_bottom - top,
            "left": right - other_left,
            "right": other_right - left,
        }

    def touches(self, other: "Box") -> bool:
        """Whether the boxes overlap, or touch: at a common edge Chipmunk's rounding decides, mostly in favour."""
        return min(self.depths(other).values()) >= 0


@dataclass
class Body(Box):
    """A box that falls."""

    falls: bool = True  # whether gravity pulls
    bias: Vector = (0.0, 0.0)  # velocity of the next step only: the way out of what it is too deep in

    def integrate_position(self) -> None:
        """Move by the velocity, and forget the bias."""
        self.x += (self.vx + self.bias[0]) * DT
        self.y += (self.vy + self.bias[1]) * DT
        self.bias = (0.0, 0.0)


class Ground(Box):
    """A floor: from its origin 5 units wide, its top .15 above and its bottom 4 below."""

    def __init__(self, x: float, y: float) -> None:
        self.origin_y = y
        top, bottom = y - 0.15, y + 4.0
        super().__init__(x, (top + bottom) / 2, 5.0, bottom - top, friction=0.7)
        self._edges = (x - 2.5, top, x + 2.5, bottom)

    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom: as they were given, not with the rounding of a centre."""
        return self._edges


class Platform(Box):
    """The platform that shuttles between two points; fast half-way, slow at the ends."""

    ENDS = ((1.0, 0.0), (-1.0, 2.0))

    def __init__(self) -> None:
        super().__init__(0.0, 1.0, 2.0, 0.2, friction=0.9)
        self.target = 1  # index of the end it goes to

    def steer(self) -> None:
        """Choose the velocity of the next step; at an end stand still for a step and turn round."""
        (start_x, start_y), (end_x, end_y) = self.ENDS
        dx, dy = self.ENDS[self.target][0] - self.x, self.ENDS[self.target][1] - self.y
        distance = (dx * dx + dy * dy) ** 0.5
        if distance < 0.1:
            self.vx = self.vy = 0.0
            self.target = 1 - self.target
            return
        along = (end_x - start_x, end_y - start_y)
        progress = (self.x - start_x) * along[0] + (self.y - start_y) * along[1]
        progress = min(max(progress / (along[0] ** 2 + along[1] ** 2), 0.0), 1.0)
        speed = math.sin(progress * math.pi) + 0.03
        self.vx, self.vy = dx / distance * speed, dy / distance * speed


@dataclass
class Contact:
    """What a body and an obstacle do to each other, remembered from step to step. Impulses per unit of mass."""

    body: Body
    obstacle: Box
    face: str = ""
    depth: float = 0.0
    stamp: int = 0  # the last step in which they touched
    fresh: bool = True  # whether they did not touch in the step before: old impulses are not applied then
    along_normal: float = 0.0
    along_tangent: float = 0.0
    of_bias: float = 0.0

    def renew(self, stamp: int) -> None:
        """Find face and depth; the impulses stay while it is the same face."""
        depths = self.body.depths(self.obstacle)
        face = min(depths, key=depths.__getitem__)
        if face != self.face:
            self.along_normal = self.along_tangent = 0.0
        self.fresh = stamp > self.stamp + 1
        self.face, self.depth, self.stamp, self.of_bias = face, depths[face], stamp, 0.0

    def push(self, normal: float, tangent: float) -> None:
        """Add to the body's velocity along the way out and across it."""
        nx, ny = OUTWARD[self.face]
        self.body.vx += nx * normal - ny * tangent
        self.body.vy += ny * normal + nx * tangent

    def apply_old_impulses(self) -> None:
        """Start from the impulses of the step before."""
        if not self.fresh:
            self.push(self.along_normal, self.along_tangent)

    def solve(self) -> None:
        """One round of impulses: out of the obstacle, not into it, and friction."""
        nx, ny = OUTWARD[self.face]
        body, friction = self.body, self.body.friction * self.obstacle.friction
        vx, vy = body.vx - self.obstacle.vx, body.vy - self.obstacle.vy

        wanted = BIAS * max(0.0, self.depth - SLOP) / DT
        old = self.of_bias
        self.of_bias = max(old + wanted - (body.bias[0] * nx + body.bias[1] * ny), 0.0)
        body.bias = (body.bias[0] + nx * (self.of_bias - old), body.bias[1] + ny * (self.of_bias - old))

        normal, tangent = self.along_normal, self.along_tangent
        self.along_normal = max(normal - (vx * nx + vy * ny), 0.0)
        most = friction * self.along_normal
        self.along_tangent = min(max(tangent - (vy * nx - vx * ny), -most), most)
        self.push(self.along_normal - normal, self.along_tangent - tangent)


@dataclass
class World:
    """Everything solid; `step` moves it by 1/30 s."""

    ground_1: Ground = field(default_factory=lambda: Ground(4.5, 1.0))
    ground_2: Ground = field(default_factory=lambda: Ground(-4.5, 3.0))
    platform: Platform = field(default_factory=Platform)
    bodies: list[Body] = field(default_factory=list)
    stamp: int = 0
    contacts: dict[tuple[int, int], Contact] = field(default_factory=dict)  # by id of body, number of obstacle

    @property
    def obstacles(self) -> tuple[Box, ...]:
        """The grounds and the platform, in the order in which they push.

        Chipmunk's own order changes with its search tree. It matters only to who is squeezed between two of them.
        """
        return self.ground_1, self.ground_2, self.platform

    def remove(self, body: Body) -> None:
        """Take a body out, with its contacts."""
        self.bodies = [other for other in self.bodies if other is not body]
        self.contacts = {key: contact for key, contact in self.contacts.items() if contact.body is not body}

    def step(self) -> None:
        """Positions first, then contacts, then velocities and impulses."""
        self.stamp += 1
        self.platform.x += self.platform.vx * DT
        self.platform.y += self.platform.vy * DT
        for body in self.bodies:
            body.integrate_position()
        touching = list(self.touching())
        for key, contact in list(self.contacts.items()):
            if self.stamp - contact.stamp >= PERSISTENCE:
                del self.contacts[key]
        for body in self.bodies:
            body.vy += GRAVITY * DT if body.falls else 0.0
        for contact in touching:
            contact.apply_old_impulses()
        for _ in range(ITERATIONS):
            for contact in touching:
                contact.solve()

    def touching(self) -> Iterable[Contact]:
        """The contacts of this step, old ones renewed."""
        for body in self.bodies:
            for number, obstacle in enumerate(self.obstacles):
                if body.touches(obstacle):
                    key = id(body), number
                    if key not in self.contacts:
                        self.contacts[key] = Contact(body, obstacle, stamp=-PERSISTENCE)
                    self.contacts[key].renew(self.stamp)
                    yield self.contacts[key]
