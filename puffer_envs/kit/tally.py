"""What a step adds up, and what is cleared when an episode ends: of all rows in one call each."""

import numpy as np

from puffer_envs.kit.jit import kernel


@kernel
def weigh(terms: np.ndarray, weights: np.ndarray, rewards: np.ndarray, returns: np.ndarray, sums: np.ndarray) -> None:
    """Weigh the terms of a step, and add them up over terms, over the episode and over rows.

    Args:
        terms: float32 [N, K], weighted in place.
        weights: float32 [K].
        rewards: float32 [N], written.
        returns: float32 [N, K], of the episodes so far.
        sums: float64 [K], of all rows since the last report.
    """
    for row in range(rewards.size):
        total = np.float32(0)
        for k in range(weights.size):
            if terms[row, k] != 0:  # most are 0 in most games
                term = terms[row, k] * weights[k]
                terms[row, k] = term
                returns[row, k] += term
                sums[k] += term
                total += term
        rewards[row] = total


@kernel
def add_up(rows: np.ndarray, steps: np.ndarray, returns: np.ndarray, sums: np.ndarray) -> None:
    """Count the episodes of ``rows`` (indices): ``sums`` float64 [3] of episodes, their lengths and their returns."""
    sums[0] += rows.size
    for row in rows:
        sums[1] += steps[row]
        for k in range(returns.shape[1]):
            sums[2] += returns[row, k]


@kernel
def clear(
    rows: np.ndarray,
    steps: np.ndarray,
    returns: np.ndarray,
    held: np.ndarray,
    held_at_start: np.ndarray,
    reached_at: np.ndarray,
) -> None:
    """Fresh episode memory for ``rows`` (indices); the arrays are those of `BatchedEnv`."""
    for row in rows:
        steps[row] = 0
        for k in range(returns.shape[1]):
            returns[row, k] = 0
        for milestone in range(held.shape[1]):
            held_at_start[row, milestone] = held[row, milestone]
            reached_at[row, milestone] = -1
