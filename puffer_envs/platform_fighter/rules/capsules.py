"""Capsules against capsules, as the original does it: round ends exactly, what lies between them by integers.

Its rectangle between the two ends has integer corner and size, both cut toward zero. One without width or height
meets no other one, but a circle can still reach its corner. The capsule in which a fighter can be hit is less than one
unit wide, so its rectangle is always such a corner.
"""

from puffer_envs.kit.jit import inlined_kernel, kernel
from puffer_envs.platform_fighter.config import HURT_HEIGHT, HURT_WIDTH

_RADIUS = HURT_WIDTH / 2
_REACH = HURT_HEIGHT / 2 - _RADIUS  # from the middle to the centres of its round ends


@inlined_kernel
def _within(ax: float, ay: float, bx: float, by: float, distance: float) -> bool:
    return (ax - bx) * (ax - bx) + (ay - by) * (ay - by) < distance * distance


@inlined_kernel
def _reaches(x: float, y: float, radius: float, left: int, top: int, width: int, height: int) -> bool:
    """Whether a circle reaches an integer rectangle."""
    nearest_x = max(float(left), min(x, float(left + width)))
    nearest_y = max(float(top), min(y, float(top + height)))
    return _within(x, y, nearest_x, nearest_y, radius)


@kernel
def hurts(hurt_x: float, hurt_y: float, x: float, y: float, width: float, height: float) -> bool:
    """Whether a fighter whose capsule lies around (hurt_x, hurt_y) touches a capsule around (x, y)."""
    dx, dy = abs(x - hurt_x), abs(y - hurt_y)
    if dx > 3 + width or dy > 3 + height:  # too far even for integers
        return False
    radius = min(width, height) / 2
    reach_x, reach_y = max(0.0, width / 2 - radius), max(0.0, height / 2 - radius)
    both = _RADIUS + radius
    for i in range(2):
        end_x, end_y = (x - reach_x, y - reach_y) if i == 0 else (x + reach_x, y + reach_y)
        if _within(hurt_x, hurt_y - _REACH, end_x, end_y, both) or _within(hurt_x, hurt_y + _REACH, end_x, end_y, both):
            return True
        if _within(end_x, end_y, float(int(hurt_x - _RADIUS)), float(int(hurt_y - _REACH)), radius):
            return True
    if width == height:
        return False
    if width < height:
        left, top, across, down = int(x - width / 2), int(y - reach_y), int(width), int(height - 2 * radius)
    else:
        left, top, across, down = int(x - reach_x), int(y - height / 2), int(width - 2 * radius), int(height)
    upper = _reaches(hurt_x, hurt_y - _REACH, _RADIUS, left, top, across, down)
    return upper or _reaches(hurt_x, hurt_y + _REACH, _RADIUS, left, top, across, down)
