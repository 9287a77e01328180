"""The arrays of E environments with A agents each, and the observation rows.

Cells are numbered in a grid with one cell of border on every side, P = G + 2 along each edge: a kernel looks at
neighbours without asking whether they exist. Cell (x, y, z), y up, is number ((x + 1) P + y + 1) P + z + 1.
"""

from typing import NamedTuple

import numpy as np

from puffer_envs.contract.layout import ObsLayout

EMPTY, OUTSIDE, FILLED = 0, 128, 255  # bytes of `blocks`
UNREACHABLE, BORDER = 65_535, 65_534  # values of `field` that are no distance

X_DOWN, Z_UP, X_UP, Z_DOWN, UP, DOWN, PLACE, PICK = range(8)  # actions
NUM_ACTIONS = 8

TARGETS, RIGHT, WRONG = range(3)  # columns of `counts`
NO_SOURCE, UNFILLED, MISTAKES = range(3)  # what smells: values of `smell`

PATCH = 27  # cells of a view: dx, dy, dz in -1 .. 1, the last fastest

RELATIVE_LAYOUT = ObsLayout(
    np.uint8,
    ("blocks", (PATCH,), 8, 1 / 255),  # 0 empty, 128 outside, 255 filled
    ("scent", (PATCH,), 8, 1 / 255),  # 128 + 63 x (own distance - the cell's, -2 to 2); 0 outside
    # 255 where another agent is; in the own cell, one that acts before this one. Not how many: ten agents at 8^3 never
    # make the crowds of 2,560 at 128^3, and of what it had never seen a policy knew nothing. And where all of a crowd
    # see just a crowd, each leaves the work to the others, and they move on together.
    ("others", (PATCH,), 8, 1 / 255),
    ("distance", (1,), 8, 1 / 255),  # own, 8 cells are 255
    ("carrying", (1,), 8, 1 / 255),  # 255 with a block
    ("text", (2,)),  # number of the shape's text, low byte first: an index into `EnvSpec.texts`
)
ORIGINAL_LAYOUT = ObsLayout(
    np.float32, ("position", (3,)), ("blocks", (PATCH,)), ("scent", (PATCH,)), ("carrying", (1,)), ("text", (1,))
)


class State(NamedTuple):
    """The worlds; C = P^3 cells."""

    blocks: np.ndarray  # uint8 [E, C], EMPTY, OUTSIDE or FILLED
    targets: np.ndarray  # uint8 [E, C], 1 where a block belongs
    crowd: np.ndarray  # uint16 [E, C], agents in a cell, at most 32,767
    field: np.ndarray  # uint16 [E, C], distance to the nearest source in units of the metric
    smell: np.ndarray  # int32 [E], what the sources are
    stale: np.ndarray  # bool [E], the sources have changed and the field has not (straight lines only)
    cells: np.ndarray  # int32 [E, A], where the agents are
    carrying: np.ndarray  # bool [E, A]
    counts: np.ndarray  # int32 [E, 3], targets, filled targets, wrong blocks
    limit: np.ndarray  # int32 [E], steps that the episode may last
    text: np.ndarray  # int32 [E], number of the text of the shape
    shared: np.ndarray  # int64 [E], agents in the cell of one of lower index: all but one of each cell
    crowded: np.ndarray  # int64 [E], the same summed over the steps of the episode
    begun: np.ndarray  # int32 [E], new shapes begun: how far the curriculum of sizes has come


class Scent(NamedTuple):
    """What smells, as kernels take it."""

    walk: bool  # distances are an agent's steps, else straight lines
    all_targets: bool  # filled targets go on smelling


class Rules(NamedTuple):
    """What kernels need to know of the configuration."""

    pitch: int  # P
    ways: np.ndarray  # uint64 [6], what the number of a cell changes by with each move, modulo 2^64
    collisions: bool  # moves into a cell where another agent is fail
    scent: Scent
    enough: float  # an episode ends when a greater share of the targets is filled; 1: when the shape is whole
    as_original: bool  # whether the original's reward terms are wanted
    max_steps: int  # an episode's; 0: by the size of the grid and of the shape


