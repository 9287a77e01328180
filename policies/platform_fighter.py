"""The platform fighter's network: what the opponent did lately, read as a strategy, conditions a memory that acts."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from policies.actions import Distribution, head
from policies.blocks import one_hot, orthogonal
from policies.protocol import ActorCritic
from policies.recurrent import LSTM

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

FIELDS = 32  # numbers of a fighter, of which 16 are its own and 16 the stage's
BODY = 16
# Of a fighter's numbers in the order of the row: x, y, vx, vy, faces right, stands, does not, jumps, (state),
# recoveries, frames of a dodge, of a stun, damage, stocks, (move), (weapon). About what they come to in matches: by
# their bounds (18, 7, 10, ...) half as many matches were won after three million decisions.
SCALES = (4, 2, 5, 5, 1, 1, 1, 2, 1, 1, 40, 15, 0.15, 1, 1, 1)
CATEGORIES = {8: 13, 14: 13, 15: 3}  # number -> how many values it has: state, type of the move, weapon
NUMBERS = (slice(0, 8), slice(9, 14))  # the others: slices, as a list of indices is one that a GPU would wait for
# The stage: four spawners (x, y, what lies there), the platform's x, y, vx, vy
STAGE_SCALES = (*(4, 2, 1) * 4, 1, 1, 1, 1)
FIGHTER_FEATURES = BODY - len(CATEGORIES) + sum(CATEGORIES.values())
DISTANCES = 4  # dx and dy to the opponent, wide and near
# Logits of the keys at first, W A S D space H L J K G: A, D and space are held one time in four, the others one in
# thirteen. Of fingers that hold every other key little is learned: they attack without end and fall (half of the
# matches against the script were won after .6 instead of 1.7 million decisions). One that seldom ran and jumped at once
# had after ten million not learned to climb to the other island.
REST = (-2.5, -1.0, -2.5, -1.0, -1.0, -2.5, -2.5, -2.5, -2.5, -2.5)


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    hidden: Annotated[int, Ge(1)] = 256
    """Width of what is known of the present."""
    width: Annotated[int, Ge(1)] = 16
    """Width of the strategy encoder's tokens; a multiple of twice its heads."""
    layers: Annotated[int, Ge(1)] = 1
    """Layers of the strategy encoder."""
    heads: Annotated[int, Ge(1)] = 1
    """Heads of its attention, and of the present's attention to it."""
    feed_forward: Annotated[int, Ge(1)] = 32
    """Width of its layers' two-layer parts."""
    frames: Annotated[int, Ge(1)] = 30
    """Steps that it looks back on, 90 frames where a step lasts three; a multiple of every."""
    every: Annotated[int, Ge(1)] = 5
    """It reads the opponent in one of so many, the present one among them."""
    memory: Annotated[int, Ge(1)] = 64
    """Width of the LSTM."""
    head: Annotated[int, Ge(1)] = 128
    """Width of the two layers before the actions and of those before the value."""
    chunk: Annotated[int, Ge(0)] = 0
    """Rows whose frames go through the encoder at once in an update, each twice, so that no more than these are
    remembered; 0: all at once."""

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width}: make it a multiple of {2 * self.heads}, twice the heads")
        if self.frames % self.every:
            raise ValueError(f"frames is {self.frames}: make it a multiple of every, {self.every}")

    @property
    def tokens(self) -> int:
        """What the encoder reads."""
        return self.frames // self.every

    @property
    def bytes_of_a_row(self) -> int:
        """What an update remembers of a row between the layers, with its gradients, and the history it is made of.

        Of an encoder that works in chunks no more than one is there at a time: .3 GB of 64 rows of the large one.
        """
        layer = 8 * self.width + 2 * self.feed_forward + 2 * self.heads * self.tokens
        encoder = self.tokens * (2 * FIGHTER_FEATURES + 4 * self.width + self.layers * layer)
        present = 6 * self.hidden + 12 * self.memory + 8 * self.head
        kept = present + (2 * self.width if self.chunk else encoder)
        return 4 * (2 * kept + 2 * FIELDS * self.tokens)


PRESETS = {
    "slim": PolicyConfig(),
    "large": PolicyConfig(width=256, layers=6, heads=8, feed_forward=256, every=1, memory=512, head=96, chunk=64),
}


