"""From features to what a learner asks for."""

from torch import Tensor, nn

from policies.blocks import orthogonal


class DuelingHead(nn.Module):
    """Action values from a state value and advantages of zero mean: ``q = v + a - mean(a)`` (Wang et al. 2016)."""

    def __init__(self, in_features: int, num_actions: int) -> None:
        super().__init__()
        self.value_and_advantage = orthogonal(nn.Linear(in_features, 1 + num_actions), 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., in_features] -> [..., num_actions]``."""
        value, advantage = self.value_and_advantage(x).tensor_split([1], dim=-1)
        return value + advantage - advantage.mean(-1, keepdim=True)
