"""From features to what a learner asks for."""

import torch
from torch import Tensor, nn

from policies.blocks import body, orthogonal


class DuelingHead(nn.Module):
    """Action values from a state value and advantages of zero mean: ``q = v + a - mean(a)`` (Wang et al. 2016)."""

    def __init__(self, in_features: int, num_actions: int) -> None:
        super().__init__()
        self.value_and_advantage = orthogonal(nn.Linear(in_features, 1 + num_actions), 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., in_features] -> [..., num_actions]``."""
        value, advantage = self.value_and_advantage(x).tensor_split([1], dim=-1)
        return value + advantage - advantage.mean(-1, keepdim=True)


class TwinCritic(nn.Module):
    """Two judges of features and actions, apart from each other: the lower one is believed (Fujimoto et al. 2018).

    Args:
        low: float32 [n], bounds of the actions, which are looked at as numbers from -1 to 1; high: float32 [n].
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, in_features: int, low: Tensor, high: Tensor, hidden: int) -> None:
        super().__init__()
        self.register_buffer("centre", high / 2 + low / 2, persistent=False)
        self.register_buffer("scale", high / 2 - low / 2, persistent=False)
        self.first, self.second = (_critic(in_features + len(low), hidden) for _ in range(2))

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """``[..., in_features], [..., n] -> [2, ...]``."""
        x = torch.cat([features, (actions - self.centre) / self.scale], -1)
        return torch.stack([self.first(x)[..., 0], self.second(x)[..., 0]])


def _critic(size: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(*body(size, hidden, nn.ReLU), orthogonal(nn.Linear(hidden, 1), 1.0))
