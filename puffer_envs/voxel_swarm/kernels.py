"""The rules: agents act one after the other, and the scent follows each block at once."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel, unsigned, wide
from puffer_envs.kit.rng import fresh_key, randint
from puffer_envs.voxel_swarm.scent import field
from puffer_envs.voxel_swarm.state import (
    EMPTY,
    FILLED,
    MISTAKES,
    NO_SOURCE,
    OUTSIDE,
    PICK,
    PLACE,
    RIGHT,
    TARGETS,
    UNFILLED,
    UP,
    WRONG,
    Rules,
    Scent,
    Scratch,
    Shapes,
    State,
)

_NOTHING = np.zeros(0, np.int32)
PLACED, MISPLACED, MENDED = 1, 2, 3  # what an agent did in a step, beside 0


@kernel
def act(state: State, actions: np.ndarray, deeds: np.ndarray, rules: Rules, scratch: Scratch) -> None:
    """One step of all environments' agents.

    Args:
        actions: int32 [E * A].
        deeds: int8 [E * A], written: PLACED, MISPLACED, MENDED or 0.
    """
    agents = state.cells.shape[1]
    for env in range(state.cells.shape[0]):
        for agent in range(agents):
            row = env * agents + agent
            action, deed = actions[row], 0
            if action == PLACE:
                deed = place(state, env, agent, rules, scratch)
            elif action == PICK:
                deed = pick(state, env, agent, rules, scratch)
            elif 0 <= action < PLACE:  # what is no action does nothing: a wrong index would write anywhere
                move(state, env, agent, action, rules)
            deeds[row] = deed
        state.crowded[env] += state.shared[env]


@inlined_kernel
def place(state: State, env: int, agent: int, rules: Rules, scratch: Scratch) -> int:
    """An agent puts its block down where it is; in a filled cell the block stays in hand. What that was."""
    cell, counts, pitch = unsigned(state.cells[env, agent]), state.counts, unsigned(rules.pitch)
    if not state.carrying[env, agent] or state.blocks[env, cell] != EMPTY:
        return 0
    state.carrying[env, agent] = False
    state.blocks[env, cell] = FILLED
    if state.targets[env, cell] != 0:
        counts[env, RIGHT] += 1
        follow_right(state, env, cell, rules, scratch)
        return PLACED
    counts[env, WRONG] += 1
    if rules.scent.walk and state.smell[env] == UNFILLED:
        field.open_edge(state.blocks[env], state.field[env], pitch, cell + pitch, scratch.queue)
    else:
        follow_wrong(state, env, cell, rules, scratch)
    return MISPLACED


@inlined_kernel
def pick(state: State, env: int, agent: int, rules: Rules, scratch: Scratch) -> int:
    """An agent takes a wrong block out of its cell, or a new one out of the air. What that was.

    Full hands take a wrong block away, too. Blocks come out of the air without end, so nothing is gained by it but
    this: were it refused, a shape complete but for its wrong blocks could not be finished by agents that all carry
    one, for want of a place to put it.
    """
    cell, pitch = unsigned(state.cells[env, agent]), unsigned(rules.pitch)
    if state.blocks[env, cell] == EMPTY:
        state.carrying[env, agent] = True
        return 0
    if state.targets[env, cell] != 0:
        return 0
    state.carrying[env, agent] = True
    state.blocks[env, cell] = EMPTY
    state.counts[env, WRONG] -= 1
    if rules.scent.walk and state.smell[env] == UNFILLED:
        field.close_edge(state.blocks[env], state.field[env], pitch, cell + pitch, scratch)
    else:
        follow_mended(state, env, cell, rules, scratch)
    return MENDED


@inlined_kernel
def move(state: State, env: int, agent: int, action: int, rules: Rules) -> None:
    """An agent goes to one of the six cells beside it: not off the grid, and up only where one can climb."""
    blocks, crowd, pitch = state.blocks, state.crowd, unsigned(rules.pitch)
    cell = unsigned(state.cells[env, agent])
    to = cell + rules.ways[action]
    # In one expression, without a branch for each direction: a processor that guesses which comes next guesses wrong
    # five times out of six.
    stays = (blocks[env, to] == OUTSIDE) | ((action == UP) & (blocks[env, cell - pitch] == EMPTY))
    stays |= rules.collisions & (crowd[env, to] > 0)
    to = cell if stays else to
    crowd[env, cell] -= 1
    state.shared[env] += wide(crowd[env, to] > 0) - wide(crowd[env, cell] > 0)
    crowd[env, to] += 1
    state.cells[env, agent] = to


# -- the scent after a block has come or gone --------------------------------------------------------------------------
@kernel
def follow_right(state: State, env: int, cell: int, rules: Rules, scratch: Scratch) -> None:
    """A target has been filled."""
    blocks, distances, pitch = state.blocks[env], state.field[env], unsigned(rules.pitch)
    was_last = state.counts[env, RIGHT] == state.counts[env, TARGETS]
    ends = not rules.scent.all_targets
    if not rules.scent.walk:
        state.stale[env] |= was_last or ends
    elif was_last:
        choose_sources(state, env, pitch, rules.scent, scratch)
    else:
        field.open_edge(blocks, distances, pitch, cell + pitch, scratch.queue)
        if ends:
            field.end_source(blocks, distances, pitch, cell, scratch)


@kernel
def follow_wrong(state: State, env: int, cell: int, rules: Rules, scratch: Scratch) -> None:
    """A block has been placed elsewhere."""
    blocks, distances, pitch = state.blocks[env], state.field[env], unsigned(rules.pitch)
    is_source = state.smell[env] != UNFILLED  # every target is filled: it has to go again
    if not rules.scent.walk:
        state.stale[env] |= is_source
        return
    field.open_edge(blocks, distances, pitch, cell + pitch, scratch.queue)
    if is_source:
        state.smell[env] = MISTAKES
        field.add_source(blocks, distances, pitch, cell, scratch.queue)


@kernel
def follow_mended(state: State, env: int, cell: int, rules: Rules, scratch: Scratch) -> None:
    """A wrong block has been taken away."""
    blocks, distances, pitch = state.blocks[env], state.field[env], unsigned(rules.pitch)
    was_source = state.smell[env] == MISTAKES
    if not rules.scent.walk:
        state.stale[env] |= was_source
    elif was_source and state.counts[env, WRONG] == 0:
        state.smell[env] = NO_SOURCE
        field.clear(distances)
    else:
        if was_source:
            field.end_source(blocks, distances, pitch, cell, scratch)
        field.close_edge(blocks, distances, pitch, cell + pitch, scratch)


# -- the scent of a whole world ----------------------------------------------------------------------------------------
@kernel
def is_source(block: int, target: int, unfilled: bool, all_targets: bool) -> bool:
    """Whether a cell smells: an unfilled target, or where there is none any more (``unfilled``) a wrong block."""
    if unfilled:
        return target != 0 and (all_targets or block == EMPTY)
    return block == FILLED and target == 0


@kernel
def choose_sources(state: State, env: int, pitch: int, scent: Scent, scratch: Scratch) -> None:
    """The field of `walk` afresh."""
    blocks, targets, distances, queue = state.blocks[env], state.targets[env], state.field[env], scratch.queue
    unfilled = state.counts[env, RIGHT] < state.counts[env, TARGETS]
    all_targets = scent.all_targets
    field.clear(distances)
    count = 0
    for cell in range(blocks.size):
        if is_source(blocks[cell], targets[cell], unfilled, all_targets):
            distances[cell] = 0
            queue[count] = cell
            count += 1
    state.smell[env] = NO_SOURCE if count == 0 else UNFILLED if unfilled else MISTAKES
    field.walk_from(blocks, distances, pitch, queue, count)


# -- new worlds ------------------------------------------------------------------------------------------------------
@kernel
def begin_shape(state: State, env: int, stream: np.ndarray, shapes: Shapes, pitch: int, spawned: np.ndarray) -> None:
    """A new world of a shape that is drawn, no field yet.

    Args:
        stream: uint64 [2], the environment's.
        spawned: int32 [A], working space.
    """
    fresh_key(stream)
    shape = draw_shape(stream, shapes, state.begun[env])
    spawn(stream, spawned, pitch)
    set_world(state, env, shapes.cells[shapes.starts[shape] : shapes.starts[shape + 1]], _NOTHING, spawned)
    state.carrying[env] = True
    state.text[env] = shapes.texts[shape]
    state.begun[env] += 1


@kernel
def draw_shape(stream: np.ndarray, shapes: Shapes, begun: int) -> np.int64:
    """Index of a shape: of the easiest at first, then of more and more."""
    grown = min(max((begun - shapes.easy_episodes) / max(1, shapes.growing_episodes), 0.0), 1.0)
    share = shapes.easy_share + (1 - shapes.easy_share) * grown
    return randint(stream, max(1, round(share * shapes.texts.size)))


@kernel
def set_world(state: State, env: int, targets: np.ndarray, filled: np.ndarray, cells: np.ndarray) -> None:
    """Make a world of numbers of cells (int32), each of ``targets`` and of ``filled`` given once; no field yet.

    Args:
        cells: where the agents are.
    """
    blocks, wanted, crowd = state.blocks[env], state.targets[env], state.crowd[env]
    for cell in range(blocks.size):
        wanted[cell] = 0
        crowd[cell] = 0
        if blocks[cell] == FILLED:
            blocks[cell] = EMPTY
    for cell in targets:
        wanted[cell] = 1
    right = 0
    for cell in filled:
        blocks[cell] = FILLED
        right += wanted[cell]
    state.counts[env, TARGETS] = targets.size
    state.counts[env, RIGHT] = right
    state.counts[env, WRONG] = filled.size - right
    state.shared[env] = 0
    for agent in range(cells.size):
        state.cells[env, agent] = cells[agent]
        state.shared[env] += crowd[cells[agent]] > 0
        crowd[cells[agent]] += 1


@kernel
def spawn(stream: np.ndarray, cells: np.ndarray, pitch: int) -> None:
    """Draw a cell on one of the four edges of the ground for each agent, numbers int32 [A] into ``cells``."""
    last = pitch - 3
    for agent in range(cells.size):
        edge, along = randint(stream, 4), randint(stream, last + 1)
        x = 0 if edge == 0 else last if edge == 2 else along
        z = along if edge == 0 or edge == 2 else last if edge == 1 else 0
        cells[agent] = ((x + 1) * pitch + 1) * pitch + z + 1
