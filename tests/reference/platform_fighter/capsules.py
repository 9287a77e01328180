"""Capsules that hit or are hit, with the overlap test of the original: circles exact, rectangles of whole numbers."""

import math
from dataclasses import dataclass

PIXEL = 2 * 1.024 / 320  # world units of a pixel of the move data

Point = tuple[float, float]
Rectangle = tuple[int, int, int, int]  # left, top, width, height


@dataclass
class Capsule:
    """A box of some width and height around (x, y) with its short ends rounded; a circle when they are equal."""

    x: float
    y: float
    width: float
    height: float

    @property
    def radius(self) -> float:
        """Of the ends."""
        return min(self.width, self.height) / 2

    def circles(self) -> list[Point]:
        """Centres of the ends, one for a circle."""
        if self.width == self.height:
            return [(self.x, self.y)]
        if self.width < self.height:
            reach = self.height / 2 - self.radius
            return [(self.x, self.y - reach), (self.x, self.y + reach)]
        reach = self.width / 2 - self.radius
        return [(self.x - reach, self.y), (self.x + reach, self.y)]

    def rectangle(self) -> Rectangle | None:
        """What lies between the ends, each number cut to a whole one; a circle has none."""
        if self.width == self.height:
            return None
        if self.width < self.height:
            reach = self.height / 2 - self.radius
            exact = self.x - self.width / 2, self.y - reach, self.width, self.height - 2 * self.radius
        else:
            reach = self.width / 2 - self.radius
            exact = self.x - reach, self.y - self.height / 2, self.width - 2 * self.radius, self.height
        left, top, width, height = map(int, exact)
        return left, top, width, height

    def hits(self, other: "Capsule") -> bool:
        """Whether the two overlap."""
        for centre in self.circles():
            if any(math.dist(centre, theirs) < self.radius + other.radius for theirs in other.circles()):
                return True
        mine, theirs = self.rectangle(), other.rectangle()
        if mine and theirs and rectangles_overlap(mine, theirs):
            return True
        return any(circle_hits(centre, self.radius, theirs) for centre in self.circles()) or any(
            circle_hits(centre, other.radius, mine) for centre in other.circles()
        )


def rectangles_overlap(a: Rectangle, b: Rectangle) -> bool:
    """Whether two rectangles share more than an edge; one without width or height overlaps nothing."""
    if not (a[2] and a[3] and b[2] and b[3]):
        return False
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def circle_hits(centre: Point, radius: float, rectangle: Rectangle | None) -> bool:
    """Whether a circle reaches a rectangle; one without width or height is a line or a point here."""
    if rectangle is None:
        return False
    left, top, width, height = rectangle
    nearest = max(left, min(centre[0], left + width)), max(top, min(centre[1], top + height))
    return math.dist(centre, nearest) < radius