class Shapes(NamedTuple):
    """The library that new worlds are drawn from, the shape with the fewest voxels first."""

    cells: np.ndarray  # int32 [V], numbers of cells of all shapes, one after the other
    starts: np.ndarray  # int64 [S + 1], where each begins and the last ends
    texts: np.ndarray  # int32 [S], numbers of their texts
    easy_share: float  # share of the shapes that an environment begins with; 1: no curriculum
    easy_episodes: int  # new shapes from that share alone
    growing_episodes: int  # and so many more until all


def ways(grid_size: int) -> np.ndarray:
    """What the number of a cell changes by with actions X_DOWN to DOWN, uint64 [6]: as unsigned as cells in kernels."""
    pitch = grid_size + 2
    changes = {X_DOWN: -(pitch**2), Z_UP: 1, X_UP: pitch**2, Z_DOWN: -1, UP: pitch, DOWN: -pitch}
    return np.array([changes[action] for action in range(PLACE)], np.int64).astype(np.uint64)


class Scratch(NamedTuple):
    """Working space of one thread."""

    queue: np.ndarray  # int32 [C]
    levels: np.ndarray  # uint16 [C]
    seeds: np.ndarray  # int64 [C]


def allocate(num_envs: int, num_agents: int, grid_size: int) -> State:
    """Empty worlds without targets."""
    return State(
        blocks=_grids(num_envs, grid_size, np.uint8, OUTSIDE, EMPTY),
        targets=_grids(num_envs, grid_size, np.uint8, 0, 0),
        crowd=_grids(num_envs, grid_size, np.uint16, 0, 0),
        field=_grids(num_envs, grid_size, np.uint16, BORDER, UNREACHABLE),
        smell=np.zeros(num_envs, np.int32),
        stale=np.zeros(num_envs, np.bool_),
        cells=np.zeros((num_envs, num_agents), np.int32),
        carrying=np.zeros((num_envs, num_agents), np.bool_),
        counts=np.zeros((num_envs, 3), np.int32),
        limit=np.zeros(num_envs, np.int32),
        text=np.zeros(num_envs, np.int32),
        shared=np.zeros(num_envs, np.int64),
        crowded=np.zeros(num_envs, np.int64),
        begun=np.zeros(num_envs, np.int32),
    )


def _grids(num_envs: int, grid_size: int, dtype: type, border: int, inside: int) -> np.ndarray:
    """[E, C], and behind the last cell a place that may be read: `observe` copies four cells where it needs three."""
    pitch = grid_size + 2
    cells: np.ndarray = np.full(num_envs * pitch**3 + 1, border, dtype)[:-1]
    cells.reshape((num_envs, pitch, pitch, pitch))[:, 1:-1, 1:-1, 1:-1] = inside
    return cells.reshape((num_envs, pitch**3))


def allocate_scratch(grid_size: int) -> Scratch:
    """Working space for one thread."""
    cells = (grid_size + 2) ** 3
    return Scratch(np.zeros(cells, np.int32), np.zeros(cells, np.uint16), np.zeros(cells, np.int64))


def numbers_of(voxels: np.ndarray, grid_size: int) -> np.ndarray:
    """Numbers of cells, int32 [V], from coordinates [V, 3]."""
    padded = np.int32(grid_size + 2)
    x, y, z = voxels.astype(np.int32).T + np.int32(1)
    return (x * padded + y) * padded + z


def voxels_of(numbers: np.ndarray, grid_size: int) -> np.ndarray:
    """Inverse of `numbers_of`, int16 [V, 3]."""
    padded = grid_size + 2
    x, y, z = numbers // padded**2, numbers // padded % padded, numbers % padded
    return np.stack([x, y, z], axis=-1).astype(np.int16) - 1
