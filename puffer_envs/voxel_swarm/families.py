"""Families of shapes for a grid of any size: plain functions from a size to a solid and the text that describes it.

A solid is a bool array [X, Y, Z] (y up) as large as the shape itself; `_place` sets it on the middle of the ground.
Sizes are given in eighths of the grid, so that at 8^3 they are the whole numbers, and at 128^3 the same proportions
in finer steps. Every shape is one 6-connected piece on the ground: the tests check each.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.kit.rng import randint, streams

Solids = Iterator[tuple[str, np.ndarray]]  # text and bool [X, Y, Z]

MOST_SIZES = 16  # of a family, in a grid of up to 64
MOST_SIZES_LARGE = 8  # in larger grids, where a single shape may have millions of voxels
HEAP_SEED = 20  # any; fixed, so that a heap of so many blocks is always the same one


# -- families ----------------------------------------------------------------------------------------------------
def _pyramids(grid: int) -> Solids:
    for n in _sizes(grid, 2, 8, least=2):
        solid = _air(n, n, n)
        for y, width in enumerate(range(n, 0, -1)):
            # Each layer is centred in the grid, not on the layer below: the original's figures are of these.
            at = (grid - width) // 2 - (grid - n) // 2
            solid[at : at + width, y, at : at + width] = True
        yield f"pyramid {n}", solid


def _towers(grid: int) -> Solids:
    for height in _sizes(grid, 3, 8, least=2):
        width = max(1, round(height / 4))
        yield f"tower {height}", ~_air(width, height, width)


def _walls(grid: int) -> Solids:
    thick = _thin(grid)
    for i, width in enumerate(_sizes(grid, 3, 8, least=2)):
        height = max(2, (2 + i % 3) * grid // 8)
        if i % 2 == 0:
            yield f"wall {width}x{height}", ~_air(width, height, thick)
        else:
            yield f"wall {width}x{height} along z", ~_air(thick, height, width)


def _cubes(grid: int) -> Solids:
    for side in _sizes(grid, 2, 6, least=2):
        yield f"cube {side}", ~_air(side, side, side)


def _staircases(grid: int) -> Solids:
    tread = max(1, grid // 16)
    for steps in _sizes(grid // tread, 3, 8, least=2):
        solid = _air(steps * tread, steps * tread, max(1, steps * tread // 3))
        for step in range(steps):
            solid[step * tread :, step * tread : (step + 1) * tread] = True
        yield f"staircase of {steps} steps", solid


def _bridges(grid: int) -> Solids:
    thick = _thin(grid)
    for i, length in enumerate(_sizes(grid, 4, 8, least=3)):
        clear = max(1, (2 + i % 2) * grid // 8)
        solid = _air(length, clear + thick, max(1, round(length / 4)))
        solid[:thick] = solid[-thick:] = True
        solid[:, clear:] = True
        yield f"a bridge {length} long and {clear} above the ground", solid


def _arches(grid: int) -> Solids:
    for width in _sizes(grid, 3, 8, least=3):
        profile = np.concatenate([~_air(width, width - (width + 1) // 2, 1), _disc(width)[:, width // 2 :, None]], 1)
        arch = _shell(profile, _thin(grid), through=True)
        yield f"an arch {width} wide", np.repeat(arch, max(1, width // 3), axis=2)


def _heaps(grid: int) -> Solids:
    cells = (grid / 8) ** 3
    counts = np.linspace(max(3, 5 * cells), max(9, 15 * cells), _most_sizes(grid))
    for n in sorted({int(count) for count in counts}):
        solid = _air(grid, max(2, grid // 2), grid)
        _grow(solid, n, streams(HEAP_SEED, n, 1)[0], np.zeros((n, 3), np.int16))
        yield f"heap of {n} blocks", solid


def _houses(grid: int) -> Solids:
    for width in _sizes(grid, 4, 8, least=4):
        yield f"a house {width} wide", _house(width, _thin(grid))


def _house(width: int, thick: int) -> np.ndarray:
    """Hollow, with a gable roof whose ridge runs along z, a door at z=0, windows in the sides, and a chimney."""
    walls, depth = max(2, round(0.45 * width)), max(3, round(0.75 * width))
    solid = _air(width, walls + (width + 1) // 2, depth)
    solid[:, :walls] = True
    for i in range((width + 1) // 2):
        solid[i : width - i, walls + i] = True
    house = _shell(solid, thick)
    door = max(1, width // 5)
    left, head = (width - door) // 2, max(1, round(0.7 * walls) if walls > 2 else 1)
    house[left : left + door, :head, :thick] = False
    if walls > 2:
        pane = max(1, depth // 5)
        for start in range(pane, depth - pane, 2 * pane):
            for side in (slice(0, thick), slice(width - thick, width)):
                house[side, walls // 3 : head, start : start + pane] = False
        chimney = width // 5
        house[chimney : chimney + thick, walls + chimney :, depth - 2 * thick : depth - thick] = True
    return house


def _castles(grid: int) -> Solids:
    for width in _sizes(grid, 5, 8, least=4):
        yield f"a castle {width} wide with four towers", _castle(width, _thin(grid))


def _castle(width: int, thick: int) -> np.ndarray:
    wall, tower = max(2, round(0.4 * width)), max(1, width // 4)
    solid = _air(width, wall + max(1, round(0.3 * width)), width)
    solid[:, :wall] = True
    solid[thick : width - thick, :, thick : width - thick] = False
    tooth = max(1, thick)
    for start in range(tower + tooth, width - tower, 2 * tooth):
        stop = min(start + tooth, width - tower)
        for side in (slice(0, thick), slice(width - thick, width)):
            solid[start:stop, wall : wall + tooth, side] = True
            solid[side, wall : wall + tooth, start:stop] = True
    for x in (slice(0, tower), slice(width - tower, width)):
        for z in (slice(0, tower), slice(width - tower, width)):
            solid[x, :, z] = True
    gate = max(1, width // 5)
    left = (width - gate) // 2
    solid[left : left + gate, : max(1, wall // 2), :thick] = False
    return solid


def _domes(grid: int) -> Solids:
    for width in _sizes(grid, 5, 8, least=3):  # smaller ones have no room inside
        yield f"a dome {width} wide", _shell(_half_ball(width), _thin(grid))


def _rings(grid: int) -> Solids:
    thick = _thin(grid)
    for i, width in enumerate(_sizes(grid, 3, 8, least=3)):
        height = (1 + i % 2) * thick
        ring = _shell(_disc(width)[:, None, :], thick, through=True, axis=1)
        yield f"a ring {width} across and {height} high", np.repeat(ring, height, axis=1)


def _tables(grid: int) -> Solids:
    thick = _thin(grid)
    for i, width in enumerate(_sizes(grid, 3, 8, least=3)):
        legs, depth = max(1, (2 + i % 3) * grid // 8), max(2, round(0.7 * width))
        solid = _air(width, legs + thick, depth)
        solid[:, legs:] = True
        for x in (slice(0, thick), slice(width - thick, width)):
            for z in (slice(0, thick), slice(depth - thick, depth)):
                solid[x, :, z] = True
        yield f"a table {width} wide on legs {legs} high", solid


def _cranes(grid: int) -> Solids:
    thick = _thin(grid)
    for height in _sizes(grid, 4, 8, least=4):
        yield f"a crane {height} high", _crane(height, thick)


def _crane(height: int, thick: int) -> np.ndarray:
    back, drop = max(1, height // 5), max(1, height // 4)
    solid = _air(height, height, thick)
    level = slice(height - 2 * thick, height - thick)
    solid[back : back + thick] = True
    solid[:, level] = True
    solid[-thick:, height - 2 * thick - drop : height - 2 * thick] = True  # the hook
    solid[:back, height - 3 * thick : height - 2 * thick] = True  # the counterweight
    return solid


# -- what they are made of ---------------------------------------------------------------------------------------
def _sizes(grid: int, low: int, high: int, least: int) -> list[int]:
    """Distinct whole numbers from `low` to `high` eighths of the grid, evenly spread, none below `least`."""
    first = max(least, -(-low * grid // 8))
    last = max(first, high * grid // 8)
    return [round(size) for size in np.linspace(first, last, min(last - first + 1, _most_sizes(grid)))]


def _most_sizes(grid: int) -> int:
    return MOST_SIZES if grid <= 64 else MOST_SIZES_LARGE


def _thin(grid: int) -> int:
    """Cells that a wall, a leg or a deck is thick."""
    return max(1, grid // 12)


def _air(width: int, height: int, depth: int) -> np.ndarray:
    return np.zeros((width, height, depth), np.bool_)


def _disc(width: int) -> np.ndarray:
    """A filled circle, bool [width, width]."""
    squares = (np.arange(width) + 0.5 - width / 2) ** 2
    return squares[:, None] + squares <= width * width / 4 + 0.5  # the half makes small ones rounder


def _half_ball(width: int) -> np.ndarray:
    """The upper half of a ball, bool [width, width // 2, width]."""
    squares = (np.arange(width) + 0.5 - width / 2) ** 2
    heights = (np.arange(width // 2) + 0.5) ** 2
    return squares[:, None, None] + heights[:, None] + squares <= width * width / 4 + 0.5


def _shell(solid: np.ndarray, thick: int, through: bool = False, axis: int = 2) -> np.ndarray:
    """What is left of a solid when all deeper than `thick` below its surface is taken away.

    The ground is no surface, and with `through` neither are the two ends of `axis`. Depth is counted over the corners
    (26 neighbours): so the shell stays in one 6-connected piece.
    """
    padding = [(thick, thick)] * 3
    open_ends = [(0, 0)] * 3
    padding[1], open_ends[1] = (0, thick), (thick, 0)
    if through:
        padding[axis], open_ends[axis] = (0, 0), (thick, thick)
    core = np.pad(np.pad(solid, padding), open_ends, mode="edge")
    for along in range(3):
        core = _all_within(core, thick, along)
    return solid & ~core


def _all_within(solid: np.ndarray, reach: int, axis: int) -> np.ndarray:
    """Which cells have only filled ones within `reach` along an axis; the ends where that is unknown are cut off."""
    solid, window = np.moveaxis(solid, axis, 0), 1
    while window < 2 * reach + 1:  # doubling the window: a handful of passes however thick the shell
        step = min(window, 2 * reach + 1 - window)
        solid, window = solid[:-step] & solid[step:], window + step
    return np.moveaxis(solid, 0, axis)


@kernel
def _grow(solid: np.ndarray, n: int, stream: np.ndarray, cells: np.ndarray) -> None:
    """Fill n cells of an empty bool [X, Y, Z], each next to an earlier one, the first in the middle of the ground.

    `cells` int16 [n, 3] is scratch. Needs n <= X * Y * Z.
    """
    cells[0, 0], cells[0, 1], cells[0, 2] = solid.shape[0] // 2, 0, solid.shape[2] // 2
    solid[cells[0, 0], 0, cells[0, 2]] = True
    count = 1
    while count < n:
        parent, way = randint(stream, count), randint(stream, 6)
        step = 1 if way < 3 else -1
        x = cells[parent, 0] + (step if way % 3 == 0 else 0)
        y = cells[parent, 1] + (step if way % 3 == 1 else 0)
        z = cells[parent, 2] + (step if way % 3 == 2 else 0)
        inside = 0 <= x < solid.shape[0] and 0 <= y < solid.shape[1] and 0 <= z < solid.shape[2]
        if inside and not solid[x, y, z]:
            solid[x, y, z] = True
            cells[count, 0], cells[count, 1], cells[count, 2] = x, y, z
            count += 1


# -- the table ---------------------------------------------------------------------------------------------------
def voxels_of(solid: np.ndarray) -> np.ndarray:
    """The filled cells of a bool [X, Y, Z] as int16 [V, 3], columns x, y, z, sorted by (y, x, z)."""
    y, x, z = np.nonzero(solid.swapaxes(0, 1))
    return np.stack([x, y, z], axis=1, dtype=np.int16, casting="unsafe")


def _place(solids: Callable[[int], Solids], grid: int) -> list[tuple[str, np.ndarray]]:
    """Every shape of a family as (text, int16 [V, 3]), on the middle of the ground of a grid."""
    placed = []
    for text, solid in solids(grid):
        middle = [(grid - solid.shape[0]) // 2, 0, (grid - solid.shape[2]) // 2]
        placed.append((text, voxels_of(solid) + np.array(middle, np.int16)))
    return placed


# family -> a function from the grid's size to its (text, voxels), small ones first.
FAMILIES: dict[str, Callable[[int], list[tuple[str, np.ndarray]]]] = {
    "pyramid": partial(_place, _pyramids),
    "tower": partial(_place, _towers),
    "wall": partial(_place, _walls),
    "cube": partial(_place, _cubes),
    "staircase": partial(_place, _staircases),
    "bridge": partial(_place, _bridges),
    "arch": partial(_place, _arches),
    "heap": partial(_place, _heaps),
    "house": partial(_place, _houses),
    "castle": partial(_place, _castles),
    "dome": partial(_place, _domes),
    "ring": partial(_place, _rings),
    "table": partial(_place, _tables),
    "crane": partial(_place, _cranes),
}