class PlatformFighterPolicy(ActorCritic):
    """Rows ``[B, H, 64]`` of both fighters, H of their latest steps -> ten keys and a value.

    What the opponent did becomes tokens of a transformer; pooled by attention they are its strategy, and the present
    looks among them for what matters now. An LSTM remembers what both come to. Everything is learned from the actor's
    and the critic's losses: the encoder has none of its own.
    """

    scales: Tensor
    stage_scales: Tensor

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        if [layout[name].shape for name in ("own", "opponent")] != [(FIELDS,)] * 2:
            raise ValueError(f"the network reads rows of two fighters, own and opponent, with {FIELDS} numbers each")
        if action.num_inputs != len(REST):
            raise ValueError(f"the network presses {len(REST)} keys, not {action.num_inputs}")
        self.config, self.history, self.history_every = config, config.tokens, config.every
        self.register_buffer("scales", 1 / torch.tensor(sum((SCALES[part] for part in NUMBERS), ())), persistent=False)
        self.register_buffer("stage_scales", 1 / torch.tensor(STAGE_SCALES), persistent=False)
        self.encoder = StrategyEncoder(config)
        inputs = 2 * FIGHTER_FEATURES + len(STAGE_SCALES) + DISTANCES
        self.present = nn.Sequential(*_layer(inputs, config.hidden), *_layer(config.hidden, config.hidden))
        self.look = Attention(config.hidden, config.width, config.heads)
        self.fusion = nn.Sequential(*_layer(config.hidden + 2 * config.width, config.hidden))
        self.memory = LSTM(config.hidden, config.memory)
        self.state_size = self.memory.state_size
        known = config.hidden + config.memory
        keys = head(config.head, action)
        keys.bias.data.copy_(torch.tensor(REST))
        self.actor = nn.Sequential(*_two_layers(known, config.head), keys)
        self.critic = nn.Sequential(*_two_layers(known, config.head), orthogonal(nn.Linear(config.head, 1), 1.0))

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        seen = self._seen(rows)
        remembered, state = self.memory.step(seen, state, episode_start)
        known = torch.cat([seen, remembered], -1)
        return self.actor(known), self.critic(known)[..., 0], state

    def sequence(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor]:
        seen = self._seen(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        remembered, _ = self.memory.sequence(seen, state, episode_start)
        known = torch.cat([seen, remembered], -1)
        return self.actor(known), self.critic(known)[..., 0]

    def _seen(self, rows: Tensor) -> Tensor:
        """The present in the light of the opponent's strategy: ``[B, H, 64]``, or ``[B, 64]`` -> ``[B, hidden]``."""
        fighters = rows.reshape(rows.shape[0], -1, 2, FIELDS)
        present = self.present(self._present(fighters[:, -1]))
        if self.config.chunk and torch.is_grad_enabled():
            # What lies between is calculated once more for the gradient: of 30 tokens in six layers it is 2.3 MB a row.
            parts = zip(present.split(self.config.chunk), fighters[:, :, 1].split(self.config.chunk), strict=True)
            lit = torch.cat([checkpoint(self._light, *part, use_reentrant=False) for part in parts])
        else:
            lit = self._light(present, fighters[:, :, 1])
        return self.fusion(torch.cat([present, lit], -1))

    def _light(self, present: Tensor, opponent: Tensor) -> Tensor:
        """What the opponent's frames [B, H, 32] say, as a whole and to the present: ``[B, 2 width]``."""
        tokens, strategy = self.encoder(self._fighter(opponent))
        return torch.cat([self.look(present[:, None], tokens)[:, 0], strategy], -1)

    def _present(self, fighters: Tensor) -> Tensor:
        """``[B, 2, 32] -> [B, inputs]``: both fighters, the stage, and how far they are apart."""
        apart = fighters[:, 1, :2] - fighters[:, 0, :2]
        stage = fighters[:, 0, BODY:] * self.stage_scales
        return torch.cat([self._fighter(fighters).flatten(1), stage, apart / 4, apart.clamp(-2, 2)], -1)

    def _fighter(self, numbers: Tensor) -> Tensor:
        """``[..., 32] -> [..., FIGHTER_FEATURES]``: its own numbers, scaled, and its categories, each value apart."""
        apart = [one_hot(numbers[..., i], size) for i, size in CATEGORIES.items()]
        own = torch.cat([numbers[..., part] for part in NUMBERS], -1)
        return torch.cat([own * self.scales, *apart], -1)


class StrategyEncoder(nn.Module):
    """Frames of a fighter, the oldest first -> tokens, and what they come to as a whole."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.embed = nn.Sequential(*_layer(FIGHTER_FEATURES, config.width))
        self.register_buffer("positions", sinusoids(config.tokens, config.width), persistent=False)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.weigh = nn.Sequential(
            nn.Linear(config.width, config.width // 2), nn.Tanh(), nn.Linear(config.width // 2, 1, bias=False)
        )
        self.refine = nn.Sequential(
            nn.Linear(config.width, config.width), nn.ReLU(), nn.Linear(config.width, config.width)
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, K, FIGHTER_FEATURES] -> [B, K, width], [B, width]``."""
        x = self.embed(frames) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return x, self.refine((self.weigh(x).softmax(1) * x).sum(1))


class EncoderLayer(nn.Module):
    """Attention, then two layers, each added to what it normalises first (Xiong et al. 2020)."""

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(config.width), Attention(config.width, config.width, config.heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.feed_forward),
            nn.GELU(),
            nn.Linear(config.feed_forward, config.width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[B, K, width] -> [B, K, width]``."""
        normal = self.norm(x)
        x = x + self.attention(normal, normal)
        return x + self.feed_forward(x)


class Attention(nn.Module):
    """Of queries ``[B, Q, inputs]`` to tokens ``[B, K, width]``, in heads: ``[B, Q, width]``."""

    def __init__(self, inputs: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(inputs, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        parts = self.query(queries), *self.key_value(tokens).chunk(2, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def sinusoids(count: int, width: int) -> Tensor:
    """Positions as sines and cosines of falling frequency, float32 [count, width] (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [orthogonal(nn.Linear(inputs, outputs), 2**0.5), nn.LayerNorm(outputs), nn.ReLU()]


def _two_layers(inputs: int, width: int) -> list[nn.Module]:
    first, second = (orthogonal(nn.Linear(size, width), 2**0.5) for size in (inputs, width))
    return [first, nn.Tanh(), second, nn.Tanh()]
