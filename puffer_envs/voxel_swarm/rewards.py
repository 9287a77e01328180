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
def score(state: State, deeds: np.ndarray, before: np.ndarray, terms: np.ndarray, as_original: bool) -> None:
    """The terms of a step of all agents.

    Args:
        deeds: int8 [E * A], what each agent did.
        before: float32 [E], the IoU before the step; after it when this returns.
        terms: float32 [E * A, K], zeros; written.
        as_original: whether the original's terms are wanted too.
    """
    agents = state.cells.shape[1]
    for env in range(before.size):
        now = np.float32(iou(state, env))
        gain = now - before[env]
        before[env] = now
        success = 1.0 if is_whole(state, env) else 0.0
        for row in range(env * agents, (env + 1) * agents):
            deed = deeds[row]
            if deed:
                terms[row, _PLACED] = deed == PLACED
                terms[row, _WRONG] = deed == MISPLACED
                terms[row, _MENDED] = deed == MENDED
            terms[row, _IOU] = gain
            terms[row, _STEP] = 1.0
            terms[row, _SUCCESS] = success
        if as_original:
            _score_as_original(state, terms, env)


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
