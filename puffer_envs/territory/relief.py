"""What a generated continent is made of: noise, a coast, ranges of mountains; and the colours of any map's ground.

Only sums, products, quotients and square roots of single numbers decide about a tile, which every machine rounds alike:
the CRC of a generated map, by which savestates know it, must not depend on how a library adds up a matrix product.
"""

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.territory.state import PLAINS, WATER

CLASS_SHARES = (0.56, 0.40, 0.04)  # plains, highland and mountain of the land
MAINLAND = 0.95  # share of the land that is one mass, at least: players have to meet
SPECK = 40_000  # a lake or an island with less than one tile in so many is none: 26 tiles at 1024 x 1024

_COARSE, _WINDOW = 128, 64  # points of the coarse noise, and of the part that a map shows: it is cut out turned
_COSINE, _SINE = 12 / 13, 5 / 13  # by 23 degrees: its straight lines and diagonals are equally far from the map's
_FORMS, _BENDS = 8, 16  # largest hills on all points of the coarse noise, and of what bends it
_BEND = 14.0  # points by which the coarse noise is bent
_ROUGHNESS_COAST, _ROUGHNESS_RANGE, _ROUGHNESS_LAND = 0.62, 0.46, 0.55  # height of forms half as large
_EDGE, _DROP, _DROP_FROM = 0.12, 1.4, 0.8  # how far the sea wins towards the map's edge, and more in its last part
# Of the noise, in one attempt after the other: little land often comes in pieces, unless it lies at the middle. None at
# all leaves a disc, so the last attempt does it.
_WEIGHTS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.12, 0.0)
_DOWN, _RIGHT = (-1, 0, 1, 0), (0, 1, 0, -1)  # the neighbours N, E, S, W

_PALETTE = np.array([(0, 0, 0), (112, 158, 84), (190, 170, 118), (148, 143, 138)], np.float32)
_DEEP, _SHALLOW = np.array((42, 82, 130), np.float32), np.array((116, 176, 206), np.float32)
_HEIGHTS = np.array((0.0, 1.0, 2.2, 4.6), np.float32)  # of the classes, for the light that falls on them
_LIGHT = 0.14


