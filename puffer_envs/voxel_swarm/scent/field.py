"""Distances to what is to be built, and how they follow each block that is placed or taken away.

`walk` counts an agent's steps: to the sides and down always, up only from the ground or above a filled cell. All
kernels here see one environment: ``blocks`` uint8 [C] and ``field`` uint16 [C] of a bordered grid (see `state`),
``pitch`` is P, the cells along its edge; numbers of cells, and P with them, are unsigned (`jit.unsigned`). A byte below
the ground is `OUTSIDE`, so "may climb" is "the byte below is not `EMPTY`" for every cell.

A change touches few cells. A block that is placed lets an agent climb from the cell above it: shorter ways spread from
there (`open_edge`). A source that ends, or a block that is taken away, may leave cells without a way of their length
(`close_edge`, `end_source`): these are found level by level, then filled again from their borders, nearest first.
"""

import numpy as np

from puffer_envs.kit.jit import allocating_kernel, kernel, unsigned, wide
from puffer_envs.voxel_swarm.state import BORDER, EMPTY, UNREACHABLE, Scratch

_CELL = np.int64((1 << 32) - 1)  # the part of a seed that is the cell
_FEW = 64  # values that are sorted one by one: a change at 8^3 has a dozen, and NumPy's sort takes longer to begin


# -- neighbours ------------------------------------------------------------------------------------------------------
@kernel
def can_climb(blocks: np.ndarray, cell: int, pitch: int) -> bool:
    """Whether an agent may go up from a cell."""
    return blocks[cell - pitch] != EMPTY


@kernel
def predecessor(blocks: np.ndarray, cell: int, pitch: int, side: int) -> int:
    """The cell on one of six sides if an agent may step from there to ``cell``, else ``cell`` itself."""
    if side == 0:
        return cell - pitch * pitch
    if side == 1:
        return cell + pitch * pitch
    if side == 2:
        return cell - unsigned(1)
    if side == 3:
        return cell + unsigned(1)
    if side == 4:
        return cell + pitch  # steps down
    return cell - pitch if can_climb(blocks, cell - pitch, pitch) else cell


@kernel
def successor(blocks: np.ndarray, cell: int, pitch: int, side: int) -> int:
    """The cell on one of six sides if an agent may step there from ``cell``, else ``cell`` itself."""
    if side < 4:
        return predecessor(blocks, cell, pitch, side)
    if side == 4:
        return cell - pitch
    return cell + pitch if can_climb(blocks, cell, pitch) else cell


# -- all of it -------------------------------------------------------------------------------------------------------
@kernel
def clear(field: np.ndarray) -> None:
    """No cell has a way."""
    for cell in range(field.size):
        if field[cell] != BORDER:
            field[cell] = UNREACHABLE


@kernel
def walk_from(blocks: np.ndarray, field: np.ndarray, pitch: int, queue: np.ndarray, count: int) -> None:
    """Breadth-first search backwards from ``queue[:count]``, whose values stand in the field."""
    pitch = unsigned(pitch)
    head = 0
    while head < count:
        cell = unsigned(queue[head])
        head += 1
        further = wide(field[cell]) + 1
        for side in range(6):
            near = predecessor(blocks, cell, pitch, side)
            if field[near] == UNREACHABLE:
                field[near] = further
                queue[count] = near
                count += 1


@kernel
def walk(blocks: np.ndarray, sources: np.ndarray, field: np.ndarray, pitch: int, queue: np.ndarray) -> None:
    """The whole field afresh.

    Args:
        sources: bool or uint8 [C], not zero where the distance is 0.
    """
    clear(field)
    count = 0
    for cell in range(field.size):
        if sources[cell]:
            field[cell] = 0
            queue[count] = cell
            count += 1
    walk_from(blocks, field, pitch, queue, count)


# -- what a change touches -------------------------------------------------------------------------------------------
@kernel
def open_edge(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, queue: np.ndarray) -> None:
    """An agent may climb from a cell now."""
    pitch, cell = unsigned(pitch), unsigned(cell)
    above = cell + pitch
    if field[cell] == BORDER or field[above] >= BORDER or field[cell] <= field[above] + 1:
        return
    field[cell] = field[above] + 1
    _shorten(blocks, field, pitch, cell, queue)


@kernel
def _shorten(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, queue: np.ndarray) -> None:
    """The value of a cell has fallen: so may those from which it is reached."""
    queue[0] = cell
    head, count = 0, 1
    while head < count:
        here = unsigned(queue[head])
        head += 1
        further = wide(field[here]) + 1
        for side in range(6):
            near = predecessor(blocks, here, pitch, side)
            if field[near] != BORDER and field[near] > further:
                field[near] = further
                queue[count] = near
                count += 1


