"""Advantages of on-policy segments: generalised advantage estimation, where a truncation is no end."""

import torch
from torch import Tensor


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminals: Tensor,
    dones: Tensor,
    mask: Tensor,
    gamma: float,
    lam: float,
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016, https://arxiv.org/abs/1506.02438).

    delta_t = r_t + gamma V(s_t+1) - V(s_t), where nothing follows a terminal action;
    A_t = delta_t + gamma lambda A_t+1, where no sum runs on over the end of an episode, terminal or truncated, nor into
    a step that was none: that of a row whose worker died.

    Args:
        rewards: float32 [T, N], of the action at t; likewise the others.
        values: float32 [T, N], V(s_t).
        next_values: float32 [T, N], V(s_t+1): of the next observation, of the last step's successor, and of the final
            observation where the action at t ended its episode.
        terminals: bool [T, N], the action at t ended its episode in a terminal state.
        dones: bool [T, N], the action at t ended its episode, terminal or truncated.
        mask: bool [T, N], False where what is stored means nothing.

    Returns:
        advantages and returns (advantages + values), float32 [T, N].
    """
    deltas = torch.where(mask, rewards + gamma * next_values * ~terminals - values, 0.0)
    weights = gamma * lam * ~dones
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in reversed(range(len(deltas))):
        running = deltas[t] + weights[t] * running
        advantages[t] = running
    return advantages, advantages + values
