"""Smooth shapes on a float image, in the units of the game: what pictures are drawn with."""

from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Canvas(NamedTuple):
    """An image and where it lies in the game."""

    image: np.ndarray  # float32 [H, W, 3], 0 to 255
    scale: float  # pixels a unit
    left: float  # x of the left edge
    top: float  # y of the upper edge

    def pixel(self, at: Point) -> Point:
        """Column and row of a place."""
        return (at[0] - self.left) * self.scale, (at[1] - self.top) * self.scale


def capsule(canvas: Canvas, start: Point, end: Point, radius: float, colour: Colour, alpha: float = 1.0) -> None:
    """A thick line with round ends; a disc where both are one."""
    (ax, ay), (bx, by), reach = canvas.pixel(start), canvas.pixel(end), radius * canvas.scale
    corners = (min(ax, bx) - reach, min(ay, by) - reach, max(ax, bx) + reach, max(ay, by) + reach)
    window = _window(canvas, *corners)
    if window is None:
        return
    part, columns, rows = window
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    along = np.clip(((columns - ax) * dx + (rows - ay) * dy) / length, 0, 1) if length > 0 else 0.0
    distance = np.hypot(columns - ax - along * dx, rows - ay - along * dy)
    _blend(part, np.clip(reach - distance + 0.5, 0, 1) * alpha, colour)


def box(canvas: Canvas, corner: Point, size: Point, colour: Colour, rounding: float = 0.0, alpha: float = 1.0) -> None:
    """A rectangle with round corners, by its upper left one."""
    (x, y), width, height = canvas.pixel(corner), size[0] * canvas.scale, size[1] * canvas.scale
    window = _window(canvas, x, y, x + width, y + height)
    if window is None:
        return
    part, columns, rows = window
    radius = rounding * canvas.scale
    across = np.abs(columns - x - width / 2) - width / 2 + radius
    down = np.abs(rows - y - height / 2) - height / 2 + radius
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0)) + np.minimum(np.maximum(across, down), 0) - radius
    _blend(part, np.clip(0.5 - outside, 0, 1) * alpha, colour)


def ring(canvas: Canvas, at: Point, radius: float, width: float, colour: Colour, alpha: float = 1.0) -> None:
    """A circle's line."""
    (x, y), reach, half = canvas.pixel(at), radius * canvas.scale, width * canvas.scale / 2
    window = _window(canvas, x - reach - half, y - reach - half, x + reach + half, y + reach + half)
    if window is None:
        return
    part, columns, rows = window
    _blend(part, np.clip(half - np.abs(np.hypot(columns - x, rows - y) - reach) + 0.5, 0, 1) * alpha, colour)


def _window(
    canvas: Canvas, left: float, top: float, right: float, bottom: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The part of the image around some pixels, and its columns [1, w] and rows [h, 1]; None: it lies outside."""
    height, width = canvas.image.shape[:2]
    first, last = max(0, int(left) - 1), min(width, int(right) + 3)
    above, below = max(0, int(top) - 1), min(height, int(bottom) + 3)
    if first >= last or above >= below:
        return None
    part = canvas.image[above:below, first:last]
    return part, np.arange(first, last)[None, :] + 0.5, np.arange(above, below)[:, None] + 0.5


def _blend(part: np.ndarray, cover: np.ndarray, colour: Colour) -> None:
    part += cover[..., None].astype(np.float32) * (np.array(colour, np.float32) - part)
