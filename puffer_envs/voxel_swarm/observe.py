"""Observations: what an agent sees and smells in the 27 cells around it. No position: the same at every size."""

from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import copy_run, inlined_kernel, kernel, unsigned, wide
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

_AT_BLOCKS = RELATIVE_LAYOUT["blocks"].offset
_AT_SCENT = RELATIVE_LAYOUT["scent"].offset
_AT_OTHERS = RELATIVE_LAYOUT["others"].offset
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
_LANES = 32


class Lanes(NamedTuple):
    """What is around one agent; 27 places and five more, as vectors have them."""

    block: np.ndarray  # uint8 [32]
    crowd: np.ndarray  # uint16 [32]
    distance: np.ndarray  # uint16 [32]
    scent: np.ndarray  # uint8 [32]
    others: np.ndarray  # uint8 [32]
    near: np.ndarray  # uint8 [8 units + 1], the byte of each own distance: a table, as a division takes 8 ns


def allocate_lanes(unit: int) -> Lanes:
    """Working space for one thread; ``unit`` is the field's value of a distance of one cell."""
    far = _NEAR * unit
    return Lanes(
        block=np.zeros(_LANES, np.uint8),
        crowd=np.zeros(_LANES, np.uint16),
        distance=np.zeros(_LANES, np.uint16),
        scent=np.zeros(_LANES, np.uint8),
        others=np.zeros(_LANES, np.uint8),
        near=((np.arange(far + 1) * 255 + far // 2) // far).astype(np.uint8),
    )


@kernel
def write_rows(state: State, out: np.ndarray, pitch: int, unit: int, rows: np.ndarray, lanes: Lanes) -> None:
    """The observations of ``rows`` (indices) into ``out``, uint8 [E * A, 85].

    Cells are gathered first and reckoned with as vectors: so it takes less than half of the time that it takes cell by
    cell. Their numbers are unsigned: numba asks of signed ones whether they count from the end.

    Args:
        unit: the field's value of a distance of one cell.
        rows: ascending; all agents of an environment or none.
    """
    cells, crowds, agents, up = state.cells, state.crowd, state.cells.shape[1], unsigned(pitch)
    block, crowd, distance, scent, others, near = lanes
    for first in range(0, rows.size, agents):
        env = rows[first] // agents  # once for all: divisions, one an agent, took a seventh of the time
        for agent in range(agents):
            row, cell = rows[first] + agent, unsigned(cells[env, agent])
            _gather(state, env, cell, up, lanes)
            crowd[_OWN] &= _SEEN
            crowds[env, cell] |= _SEEN
            for k in range(_LANES):
                others[k] = 255 if crowd[k] > 0 else 0
            _smell(block, distance, unit, scent)
            if state.smell[env] == NO_SOURCE:
                scent[:] = _NEUTRAL
            elif block[_ABOVE] != OUTSIDE and state.blocks[env, cell - up] == EMPTY:
                scent[_ABOVE] = _LEAST  # it does not lead up where one cannot climb
            copy_run(block, (0,), out, (row, _AT_BLOCKS), PATCH)
            copy_run(scent, (0,), out, (row, _AT_SCENT), PATCH)
            copy_run(others, (0,), out, (row, _AT_OTHERS), PATCH)
            out[row, _AT_DISTANCE] = near[min(wide(distance[_OWN]), near.size - 1)]
            out[row, _AT_CARRYING] = 255 if state.carrying[env, agent] else 0
            out[row, _AT_TEXT] = state.text[env] & 255
            out[row, _AT_TEXT + 1] = state.text[env] >> 8
        for agent in range(agents):
            crowds[env, unsigned(cells[env, agent])] &= ~_SEEN


@inlined_kernel
def _gather(state: State, env: int, cell: int, up: int, lanes: Lanes) -> None:
    """What is around a cell: nine lines of three neighbours, each copied with the one behind it, as a word."""
    at, column = unsigned(0), cell - up * up - up - unsigned(1)
    for _ in range(3):
        line = column
        for _ in range(3):
            copy_run(state.blocks, (env, line), lanes.block, (at,), 4)
            copy_run(state.crowd, (env, line), lanes.crowd, (at,), 4)
            copy_run(state.field, (env, line), lanes.distance, (at,), 4)
            at += unsigned(3)
            line += up
        column += up * up


@inlined_kernel
def _smell(block: np.ndarray, distance: np.ndarray, unit: int, scent: np.ndarray) -> None:
    """By how many cells each place around is nearer than the own, as a byte."""
    own = np.int32(distance[_OWN])
    if own == UNREACHABLE:  # of two cells without a way, none is as good as the other: both smell least
        own -= np.int32(_CLIP * unit + 1)
    for k in range(_LANES):
        nearer = np.int32(own - np.int32(distance[k]))
        difference = nearer * _SLOPE if unit == 1 else round(nearer * _SLOPE / unit)
        byte = _NEUTRAL + min(max(difference, -_CLIP * _SLOPE), _CLIP * _SLOPE)
        scent[k] = 0 if block[k] == OUTSIDE else byte


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
