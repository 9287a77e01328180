"""The swarm's shared actor and critic: 27 cells of sight and scent, and the text of the shape."""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from policies.actions import Categorical, Distribution
from policies.blocks import orthogonal
from policies.protocol import ActorCritic

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

TEXT_SIZE = 384  # numbers of a text's vector


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    hidden: Annotated[int, Ge(1)] = 64
    """Width of the two layers over what the agent senses, and of the one over both."""
    text_features: Annotated[int, Ge(0)] = 32
    """What a text is reduced to; 0 leaves it out."""
    embedder: str = "ngrams"
    """What makes vectors of texts: ngrams, or sentences (all-MiniLM-L6-v2, which must be installed)."""

    @property
    def bytes_of_a_row(self) -> int:
        """What an update remembers of a row between the layers, with its gradients."""
        return 9 * (83 + 4 * self.hidden + 2 * self.text_features)


PRESETS = {"slim": PolicyConfig(), "large": PolicyConfig(hidden=128, text_features=64)}


class VoxelSwarmPolicy(ActorCritic):
    """Senses -> two layers, text -> one, both -> one -> logits and value. Nothing in it knows the size of the grid.

    The rows carry the number of the text; `reading` says which vector each number stands for. The vectors belong to
    the shapes, not to the weights: they are no part of a checkpoint.
    """

    state_size = 0
    scales: Tensor
    texts: Tensor

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self.layout, self.config = layout, config
        self.embedder = config.embedder if config.text_features else ""
        *sensed, _ = layout  # the text comes last
        scales = torch.cat([torch.full((field.size,), field.scale) for field in sensed])
        # Whether the scent ends here decides what to do, and beside 27 blocks an eighth of the distance says it softly:
        # without an input of its own, one of three seeds left holes in large solids by its likeliest actions.
        self.arrival = layout["distance"].span if "distance" in layout else slice(0, 0)
        senses = len(scales) + self.arrival.stop - self.arrival.start
        gain = 2**0.5
        self.first = orthogonal(nn.Linear(senses, config.hidden), gain)
        self.second = orthogonal(nn.Linear(config.hidden, config.hidden), gain)
        self.text = orthogonal(nn.Linear(TEXT_SIZE, max(1, config.text_features)), gain)
        self.fuse = orthogonal(nn.Linear(config.hidden + config.text_features, config.hidden), gain)
        self.actor = orthogonal(nn.Linear(config.hidden, action.num_inputs), 0.01)
        self.critic = orthogonal(nn.Linear(config.hidden, 1), 1.0)
        self.register_buffer("scales", scales, persistent=False)
        self.register_buffer("texts", torch.zeros(1, TEXT_SIZE), persistent=False)

    def reading(self, vectors: Tensor) -> "VoxelSwarmPolicy":
        other = copy.copy(self)
        other._buffers = self._buffers | {"texts": vectors.to(self.texts.device, torch.float32)}
        return other

    def forward(self, rows: Tensor) -> tuple[Categorical, Tensor]:
        """Rows ``[..., R]`` -> distribution of ``[...]``, values ``[...]``."""
        sensed = rows[..., : len(self.scales)].float() * self.scales
        x = torch.cat([sensed, (rows[..., self.arrival] == 0).float()], -1)
        x = F.relu(self.second(F.relu(self.first(x))))
        if self.config.text_features:
            x = torch.cat([x, F.embedding(self._text_number(rows), F.relu(self.text(self.texts)))], -1)
        x = F.relu(self.fuse(x))
        return Categorical(self.actor(x)), self.critic(x)[..., 0]

    def _text_number(self, rows: Tensor) -> Tensor:
        number = rows[..., self.layout["text"].span].long()
        number = number[..., 0] + 256 * number[..., 1] if number.shape[-1] == 2 else number[..., 0]
        return number.clamp(max=len(self.texts) - 1)

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        return *self(rows), state
