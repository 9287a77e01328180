"""Straight-line distances: the rival of `field`, and the scent of the original. Computed whole, not followed."""

import numpy as np

from puffer_envs.kit.jit import allocating_kernel, copy, kernel
from puffer_envs.voxel_swarm.scent.field import clear
from puffer_envs.voxel_swarm.state import BORDER, EMPTY, FILLED, MISTAKES, NO_SOURCE, UNFILLED, Scent, State

UNIT = 128  # value of the field for a distance of one cell: 441 cells, the diagonal at 256, still fit
_FAR = 1e9  # squared distance of a line without a source

# Weights of a Gaussian of sigma 1/2 at 0, 1 and 2 cells.
_BLUR = np.exp(-2.0 * np.arange(3) ** 2)
BLUR = _BLUR / (_BLUR[0] + 2 * _BLUR[1] + 2 * _BLUR[2])


@allocating_kernel
def squared_distances(sources: np.ndarray, squares: np.ndarray) -> None:
    """Squared distance to the nearest source, along one axis after the other (Felzenszwalb & Huttenlocher 2012).

    Args:
        sources: bool [G, G, G].
        squares: float64 [G, G, G], written; 1e9 or more everywhere where there is no source.
    """
    size = sources.shape[0]
    line, parabolas, bounds = np.empty(size), np.empty(size, np.int64), np.empty(size + 1)
    for x in range(size):
        for y in range(size):
            for z in range(size):
                squares[x, y, z] = 0.0 if sources[x, y, z] else _FAR
    for a in range(size):
        for b in range(size):
            _transform(squares[a, b, :], line, parabolas, bounds)
    for a in range(size):
        for b in range(size):
            _transform(squares[a, :, b], line, parabolas, bounds)
    for a in range(size):
        for b in range(size):
            _transform(squares[:, a, b], line, parabolas, bounds)


@kernel
def _transform(values: np.ndarray, line: np.ndarray, parabolas: np.ndarray, bounds: np.ndarray) -> None:
    """values[i] = min over j of values[j] + (i - j)^2: the lower envelope of parabolas."""
    size = values.size
    copy(values, 0, size, line, 0)
    last = 0
    parabolas[0] = 0
    bounds[0], bounds[1] = -np.inf, np.inf
    for i in range(1, size):
        crossing = _crossing(line, parabolas[last], i)
        while crossing <= bounds[last]:
            last -= 1
            crossing = _crossing(line, parabolas[last], i)
        last += 1
        parabolas[last] = i
        bounds[last], bounds[last + 1] = crossing, np.inf
    last = 0
    for i in range(size):
        while bounds[last + 1] < i:
            last += 1
        values[i] = line[parabolas[last]] + (i - parabolas[last]) ** 2


@kernel
def _crossing(line: np.ndarray, j: int, i: int) -> float:
    """Where the parabola of i comes to lie below that of j."""
    return ((line[i] + i * i) - (line[j] + j * j)) / (2 * (i - j))


@kernel
def write_field(squares: np.ndarray, field: np.ndarray) -> None:
    """Squared distances, float64 [G, G, G], into the bordered field of one environment, uint16 [C]."""
    size = squares.shape[0]
    pitch = size + 2
    for x in range(size):
        for y in range(size):
            for z in range(size):
                value = np.rint(UNIT * np.sqrt(squares[x, y, z]))
                field[((x + 1) * pitch + y + 1) * pitch + z + 1] = min(value, BORDER - 1)


def measure(state: State, env: int, pitch: int, scent: Scent) -> None:
    """The field of one environment afresh, and what its sources are."""
    targets, right, wrong = state.counts[env]
    unfilled = right < targets
    aim, blocks = state.targets[env] != 0, state.blocks[env]
    sources = aim & (scent.all_targets | (blocks == EMPTY)) if unfilled else (blocks == FILLED) & ~aim
    state.stale[env] = False
    state.smell[env] = UNFILLED if unfilled else MISTAKES if wrong else NO_SOURCE
    if state.smell[env] == NO_SOURCE:
        clear(state.field[env])
        return
    squares = np.empty((pitch - 2,) * 3)
    squared_distances(sources.reshape((pitch,) * 3)[1:-1, 1:-1, 1:-1], squares)
    write_field(squares, state.field[env])


def max_normalised(targets: np.ndarray) -> np.ndarray:
    """The original's scent: 1 - d / max d, blurred with sigma 1/2 (two cells wide, edges repeated).

    Args:
        targets: bool [G, G, G].

    Returns:
        float32 [G, G, G].
    """
    squares = np.empty(targets.shape)
    squared_distances(targets, squares)
    distances = np.sqrt(squares)
    scent = 1 - distances / distances.max() if distances.max() > 0 else np.ones_like(distances)
    for axis in range(3):
        padded = np.pad(scent, [(2, 2) if a == axis else (0, 0) for a in range(3)], mode="symmetric")
        parts = [np.take(padded, np.arange(i, i + len(scent)), axis) for i in range(5)]
        scent = BLUR[0] * parts[2] + BLUR[1] * (parts[1] + parts[3]) + BLUR[2] * (parts[0] + parts[4])
    return scent.astype(np.float32)
