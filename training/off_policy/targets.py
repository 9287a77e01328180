"""What the values of sampled records should have been."""

import torch
from torch import Tensor


def n_step_targets(
    rewards: Tensor, terminal: Tensor, truncated: Tensor, bootstrap: Tensor, gamma: float, n_step: int
) -> Tensor:
    """Returns of up to n steps, then the value of the record that follows.

    G_k = r_k + gamma r_k+1 + ... + gamma^m V(k + m), where m = n, or fewer when the episode ends inside: a terminal
    action is followed by nothing, a truncation by the value of its final observation.

    Args:
        rewards: float32 [K + n, B], likewise `terminal` and `truncated` (bool).
        bootstrap: float32 [K + n, B], the value of each record.

    Returns:
        float32 [K, B].
    """
    length = rewards.shape[0] - n_step
    target = torch.zeros_like(rewards[:length])
    running = torch.ones_like(terminal[:length])  # the return still runs on
    value = bootstrap[:length]
    for m in range(n_step):
        here = slice(m, m + length)
        running = running & ~truncated[here]
        target = target + torch.where(running, gamma**m * rewards[here], 0.0)
        value = torch.where(running, gamma ** (m + 1) * bootstrap[m + 1 : m + 1 + length], value)
        value = torch.where(running & terminal[here], 0.0, value)
        running = running & ~terminal[here]
    return target + value


def widen_gaps(targets: Tensor, q: Tensor, actions: Tensor, weight: float) -> Tensor:
    """Advantage learning (Bellemare et al. 2016, https://arxiv.org/abs/1512.04860): targets of actions that are not the
    best, lowered by `weight` times what they fall short, so that in the end the gap is 1 / (1 - weight) times as wide.

    Args:
        targets: float32 [K, B].
        q: float32 [K, B, A], of the network that judges. actions: int64 [K, B].
    """
    return targets - weight * (q.max(-1).values - q.gather(-1, actions[..., None])[..., 0])
