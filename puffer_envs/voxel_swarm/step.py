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
    """Act, score, end.

    Args:
        actions: int32 [E * A].
        deeds: int8 [E * A], written: what each agent did.
        iou: float32 [E], before the step; after it when this returns.
        terms: float32 [E * A, K], zeros; written.
        terminals: bool [E * A], written like ``truncations``.
        steps: int32 [E * A], steps of each episode before this one.
        shares: float64 [M], share of the targets that each milestone asks for.
        held: bool [E * A, M], milestones.

    Returns:
        whether any world has more built than the milestones that it holds say.
    """
    agents = state.cells.shape[1]
    all_counts, limits = state.counts, state.limit
    any_more = False
    for env in range(iou.size):
        first, last = env * agents, (env + 1) * agents
        kernels.act(state, env, actions[first:last], deeds[first:last], rules, scratch)
        counts = all_counts[env]
        now = np.float32(rewards.iou(counts))
        rewards.score(counts, deeds[first:last], now - iou[env], terms[first:last])
        if rules.as_original:
            rewards.score_as_original(state, env, terms[first:last])
        iou[env] = now
        terminals[first:last] = over = rewards.is_over(counts, rules.enough)
        truncations[first:last] = not over and steps[first] + 1 >= limits[env]
        any_more |= rewards.shows_more(counts, shares, held[first])
    return any_more
