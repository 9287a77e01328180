"""A step of many environments in one call: each call costs microseconds, as much as a step of 50 agents."""

import numpy as np

from puffer_envs.jit import kernel
from puffer_envs.voxel_swarm import kernels, rewards
from puffer_envs.voxel_swarm.state import Rules, Scratch, State


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
    rules: Rules,
    scratch: Scratch,
) -> bool:
    """Act, score, end; the arrays are those of `kernels.act` and of `rewards`.

    Returns:
        whether any world has more built than the milestones that it holds say.
    """
    counts = state.counts
    kernels.act(state, actions, deeds, rules, scratch)
    rewards.score(counts, deeds, iou, terms)
    if rules.as_original:
        rewards.score_as_original(state, terms)
    rewards.end(counts, state.limit, steps, rules.enough, terminals, truncations)
    return rewards.shows_more(counts, shares, held)