@kernel
def add_source(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, queue: np.ndarray) -> None:
    """A cell is a source now."""
    pitch, cell = unsigned(pitch), unsigned(cell)
    field[cell] = 0
    _shorten(blocks, field, pitch, cell, queue)


@kernel
def close_edge(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, scratch: Scratch) -> None:
    """An agent cannot climb from a cell any more."""
    pitch, cell = unsigned(pitch), unsigned(cell)
    value = wide(field[cell])
    if 0 < value < BORDER and not _is_led(blocks, field, pitch, cell, value):
        _raise(blocks, field, pitch, cell, value, scratch)


@kernel
def end_source(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, scratch: Scratch) -> None:
    """A cell is no source any more."""
    pitch, cell = unsigned(pitch), unsigned(cell)
    _raise(blocks, field, pitch, cell, 0, scratch)


@kernel
def _raise(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, value: int, scratch: Scratch) -> None:
    """A cell has no way of its length any more; the edges are already as they will be."""
    count = _strip(blocks, field, pitch, cell, value, scratch)
    seeds = _find_borders(blocks, field, pitch, count, scratch)
    _refill(blocks, field, pitch, seeds, scratch)


@kernel
def _is_led(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, value: int) -> bool:
    """Whether a step leads from a cell of this value to one of the value below."""
    for side in range(6):  # noqa: SIM110 - numba compiles no generator
        if field[successor(blocks, cell, pitch, side)] == value - 1:
            return True
    return False


@kernel
def _strip(blocks: np.ndarray, field: np.ndarray, pitch: int, cell: int, value: int, scratch: Scratch) -> int:
    """Unmark a cell, and all that were led by unmarked ones alone; they end up in the queue.

    The queue is in order of value, so all cells of a level are known before the next level is judged.
    """
    queue, levels = scratch.queue, scratch.levels
    queue[0], levels[0] = cell, value
    field[cell] = UNREACHABLE
    head, count = 0, 1
    while head < count:
        here, level = unsigned(queue[head]), wide(levels[head])
        head += 1
        for side in range(6):
            near = predecessor(blocks, here, pitch, side)
            if field[near] == level + 1 and not _is_led(blocks, field, pitch, near, level + 1):
                field[near] = UNREACHABLE
                queue[count], levels[count] = near, level + 1
                count += 1
    return count


@kernel
def _sort(values: np.ndarray) -> None:
    """In place."""
    if values.size > _FEW:
        _sort_many(values)
        return
    for i in range(1, values.size):
        value, at = values[i], i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@allocating_kernel
def _sort_many(values: np.ndarray) -> None:
    values.sort()  # returns nothing that is kept, but numba counts its users


@kernel
def _find_borders(blocks: np.ndarray, field: np.ndarray, pitch: int, count: int, scratch: Scratch) -> int:
    """The unmarked cells from which a step leads to a marked one, as sorted ``seeds``: value << 32 | cell."""
    seeds = 0
    for i in range(count):
        cell = unsigned(scratch.queue[i])
        best = wide(UNREACHABLE)
        for side in range(6):
            beside = wide(field[successor(blocks, cell, pitch, side)])
            if beside < BORDER:
                best = min(best, beside + 1)
        if best < BORDER:
            scratch.seeds[seeds] = best << 32 | wide(cell)
            seeds += 1
    _sort(scratch.seeds[:seeds])
    return seeds


@kernel
def _refill(blocks: np.ndarray, field: np.ndarray, pitch: int, seeds: int, scratch: Scratch) -> None:
    """Breadth-first search into the unmarked cells; all seeds of a value join before the first cell of it goes on."""
    queue = scratch.queue
    head = count = seed = 0
    while head < count or seed < seeds:
        if seed < seeds and (head == count or scratch.seeds[seed] >> 32 <= field[queue[head]]):
            cell, value = unsigned(scratch.seeds[seed] & _CELL), scratch.seeds[seed] >> 32
            seed += 1
            if field[cell] == UNREACHABLE:
                field[cell] = value
                queue[count] = cell
                count += 1
            continue
        cell = unsigned(queue[head])
        head += 1
        for side in range(6):
            near = predecessor(blocks, cell, pitch, side)
            if field[near] == UNREACHABLE:
                field[near] = field[cell] + 1
                queue[count] = near
                count += 1