# -- masses of land or water -------------------------------------------------------------------------------------------
def masses(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the masses of a bool [H, W] whose tiles touch side to side.

    Returns:
        int32 [H, W], 0 where False, else the number of the mass, from 1 on; and the tiles of each number, int64 [1 +
        masses], 0 of number 0.
    """
    labels = np.zeros(tiles.shape, np.int32)
    _label(tiles, labels, np.empty((np.count_nonzero(tiles), 2), np.int32))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels, sizes


@kernel
def _label(tiles: np.ndarray, labels: np.ndarray, stack: np.ndarray) -> None:
    """Number the masses of `tiles` in `labels`, int32 of zeros; `stack` int32 [count of tiles, 2] is scratch."""
    label = 0
    for y in range(tiles.shape[0]):
        for x in range(tiles.shape[1]):
            if tiles[y, x] and labels[y, x] == 0:
                label += 1
                _flood(tiles, labels, stack, y, x, label)


@kernel
def _flood(tiles: np.ndarray, labels: np.ndarray, stack: np.ndarray, y: int, x: int, label: int) -> None:
    labels[y, x] = label
    stack[0, 0], stack[0, 1] = y, x
    waiting = 1
    while waiting > 0:
        waiting -= 1
        y, x = stack[waiting, 0], stack[waiting, 1]
        for way in range(4):
            i, j = y + _DOWN[way], x + _RIGHT[way]
            inside = 0 <= i < tiles.shape[0] and 0 <= j < tiles.shape[1]
            # Marked when pushed, so each tile is pushed once and the stack holds at most all.
            if inside and tiles[i, j] and labels[i, j] == 0:
                labels[i, j] = label
                stack[waiting, 0], stack[waiting, 1] = i, j
                waiting += 1


# -- continents --------------------------------------------------------------------------------------------------------
def continent_classes(size: int, seed: int, land_share: float) -> np.ndarray:
    """The classes of a continent's tiles, uint8 [size, size]; `size` a multiple of 128, the share well within 0 to 1.

    The land is a mainland with at most 5% of islands. It may reach the map's edge, as on a map of a part of the world.
    """
    rng = np.random.Generator(np.random.PCG64([size, seed]))
    tiles, coast = round(land_share * size * size), _coast(size)
    for weight in _WEIGHTS:
        land = _land(_noise(rng, size, _ROUGHNESS_COAST) * weight + coast, tiles)
        sizes = masses(land)[1]
        if sizes.max() >= MAINLAND * sizes.sum():
            break
    return _classes(rng, land)


def _coast(size: int) -> np.ndarray:
    """What is added to the height of each tile so that the sea lies around the land, float32 [size, size]."""
    at = np.abs((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1)
    fourth = at * at * at * at
    far = np.sqrt(np.sqrt(fourth[:, None] + fourth))  # 1 in the middle of an edge, 1.19 in a corner
    return -_EDGE * far * far - _DROP * np.maximum(far - _DROP_FROM, 0)


def _land(height: np.ndarray, tiles: int) -> np.ndarray:
    """The highest `tiles` tiles, more or less: without specks of land or water. bool [size, size]."""
    at = height.size - tiles
    land = height >= np.partition(height.ravel(), at)[at]
    for speck_of, other in ((land, False), (~land, True)):
        labels, sizes = masses(speck_of)
        land[((sizes > 0) & (sizes < max(height.size // SPECK, 4)))[labels]] = other
    return land


def _classes(rng: np.random.Generator, land: np.ndarray) -> np.ndarray:
    size = len(land)
    ridge, hills = _noise(rng, size, _ROUGHNESS_RANGE), _noise(rng, size, _ROUGHNESS_LAND)
    ridge *= 22.0
    # Noise changes its sign along lines, and a range of mountains runs along a line; it rarely ends at the coast.
    height = 1.2 * hills + 0.6 / (1 + ridge * ridge) + 0.7 * np.minimum(_blurred(land, size // 32), 0.95)
    in_order = np.sort(height[land])
    highland_from = in_order[round(len(in_order) * CLASS_SHARES[0])]
    mountain_from = in_order[round(len(in_order) * (1 - CLASS_SHARES[2]))]
    classes = PLAINS + (height >= highland_from).astype(np.uint8) + (height >= mountain_from)
    return np.where(land, classes, np.uint8(WATER))


# -- noise -------------------------------------------------------------------------------------------------------------
def _noise(rng: np.random.Generator, size: int, roughness: float) -> np.ndarray:
    """Hills about 0 and on them ever smaller ones, `roughness` times as high where half as wide; float32 [size, size].

    The coarse ones are turned and bent, lest it be seen that they were made on a grid.
    """
    side = size
    while side >= 2 * _WINDOW:
        side //= 2
    coarse, height = _hills(rng, _FORMS, roughness)
    bends = [_hills(rng, _BENDS, 0.5)[0] * _BEND for _ in range(2)]
    at = (np.arange(side, dtype=np.float32) + 0.5) * (_WINDOW / side) - _WINDOW / 2
    middle = _COARSE / 2 - 0.5
    y = middle + _COSINE * at[:, None] + _SINE * at
    x = middle - _SINE * at[:, None] + _COSINE * at
    field = _sample(coarse, y + _sample(bends[0], y, x), x + _sample(bends[1], y, x))
    while side < size:
        side, height = side * 2, height * roughness
        field = _doubled(field)
        if side < size:  # a coast that bends at every tile looks like a fault
            field += _white(rng, side) * height
    return field


def _hills(rng: np.random.Generator, side: int, roughness: float) -> tuple[np.ndarray, float]:
    """Noise float32 [_COARSE, _COARSE], and the height of its smallest hills."""
    field, height = _white(rng, side), 1.0
    while len(field) < _COARSE:
        height *= roughness
        field = _doubled(field)
        field += _white(rng, len(field)) * height
    return field, height


def _white(rng: np.random.Generator, side: int) -> np.ndarray:
    return rng.random((side, side), np.float32) - 0.5


def _doubled(field: np.ndarray) -> np.ndarray:
    """A square field smoothly on twice as many points a side."""
    for _ in range(2):  # down, across
        padded = np.concatenate([field[:1], field, field[-1:]]) * 0.25
        near = field * 0.75
        pairs = np.stack([near + padded[:-2], near + padded[2:]], axis=1)
        field = np.ascontiguousarray(pairs.reshape(-1, field.shape[1]).T)
    return field


def _sample(field: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A square field between its points, float32; beyond its edge as on it."""
    y, x = (np.clip(at, 0, len(field) - 1.001) for at in (y, x))
    i, j = y.astype(np.int32), x.astype(np.int32)
    y, x = y - i.astype(np.float32), x - j.astype(np.float32)
    upper = field[i, j] * (1 - x) + field[i, j + 1] * x
    lower = field[i + 1, j] * (1 - x) + field[i + 1, j + 1] * x
    return upper * (1 - y) + lower * y


def _blurred(field: np.ndarray, reach: int) -> np.ndarray:
    """Means of what lies within about twice `reach` tiles of each, float32 [H, W]."""
    field = field.astype(np.float32)
    for _ in range(4):  # across, down and both again: one blur of a square would look square
        sums = np.pad(field, ((0, 0), (reach + 1, reach)), mode="edge").cumsum(axis=1)
        means = (sums[:, 2 * reach + 1 :] - sums[:, : -2 * reach - 1]) / (2 * reach + 1)
        field = np.ascontiguousarray(means.T)
    return field


# -- pictures ----------------------------------------------------------------------------------------------------------
def terrain_colours(classes: np.ndarray) -> np.ndarray:
    """A map's ground as seen from above, light from the upper left, water brighter along the coasts.

    Args:
        classes: uint8 [H, W]: 0 water, 1 plains, 2 highland, 3 mountain.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    is_land, heights = classes != WATER, _HEIGHTS[classes]
    depth = 0.35 * _blurred(is_land, 3) + 1.1 * _blurred(is_land, max(classes.shape) // 48)
    water = _DEEP + (_SHALLOW - _DEEP) * np.minimum(depth, 1)[..., None]
    softly = _blurred(heights, 1)
    grain = _blurred(np.random.default_rng(0).random(classes.shape, np.float32), 1)  # rock and hills are not smooth
    down, across = np.gradient(softly + 2 * _blurred(heights, 3) + 1.5 * grain * softly)
    shade = np.clip(1 + _LIGHT * (down + across), 0.75, 1.25)
    colours = np.where(is_land[..., None], _PALETTE[classes] * shade[..., None], water)
    return np.clip(colours, 0, 255).astype(np.uint8)
