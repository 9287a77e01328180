"""Rewards: one function per named term. A term says how much of its thing happened; the weights are in `config`."""

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.voxel_swarm.config import Config, reward_weights
from puffer_envs.voxel_swarm.kernels import MENDED, MISPLACED, PLACED
from puffer_envs.voxel_swarm.state import EMPTY, RIGHT, TARGETS, WRONG, State

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_PLACED, _WRONG, _MENDED, _IOU, _STEP, _SUCCESS, _ON_TARGET, _ON_WRONG, _MATCH, _EMPTY_HANDED = range(len(TERMS))


# `counts` is `State.counts`.
@kernel
def iou(counts: np.ndarray, env: int) -> float:
    """Filled targets over all cells that are filled or targets."""
    return counts[env, RIGHT] / (counts[env, TARGETS] + counts[env, WRONG])


@kernel
def recall(counts: np.ndarray, env: int) -> float:
    """Share of the targets that are filled."""
    return counts[env, RIGHT] / counts[env, TARGETS]


@kernel
def is_whole(counts: np.ndarray, env: int) -> bool:
    """Every target is filled and nothing else is."""
    return counts[env, RIGHT] == counts[env, TARGETS] and counts[env, WRONG] == 0


@kernel
def score(counts: np.ndarray, deeds: np.ndarray, before: np.ndarray, terms: np.ndarray) -> None:
    """The terms of a step of all agents.

    Args:
        deeds: int8 [E * A], what each agent did.
        before: float32 [E], the IoU before the step; after it when this returns.
        terms: float32 [E * A, K], zeros; written.
    """
    agents = deeds.size // before.size
    for env in range(before.size):
        now = np.float32(iou(counts, env))
        gain, success = now - before[env], np.float32(is_whole(counts, env))
        before[env] = now
        for row in range(env * agents, (env + 1) * agents):
            deed = deeds[row]
            terms[row, _PLACED] = deed == PLACED
            terms[row, _WRONG] = deed == MISPLACED
            terms[row, _MENDED] = deed == MENDED
            terms[row, _IOU] = gain
            terms[row, _STEP] = 1.0
            terms[row, _SUCCESS] = success


@kernel
def end(
    counts: np.ndarray,
    limits: np.ndarray,
    steps: np.ndarray,
    enough: float,
    terminals: np.ndarray,
    truncations: np.ndarray,
) -> None:
    """Which episodes end: those of which so much stands, then those that are out of time.

    Args:
        limits: int32 [E], steps that each episode may last.
        steps: int32 [E * A], steps of each episode before this one.
        enough: an episode ends when a greater share of the targets is filled; 1: when the shape is whole.
        terminals: bool [E * A], written like ``truncations``.
    """
    agents = steps.size // limits.size
    for env in range(limits.size):
        done = is_whole(counts, env) if enough >= 1 else recall(counts, env) > enough
        late = not done and steps[env * agents] + 1 >= limits[env]
        for row in range(env * agents, (env + 1) * agents):
            terminals[row] = done
            truncations[row] = late


@kernel
def find_reached(counts: np.ndarray, shares: np.ndarray, held: np.ndarray, reached: np.ndarray) -> int:
    """Milestones that worlds show and do not hold yet; how many.

    Args:
        shares: float64 [M], share of the targets that each milestone asks for.
        held: bool [E * A, M].
        reached: int32 [E * M, 2], written: environment and milestone of each.
    """
    agents, found = held.shape[0] // counts.shape[0], 0
    for env in range(counts.shape[0]):
        built = recall(counts, env)
        for milestone in range(shares.size):
            if built >= shares[milestone] and not held[env * agents, milestone]:
                reached[found, 0], reached[found, 1] = env, milestone
                found += 1
    return found


@kernel
def score_as_original(state: State, terms: np.ndarray) -> None:
    """What is, not what happened, once all agents have moved; ``terms`` float32 [E * A, K]."""
    agents = state.cells.shape[1]
    for row in range(terms.shape[0]):
        env, agent = row // agents, row % agents
        cell = state.cells[env, agent]
        filled, wanted = state.blocks[env, cell] != EMPTY, state.targets[env, cell] != 0
        terms[row, _ON_TARGET] = filled and wanted
        terms[row, _ON_WRONG] = filled and not wanted
        terms[row, _MATCH] = recall(state.counts, env)
        terms[row, _EMPTY_HANDED] = not filled and wanted and not state.carrying[env, agent]
