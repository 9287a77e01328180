"""A network for any layout: all fields, scaled, through two layers. It has no memory and sees no pictures as such."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from policies.actions import Distribution, head
from policies.blocks import orthogonal, unpack
from policies.protocol import ActorCritic

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    hidden: Annotated[int, Ge(1)] = 64
    """Width of the two layers."""

    @property
    def bytes_of_a_row(self) -> int:
        """What an update remembers of a row between the layers, with its gradients."""
        return 9 * 4 * self.hidden


PRESETS = {"slim": PolicyConfig(), "large": PolicyConfig(hidden=256)}


class GenericPolicy(ActorCritic):
    """Fields -> two layers -> a distribution over whatever the actions are, and a value."""

    state_size = 0

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self.layout, self.config = layout, config
        size, gain = sum(prod(field.shape) for field in layout), 2**0.5
        self.trunk = nn.Sequential(
            orthogonal(nn.Linear(size, config.hidden), gain),
            nn.Tanh(),
            orthogonal(nn.Linear(config.hidden, config.hidden), gain),
            nn.Tanh(),
        )
        self.actor = head(config.hidden, action)
        self.critic = orthogonal(nn.Linear(config.hidden, 1), 1.0)

    def forward(self, rows: Tensor) -> tuple[Distribution, Tensor]:
        """Rows ``[B, R]`` -> distribution of ``[B]``, values ``[B]``."""
        x = self.trunk(torch.cat([unpack(rows, field).flatten(1) for field in self.layout], -1))
        return self.actor(x), self.critic(x)[:, 0]

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        return *self(rows), state
