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
    """Act, score, end; the arrays are those of `kernels.act`, `rewards.score`, `end` and `shows_more`.

    Returns:
        whether any world has more built than the milestones that it holds say.
    """
    any_more = False
    for env in range(iou.size):
        kernels.act(state, env, actions, deeds, rules, scratch)
        rewards.score(state, env, deeds, iou, terms, rules.as_original)
        rewards.end(state, env, steps, rules.enough, terminals, truncations)
        any_more |= rewards.shows_more(state, env, shares, held)
    return any_more
