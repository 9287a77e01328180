"""Rewards: one function per named term. A term says how much of its thing happened; the weights are in `config`."""

import numpy as np

from puffer_envs.jit import kernel
from puffer_envs.voxel_swarm.config import Config, reward_weights
from puffer_envs.voxel_swarm.kernels import MENDED, MISPLACED, PLACED
from puffer_envs.voxel_swarm.state import EMPTY, RIGHT, TARGETS, WRONG, State

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_PLACED, _WRONG, _MENDED, _IOU, _STEP, _SUCCESS, _ON_TARGET, _ON_WRONG, _MATCH, _EMPTY_HANDED = range(len(TERMS))


@kernel
def iou(state: State, env: int) -> float:
    """Filled targets over all cells that are filled or targets."""
    return state.counts[env, RIGHT] / (state.counts[env, TARGETS] + state.counts[env, WRONG])


@kernel
def recall(state: State, env: int) -> float:
    """Share of the targets that are filled."""
    return state.counts[env, RIGHT] / state.counts[env, TARGETS]


@kernel
def is_whole(state: State, env: int) -> bool:
    """Every target is filled and nothing else is."""
    return state.counts[env, RIGHT] == state.counts[env, TARGETS] and state.counts[env, WRONG] == 0


@kernel
def score(state: State, env: int, deeds: np.ndarray, before: np.ndarray, terms: np.ndarray, as_original: bool) -> None:
    """The terms of a step of one environment's agents.

    Args:
        deeds: int8 [E * A], what each agent did.
        before: float32 [E], the IoU before the step; after it when this returns.
        terms: float32 [E * A, K], zeros; written.
        as_original: whether the original's terms are wanted too.
    """
    agents = state.cells.shape[1]
    now = np.float32(iou(state, env))
    gain = now - before[env]
    before[env] = now
    success = 1.0 if is_whole(state, env) else 0.0
    for row in range(env * agents, (env + 1) * agents):
        of = terms[row]
        of[_PLACED] = deeds[row] == PLACED
        of[_WRONG] = deeds[row] == MISPLACED
        of[_MENDED] = deeds[row] == MENDED
        of[_IOU] = gain
        of[_STEP] = 1.0
        of[_SUCCESS] = success
    if as_original:
        _score_as_original(state, terms, env)


@kernel
def shows_more(state: State, env: int, shares: np.ndarray, held: np.ndarray) -> bool:
    """Whether a world has more built than the milestones that it holds say.

    Args:
        shares: float64 [M], share of the targets that each milestone asks for.
        held: bool [E * A, M].
    """
    first = env * state.cells.shape[1]
    for milestone in range(shares.size):
        if not held[first, milestone] and recall(state, env) >= shares[milestone]:
            return True
    return False


@kernel
def end(
    state: State, env: int, steps: np.ndarray, enough: float, terminals: np.ndarray, truncations: np.ndarray
) -> None:
    """Whether an episode ends: its shape is whole, else it may be out of time.

    Args:
        steps: int32 [E * A], steps of each episode before this one.
        enough: an episode ends when a greater share of the targets is filled; 1: when the shape is whole.
        terminals: bool [E * A], written like ``truncations``.
    """
    agents = state.cells.shape[1]
    done = is_whole(state, env) if enough >= 1 else recall(state, env) > enough
    late = not done and steps[env * agents] + 1 >= state.limit[env]
    for row in range(env * agents, (env + 1) * agents):
        terminals[row] = done
        truncations[row] = late


@kernel
def _score_as_original(state: State, terms: np.ndarray, env: int) -> None:
    """What is, not what happened, once all agents have moved."""
    agents = state.cells.shape[1]
    match = recall(state, env)
    for agent in range(agents):
        cell, row = state.cells[env, agent], env * agents + agent
        filled, wanted = state.blocks[env, cell] != EMPTY, state.targets[env, cell] != 0
        terms[row, _ON_TARGET] = filled and wanted
        terms[row, _ON_WRONG] = filled and not wanted
        terms[row, _MATCH] = match
        terms[row, _EMPTY_HANDED] = not filled and wanted and not state.carrying[env, agent]
