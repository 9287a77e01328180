"""The hierarchical recurrent Q-network of pokemon_red: what it sees, what it remembers, what each action is worth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from policies.blocks import ByteEmbedding, conv_trunk, one_hot, orthogonal, trunk_size, unpack
from policies.protocol import QNetwork
from policies.recurrent import Hierarchy
from policies.values import DuelingHead

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

KERNELS, STRIDES = (8, 4, 3), (4, 2, 1)
MAX_COORDINATE = 32  # coordinates up to here have an input of their own, those beyond share the last
SCALED = ("visited", "badges", "party_level", "party_hp", "money")  # fields that go in as numbers
ONE_HOT = (("facing", 4), ("battle", 4))  # fields that go in as one input a value


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    cnn_channels: tuple[Annotated[int, Ge(1)], ...] = (16, 32, 64)
    """Channels of the three convolutions over the frame history (kernels 8, 4, 3; strides 4, 2, 1)."""
    hidden: Annotated[int, Ge(1)] = 128
    """Width of the fused features and of each of the three memories."""
    event_features: Annotated[int, Ge(1)] = 64
    """Features that stand for the 2,560 event bits."""
    map_features: Annotated[int, Ge(1)] = 32
    """Width of the learned vector of a map; the map of the last rest visit has one of its own."""
    place_buckets: Annotated[int, Ge(1)] = 8_192
    """Rows of the table of places: (map, y, x) hashed, so that a cell can be known apart from its looks."""
    place_features: Annotated[int, Ge(1)] = 64
    """Width of the learned vector of a place."""
    token_features: Annotated[int, Ge(1)] = 8
    """Width of the learned vectors of species and items."""


# One core, batch 64 to act, 32 sequences of 25 with 16 trained each: slim 12,300 decisions and 3,200 trained steps a
# second, large 5,600 and 1,430; 1.1 to 1.16 times as many trained where freed memory is kept (mallopt of glibc).
# Half of the time to train slim is convolutions.
PRESETS = {
    "slim": PolicyConfig(),
    "large": PolicyConfig(cnn_channels=(32, 64, 128), hidden=256),
}


class PokemonRedPolicy(QNetwork):
    """Frames, mask and facts -> fused -> GRU (short) -> LSTM (mid) -> SSM (long) -> dueling action values.

    ``encode`` is apart from the memories, so that a learner runs it once over all frames of a batch of sequences and
    gives its features to the curiosity as well.
    """

    history_field = "screen"
    history = 4

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["slim"]) -> None:
        super().__init__()
        self.layout, self.num_actions, self.config = layout, *action.parts, config
        screen = layout[self.history_field]
        height, width = trunk_size(screen.shape, KERNELS, STRIDES)
        self.trunk = conv_trunk(screen, self.history, config.cnn_channels, KERNELS, STRIDES)
        self.facts = Facts(layout, config)
        # A linear layer over all that the trunk leaves; as a convolution 1.8 to 2.2 times as fast on a CPU (oneDNN).
        self.fuse_frames = orthogonal(nn.Conv2d(config.cnn_channels[-1], config.hidden, (height, width)))
        self.fuse_facts = orthogonal(nn.Linear(self.facts.out_features, config.hidden))
        self.norm = nn.LayerNorm(config.hidden)
        self.feature_size = config.hidden
        self.memory = Hierarchy(config.hidden, config.hidden)
        self.state_size = self.memory.state_size
        self.head = DuelingHead(self.memory.out_features, self.num_actions)

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        """Rows uint8 ``[B, R]`` and packed frames uint8 ``[B, history, F]``, oldest first -> ``[B, feature_size]``."""
        seen = self.fuse_frames(self.trunk(frames)).flatten(1)
        return F.relu(self.norm(seen + self.fuse_facts(self.facts(rows))))

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: ``[B, F], [B, state_size], bool [B] -> q [B, A], state``; zeroes the state at a start."""
        remembered, state = self.memory.step(features, state, episode_start)
        return self.head(remembered), state

    def sequence(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T decisions: ``[T, B, F], [B, state_size], bool [T, B] -> q [T, B, A], state``."""
        remembered, state = self.memory.sequence(features, state, episode_start)
        return self.head(remembered), state


class Facts(nn.Module):
    """The structured part of a row as one vector: numbers as they are, categories as learned vectors.

    A path of 150 decisions leads through cells that look alike, so a position goes in three ways: coordinates as
    one-hot vectors and a vector of the map (which carry over to new cells) and a vector of the very place.
    """

    def __init__(self, layout: "ObsLayout", config: PolicyConfig) -> None:
        super().__init__()
        self.layout = layout
        self.events = nn.Linear(layout["events"].shape[0], config.event_features)
        nn.init.normal_(self.events.weight, std=0.1)  # few bits are ever set: each must be heard
        nn.init.zeros_(self.events.bias)
        self.maps = ByteEmbedding(config.map_features)
        self.rest_maps = ByteEmbedding(config.map_features)
        self.places = ByteEmbedding(config.place_features, config.place_buckets)
        self.species = ByteEmbedding(config.token_features)
        self.items = ByteEmbedding(config.token_features)
        sizes = [layout[name].shape[0] for name in SCALED] + [values for _, values in ONE_HOT]
        sizes += [2 * MAX_COORDINATE, config.event_features, 2 * config.map_features, config.place_features]
        party = layout["party_species"].shape[0]
        self.out_features = sum(sizes) + party * (config.token_features + 1) + config.token_features

    def forward(self, rows: Tensor) -> Tensor:
        """Rows uint8 ``[B, R]`` -> ``[B, out_features]``."""
        raw = {field.name: rows[:, field.span].int() for field in self.layout if field.bits == 8}
        parts = [unpack(rows, self.layout[name]) for name in SCALED]
        parts += [one_hot(raw[name][:, 0], values) for name, values in ONE_HOT]
        parts += [one_hot(raw["position"], MAX_COORDINATE).flatten(1)]
        parts += [F.relu(self.events(unpack(rows, self.layout["events"])))]
        parts += [self.maps(raw["map_id"][:, 0]), self.rest_maps(raw["blackout_map"][:, 0])]
        parts += [self.places(self.place(raw["map_id"][:, 0], raw["position"]))]
        parts += [self.species(raw["party_species"]).flatten(1), (raw["party_status"] > 0).float()]
        item, quantity = raw["bag"].unflatten(-1, (-1, 2)).unbind(-1)
        parts += [(self.items(item) * torch.log2(1.0 + quantity)[..., None]).sum(1) / 4]  # the order says nothing
        return torch.cat(parts, -1)

    def place(self, map_id: Tensor, position: Tensor) -> Tensor:
        """Row of the table of places for map ``[B]`` and position ``[B, 2]``.

        The multipliers spread the cells of 22 maps of 13 x 13 over .84 times as many buckets.
        """
        return (map_id * 797 + position[:, 0] * 53 + position[:, 1]) % self.places.num_embeddings
