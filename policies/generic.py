"""Networks for any layout, one for each learner. They have no memory but the last pictures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn

from policies.actions import Distribution, SquashedGaussian, head
from policies.blocks import body, orthogonal
from policies.encoder import Convolutions, Encoder
from policies.protocol import ActorCritic, QNetwork, SoftActorCritic
from policies.values import DuelingHead, TwinCritic

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

LOG_STD = (-5.0, 2.0)  # of a soft actor, as CleanRL has it


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    hidden: Annotated[int, Ge(1)] = 64
    """Width of the two layers, and of what a picture becomes."""
    frame_stack: Annotated[int, Interval(ge=1, le=16)] = 4
    """Of observations that are pictures, how many are looked at: the newest and those before it. One holds no speed."""
    motion: bool = False
    """Look at the difference of the last two pictures as well."""
    convolutions: Convolutions = "patches"
    """patches: one layer of small patches without overlap and two convolutions; nature: the three of Mnih et al. 2015,
    five times the work."""


PRESETS = {"slim": PolicyConfig(), "large": PolicyConfig(hidden=256, convolutions="nature")}


class _Generic:
    """What all of them have."""

    state_size = 0

    def _look(self, layout: "ObsLayout", config: PolicyConfig) -> None:
        self.config = config
        self.encoder = Encoder(layout, config.frame_stack, config.motion, config.convolutions, config.hidden)
        self.history = self.encoder.history

    @property
    def bytes_of_a_row(self) -> int:
        """What an update remembers of a row between the layers, with its gradients."""
        return 9 * 4 * self.config.hidden + 3 * 4 * self.encoder.kept + 8 * self.encoder.pixels


class GenericPolicy(_Generic, ActorCritic):
    """Features -> two layers -> a distribution over whatever the actions are, and a value."""

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self._look(layout, config)
        self.trunk = body(self.encoder.size, config.hidden, nn.Tanh)
        self.actor = head(config.hidden, action)
        self.critic = orthogonal(nn.Linear(config.hidden, 1), 1.0)

    def forward(self, given: Tensor) -> tuple[Distribution, Tensor]:
        """What is shown -> distribution of ``[B]``, values ``[B]``."""
        x = self.trunk(self.encoder(given))
        return self.actor(x), self.critic(x)[:, 0]

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        return *self(rows), state


class GenericQ(_Generic, QNetwork):
    """Features -> two layers -> the values of the choices, dueling."""

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self._look(layout, config)
        self.trunk = body(self.encoder.size, config.hidden, nn.ReLU)
        self.num_actions, self.feature_size = action.parts[0], config.hidden
        self.q = DuelingHead(config.hidden, self.num_actions)

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        return self.trunk(self.encoder(frames))

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        return self.q(features), state

    def sequence(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        return self.q(features), state


class GenericSoft(_Generic, SoftActorCritic):
    """An encoder that actor and critics share, and two layers for each."""

    low: Tensor  # float32 [n], bounds of the actions
    high: Tensor

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self._look(layout, config)
        low, high = (torch.tensor(bound).flatten() for bound in action.bounds)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)
        self.trunk = body(self.encoder.size, config.hidden, nn.ReLU)
        self.actor = orthogonal(nn.Linear(config.hidden, 2 * action.size), 0.01)
        self.critics = TwinCritic(self.encoder.size, low, high, config.hidden)

    def encode(self, given: Tensor) -> Tensor:
        return self.encoder(given)

    def act(self, features: Tensor) -> SquashedGaussian:
        mean, log_std = self.actor(self.trunk(features)).chunk(2, -1)
        low, high = LOG_STD
        return SquashedGaussian(mean, low + (high - low) * (log_std.tanh() + 1) / 2, self.low, self.high)

    def actor_parameters(self) -> list[nn.Parameter]:
        return [*self.trunk.parameters(), *self.actor.parameters()]

    def judge(self, features: Tensor, actions: Tensor) -> Tensor:
        return self.critics(features, actions)
