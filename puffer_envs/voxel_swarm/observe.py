"""Observations: what an agent sees and smells in the 27 cells around it. No position: the same at every size."""

from typing import NamedTuple

import numpy as np

from puffer_envs.jit import kernel, wide
from puffer_envs.voxel_swarm.state import (
    EMPTY,
    NO_SOURCE,
    ORIGINAL_LAYOUT,
    OUTSIDE,
    PATCH,
    RELATIVE_LAYOUT,
    UNREACHABLE,
    State,
)

_AT_SCENT = np.uint64(RELATIVE_LAYOUT["scent"].offset)
_AT_OTHERS = np.uint64(RELATIVE_LAYOUT["others"].offset)
_AT_DISTANCE = RELATIVE_LAYOUT["distance"].offset
_AT_CARRYING = RELATIVE_LAYOUT["carrying"].offset
_AT_TEXT = RELATIVE_LAYOUT["text"].offset
_AT_BLOCKS_FLOAT = ORIGINAL_LAYOUT["blocks"].offset
_AT_SCENT_FLOAT = ORIGINAL_LAYOUT["scent"].offset
_AT_CARRYING_FLOAT = ORIGINAL_LAYOUT["carrying"].offset
_AT_TEXT_FLOAT = ORIGINAL_LAYOUT["text"].offset

_ABOVE, _OWN = 16, 13  # places in the patch: (0, 1, 0), (0, 0, 0)
_NEUTRAL, _SLOPE, _CLIP = 128, 63, 2  # bytes of the scent: no difference, a cell's, at most so many cells
_LEAST = _NEUTRAL - _CLIP * _SLOPE
_NEAR = 8  # cells of the own distance that can be told apart
_SEEN = np.uint16(1 << 15)  # marks a cell, in `crowd`, in which an agent of lower index has been seen
_LANES = np.uint64(32)
_PATCH = np.uint64(PATCH)
_ZERO, _ONE, _TWO, _THREE = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)


class Lanes(NamedTuple):
    """What is around one agent; 27 places and five more, as vectors have them."""

    block: np.ndarray  # uint8 [32]
    crowd: np.ndarray  # uint16 [32]
    distance: np.ndarray  # int32 [32]
    scent: np.ndarray  # uint8 [32]


def allocate_lanes() -> Lanes:
    """Working space for one thread."""
    return Lanes(*(np.zeros(_LANES, dtype) for dtype in (np.uint8, np.uint16, np.int32, np.uint8)))


@kernel
def write_rows(state: State, out: np.ndarray, pitch: int, unit: int, rows: np.ndarray, lanes: Lanes) -> None:
    """The observations of ``rows`` (indices) into ``out``, uint8 [E * A, 85].

    Cells are gathered first and reckoned with as vectors: so it takes less than two thirds of the time that it takes
    cell by cell. Their numbers are unsigned: numba asks of signed ones whether they count from the end.

    Args:
        unit: the field's value of a distance of one cell.
        rows: ascending; all agents of an environment or none.
    """
    blocks, crowds, field, cells = state.blocks, state.crowd, state.field, state.cells
    carrying, texts, sources = state.carrying, state.text, state.smell
    agents = cells.shape[1]
    across, up = np.uint64(pitch * pitch), np.uint64(pitch)
    block, crowd, distance, scent = lanes
    for i in range(rows.size):
        row = rows[i]
        env, agent = row // agents, row % agents
        cell = np.uint64(cells[env, agent])
        at, column = _ZERO, cell - across - up - _ONE
        for _ in range(3):
            beside = column
            for _ in range(3):
                block[at], block[at + _ONE], block[at + _TWO] = _three(blocks, env, beside)
                crowd[at], crowd[at + _ONE], crowd[at + _TWO] = _three(crowds, env, beside)
                distance[at], distance[at + _ONE], distance[at + _TWO] = _three(field, env, beside)
                at += _THREE
                beside += up
            column += across
        own = wide(distance[_OWN])
        crowd[_OWN] &= _SEEN
        crowds[env, cell] |= _SEEN
        for k in range(_LANES):
            smelt = _LEAST if distance[k] == UNREACHABLE else _scent(own - distance[k], unit)
            scent[k] = 0 if block[k] == OUTSIDE else smelt
        if sources[env] == NO_SOURCE:
            scent[:] = _NEUTRAL
        elif block[_ABOVE] != OUTSIDE and blocks[env, cell - up] == EMPTY:
            scent[_ABOVE] = _LEAST  # it does not lead up where one cannot climb
        for k in range(_PATCH):
            out[row, k] = block[k]
        for k in range(_PATCH):
            out[row, _AT_SCENT + k] = scent[k]
        for k in range(_PATCH):
            out[row, _AT_OTHERS + k] = 255 if crowd[k] > 0 else 0
        out[row, _AT_DISTANCE] = 255 if own >= _NEAR * unit else (own * 255 + _NEAR * unit // 2) // (_NEAR * unit)
        out[row, _AT_CARRYING] = 255 if carrying[env, agent] else 0
        out[row, _AT_TEXT] = texts[env] & 255
        out[row, _AT_TEXT + 1] = texts[env] >> 8
    for i in range(rows.size):
        env, agent = rows[i] // agents, rows[i] % agents
        crowds[env, wide(cells[env, agent])] &= ~_SEEN


@kernel
def _three(array: np.ndarray, env: int, at: np.uint64) -> tuple[int, int, int]:
    return array[env, at], array[env, at + _ONE], array[env, at + _TWO]


@kernel
def _scent(nearer: int, unit: int) -> int:
    """A byte: by how many cells a place is nearer; ``nearer`` in units of the field."""
    difference = nearer * _SLOPE if unit == 1 else round(nearer * _SLOPE / unit)
    return _NEUTRAL + min(max(difference, -_CLIP * _SLOPE), _CLIP * _SLOPE)


@kernel
def write_original_rows(state: State, scent: np.ndarray, out: np.ndarray, pitch: int, rows: np.ndarray) -> None:
    """The original's 58 floats and the text's number of ``rows``, float32 [E * A, 59]; off the grid all is 0.

    Args:
        scent: float32 [E, C], see `straight.max_normalised`.
    """
    agents = state.cells.shape[1]
    for i in range(rows.size):
        row = rows[i]
        env, agent = row // agents, row % agents
        cell = wide(state.cells[env, agent])
        out[row, 0] = (cell // (pitch * pitch) - 1) / (pitch - 2)
        out[row, 1] = (cell // pitch % pitch - 1) / (pitch - 2)
        out[row, 2] = (cell % pitch - 1) / (pitch - 2)
        at = 0
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    beside = cell + (dx * pitch + dy) * pitch + dz
                    out[row, _AT_BLOCKS_FLOAT + at] = state.blocks[env, beside] == 255
                    out[row, _AT_SCENT_FLOAT + at] = scent[env, beside]
                    at += 1
        out[row, _AT_CARRYING_FLOAT] = state.carrying[env, agent]
        out[row, _AT_TEXT_FLOAT] = state.text[env]
