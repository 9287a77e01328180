"""A step of many environments in one call: each call costs microseconds, as much as a step of 50 agents."""

import numpy as np

from puffer_envs.kit.jit import kernel
from puffer_envs.voxel_swarm import kernels, rewards
from puffer_envs.voxel_swarm.state import TARGETS, Rules, Scratch, Shapes, State


@kernel
def play(
    state: State,
    actions: np.ndarray,
    deeds: np.ndarray,
    iou: np.ndarray,
    terms: np.ndarray,
    terminals: np.ndarray,
    truncations: np.ndarray,
    steps: np.ndarray,
    shares: np.ndarray,
    held: np.ndarray,
    reached: np.ndarray,
    rules: Rules,
    scratch: Scratch,
) -> int:
    """Act, score, end; the arrays are those of `kernels.act` and of `rewards`.

    Returns:
        how many milestones were reached.
    """
    counts = state.counts
    kernels.act(state, actions, deeds, rules, scratch)
    rewards.score(counts, deeds, iou, terms)
    if rules.as_original:
        rewards.score_as_original(state, terms)
    rewards.end(counts, state.limit, steps, rules.enough, terminals, truncations)
    return rewards.find_reached(counts, shares, held, reached)


@kernel
def begin(
    state: State,
    envs: np.ndarray,
    streams: np.ndarray,
    iou: np.ndarray,
    held: np.ndarray,
    shapes: Shapes,
    rules: Rules,
    scratch: Scratch,
    spawned: np.ndarray,
) -> None:
    """New worlds of environments ``envs`` (indices).

    Args:
        streams: uint64 [E, 2], of all environments.
        iou: float32 [E], written like ``held``, bool [E * A, M].
        spawned: int32 [A], working space.
    """
    for i in range(envs.size):
        env, agents = envs[i], state.cells.shape[1]
        kernels.begin_shape(state, env, streams[env], shapes, rules.pitch, spawned)
        settle(state, env, iou, rules, scratch)
        held[env * agents : (env + 1) * agents] = False


@kernel
def settle(state: State, env: int, iou: np.ndarray, rules: Rules, scratch: Scratch) -> None:
    """What follows from a world that has been made: its IoU, its time and, where agents walk, its scent."""
    iou[env] = rewards.iou(state.counts, env)
    grid_size, share = rules.pitch - 2, state.counts[env, TARGETS] / state.cells.shape[1]
    state.limit[env] = rules.max_steps if rules.max_steps > 0 else int(150 * grid_size / 8 + 8 * share)
    state.crowded[env] = 0
    if rules.scent.walk:
        kernels.choose_sources(state, env, rules.pitch, rules.scent, scratch)
