"""Rewards: one function per named term. A term says how much of its thing happened; the weights are in `config`."""

import numpy as np

from puffer_envs.jit import kernel
from puffer_envs.voxel_swarm.config import Config, reward_weights
from puffer_envs.voxel_swarm.kernels import MENDED, MISPLACED, PLACED
from puffer_envs.voxel_swarm.state import EMPTY, RIGHT, TARGETS, WRONG, State

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_PLACED, _WRONG, _MENDED, _IOU, _STEP, _SUCCESS, _ON_TARGET, _ON_WRONG, _MATCH, _EMPTY_HANDED = range(len(TERMS))


# `counts` int32 [3] is one environment's. Kernels take the arrays that they need, not all of `State`: each call counts
# one more user of every array that it is given and one less in the end, which takes longer than what these do.
@kernel
def iou(counts: np.ndarray) -> float:
    """Filled targets over all cells that are filled or targets."""
    return counts[RIGHT] / (counts[TARGETS] + counts[WRONG])


@kernel
def recall(counts: np.ndarray) -> float:
    """Share of the targets that are filled."""
    return counts[RIGHT] / counts[TARGETS]


@kernel
def is_whole(counts: np.ndarray) -> bool:
    """Every target is filled and nothing else is."""
    return counts[RIGHT] == counts[TARGETS] and counts[WRONG] == 0


@kernel
def is_over(counts: np.ndarray, enough: float) -> bool:
    """Whether so much stands that the episode ends: ``enough`` as in `Rules`."""
    return is_whole(counts) if enough >= 1 else recall(counts) > enough


@kernel
def score(counts: np.ndarray, deeds: np.ndarray, gain: float, terms: np.ndarray) -> None:
    """The terms of a step of one environment's agents.

    Args:
        deeds: int8 [A], what each agent did.
        gain: of IoU.
        terms: float32 [A, K], zeros; written.
    """
    success = np.float32(is_whole(counts))
    for agent in range(deeds.size):
        deed = deeds[agent]
        terms[agent, _PLACED] = deed == PLACED
        terms[agent, _WRONG] = deed == MISPLACED
        terms[agent, _MENDED] = deed == MENDED
        terms[agent, _IOU] = gain
        terms[agent, _STEP] = 1.0
        terms[agent, _SUCCESS] = success


@kernel
def shows_more(counts: np.ndarray, shares: np.ndarray, held: np.ndarray) -> bool:
    """Whether a world has more built than the milestones that it holds say.

    Args:
        shares: float64 [M], share of the targets that each milestone asks for.
        held: bool [M].
    """
    built = recall(counts)
    more = False
    for milestone in range(shares.size):
        more |= built >= shares[milestone] and not held[milestone]
    return more


@kernel
def score_as_original(state: State, env: int, terms: np.ndarray) -> None:
    """What is, not what happened, once all agents have moved; ``terms`` float32 [A, K]."""
    match = recall(state.counts[env])
    for agent in range(state.cells.shape[1]):
        cell = state.cells[env, agent]
        filled, wanted = state.blocks[env, cell] != EMPTY, state.targets[env, cell] != 0
        terms[agent, _ON_TARGET] = filled and wanted
        terms[agent, _ON_WRONG] = filled and not wanted
        terms[agent, _MATCH] = match
        terms[agent, _EMPTY_HANDED] = not filled and wanted and not state.carrying[env, agent]
