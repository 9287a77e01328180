"""Observations: what an agent sees and smells in the 27 cells around it. No position: the same at every size."""

import numpy as np

from puffer_envs.jit import kernel, wide
from puffer_envs.voxel_swarm.field import can_climb
from puffer_envs.voxel_swarm.state import (
    NO_SOURCE,
    ORIGINAL_LAYOUT,
    OUTSIDE,
    PATCH,
    RELATIVE_LAYOUT,
    UNREACHABLE,
    State,
)

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
_OTHER = 64  # for each other agent


@kernel
def write_rows(state: State, out: np.ndarray, pitch: int, unit: int, rows: np.ndarray) -> None:
    """The observations of ``rows`` (indices) into ``out``, uint8 [E * A, 85].

    Args:
        unit: the field's value of a distance of one cell.
    """
    agents = state.cells.shape[1]
    for i in range(rows.size):
        row = rows[i]
        env, agent = row // agents, row % agents
        cell = wide(state.cells[env, agent])
        _write_patches(state.blocks[env], state.field[env], state.crowd[env], out[row], cell, pitch, unit)
        _write_own(state, env, agent, cell, out[row], pitch, unit)


@kernel
def _write_patches(
    blocks: np.ndarray, field: np.ndarray, crowd: np.ndarray, out: np.ndarray, cell: int, pitch: int, unit: int
) -> None:
    own = wide(field[cell])
    at = 0
    for dx in range(-1, 2):
        for dy in range(-1, 2):
            corner = cell + (dx * pitch + dy) * pitch - 1
            for dz in range(3):
                beside = corner + dz
                block = blocks[beside]
                out[at] = block
                out[_AT_SCENT + at] = 0 if block == OUTSIDE else _scent(own, wide(field[beside]), unit)
                out[_AT_OTHERS + at] = min(_OTHER * wide(crowd[beside]), 255)
                at += 1


@kernel
def _scent(own: int, there: int, unit: int) -> int:
    """A byte: by how many cells it is nearer there."""
    if there == UNREACHABLE:
        return _LEAST
    difference = (own - there) * _SLOPE
    if unit != 1:
        difference = round(difference / unit)
    return _NEUTRAL + min(max(difference, -_CLIP * _SLOPE), _CLIP * _SLOPE)


@kernel
def _write_own(state: State, env: int, agent: int, cell: int, out: np.ndarray, pitch: int, unit: int) -> None:
    """What is not of the patches alone: oneself is no other, and no scent leads up where one cannot climb."""
    own = wide(state.field[env, cell])
    out[_AT_OTHERS + _OWN] = min(_OTHER * (wide(state.crowd[env, cell]) - 1), 255)
    if state.smell[env] == NO_SOURCE:
        out[_AT_SCENT : _AT_SCENT + PATCH] = _NEUTRAL
    elif out[_ABOVE] != OUTSIDE and not can_climb(state.blocks[env], cell, pitch):
        out[_AT_SCENT + _ABOVE] = _LEAST
    out[_AT_DISTANCE] = 255 if own >= _NEAR * unit else (own * 255 + _NEAR * unit // 2) // (_NEAR * unit)
    out[_AT_CARRYING] = 255 if state.carrying[env, agent] else 0
    out[_AT_TEXT] = state.text[env] & 255
    out[_AT_TEXT + 1] = state.text[env] >> 8


@kernel
def write_original_rows(state: State, scent: np.ndarray, out: np.ndarray, pitch: int, rows: np.ndarray) -> None:
    """The original's 58 floats and the text's number of ``rows``, float32 [E * A, 59]; off the grid all is 0.

    Args:
        scent: float32 [E, C], see `scent.max_normalised`.
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
