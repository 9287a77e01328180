"""Territory's actor and critic: a trunk for each scale of the map, and attention that asks which one matters now."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from policies.actions import Categorical, Distribution, Factored
from policies.blocks import BytePatches, orthogonal, unpack
from policies.protocol import ActorCritic

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

SCALES = ("global", "local", "tactical")
DIRECTIONS, INTENSITIES = 9, 5  # of an order; the last direction is to wait
IMPOSSIBLE = -1e8  # logit; finite, as 0 times infinity is no number
LARGEST = 65_535  # of the two bytes of a scalar
# Means and deviations of the numbers at 256x256 while someone plays who waits four times in five. Between 0 and 1 they
# hardly differ from state to state beside their means: what a policy learned from them moved it in all states alike.
CENTRES = (0.14, 0.65, 0.25, 0.46, 0.58, 0.65, 0.17, 0.86, 0.19, 0.14, 0.04, 0.15, 0.12, 0.47, 0.51, 0.0)
SPREADS = (0.14, 0.06, 0.18, 0.19, 0.18, 0.19, 0.22, 0.17, 0.12, 0.09, 0.15, 0.23, 0.05, 0.24, 0.23, 1.0)
OUTLYING = 5.0  # deviations; larger maps and longer games go beyond what was measured
CENTRE_OF_ODDS, SPREAD_OF_ODDS = 0.4, 0.25  # they are .48 and .23 at 256x256, .22 and .18 at 1024x1024
NOBODY = 255  # odds of land that is nobody's
WAITING = 0.8  # of the decisions of an untrained network


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the network."""

    scales: Literal["multi", "single"] = "multi"
    """multi: all three views, weighed by attention; single: the whole map alone."""
    history: Annotated[int, Ge(1)] = 4
    """Observations that are seen at once."""
    halved: bool = False
    """Whether the first windows and steps of the larger views are twice as long."""
    channels: tuple[Annotated[int, Ge(1)], ...] = (32, 64, 128, 128)
    """Of the convolutions of each view."""
    kernels: tuple[Annotated[int, Ge(1)], ...] = (5, 3, 3, 3)
    """Edges of their windows."""
    strides: tuple[Annotated[int, Ge(1)], ...] = (2, 2, 2, 2)
    """Their steps."""
    features: Annotated[int, Ge(1)] = 256
    """What each view is reduced to."""
    scalar_features: Annotated[int, Ge(1)] = 128
    """What the numbers are reduced to."""
    heads: Annotated[int, Ge(1)] = 4
    """Of the attention."""
    hidden: Annotated[int, Ge(1)] = 512
    """Width of the layers over all."""

    @property
    def bytes_of_a_row(self) -> int:
        """What an update remembers of a row between the layers, with its gradients."""
        total = 9 * (self.features * 6 + self.hidden * 2)
        for name in SCALES if self.scales == "multi" else SCALES[:1]:
            edge = 64 if name == "tactical" else 128
            total += 6 * self.history * edge * edge * (1 if self.kernels[0] == self.strides[0] else 4)
            edge = edge // 2 if self.halved and name != "tactical" else edge
            for channels, stride in zip(self.channels, self.strides, strict=True):
                edge = -(-edge // stride)
                total += 9 * 2 * channels * edge * edge
        return total


PRESETS = {
    # 11 MFLOP an observation, for CPUs
    "slim": PolicyConfig(
        history=1,
        halved=True,
        channels=(16, 32, 32),
        kernels=(4, 4, 3),
        strides=(4, 2, 2),
        features=64,
        scalar_features=64,
        heads=2,
        hidden=128,
    ),
    "large": PolicyConfig(),
}


class Trunk(nn.Module):
    """Planes of one view, bytes ``[B, C, n, n]`` -> features ``[B, features]``: convolutions, their mean over the view.

    Args:
        edge: n. grow: by how much the first window and its step are larger than the configuration's.
    """

    places: Tensor  # float32 [2, e, e], rows and columns from -1 to 1

    def __init__(self, planes: int, edge: int, grow: int, scale: float, config: PolicyConfig) -> None:
        super().__init__()
        kernel, stride, channels = grow * config.kernels[0], grow * config.strides[0], config.channels[0]
        self.first: nn.Module
        if kernel == stride:
            self.first = orthogonal(BytePatches(planes, channels, kernel, scale), 2**0.5)
        else:
            self.first = orthogonal(ByteConv(planes, channels, kernel, stride, scale), 2**0.5)
        # A mean forgets where it found something, and where is what an order says: so each place knows where it is.
        line = torch.linspace(-1, 1, edge // stride)
        self.register_buffer("places", torch.stack(torch.meshgrid(line, line, indexing="ij")), persistent=False)
        self.place = nn.Parameter(0.1 * torch.randn(channels, 2))
        sizes = zip(config.channels, config.channels[1:], config.kernels[1:], config.strides[1:], strict=False)
        self.others = nn.ModuleList(
            orthogonal(nn.Conv2d(before, after, kernel, stride, (kernel - 1) // 2), 2**0.5)
            for before, after, kernel, stride in sizes
        )
        self.linear = orthogonal(nn.Linear(config.channels[-1], config.features), 2**0.5)

    def forward(self, planes: Tensor) -> Tensor:
        x = F.relu(self.first(planes) + torch.einsum("cd,dhw->chw", self.place, self.places))
        for convolution in self.others:
            x = F.relu(convolution(x))
        return F.relu(self.linear(x.mean((2, 3))))


class ByteConv(nn.Conv2d):
    """A convolution over bytes ``[B, C, n, n]``, scaled; n / stride places along each edge."""

    def __init__(self, planes: int, channels: int, kernel: int, stride: int, scale: float) -> None:
        super().__init__(planes, channels, kernel, stride, (kernel - 1) // 2)
        self.scale = scale

    def forward(self, planes: Tensor) -> Tensor:
        return F.conv2d(planes.float(), self.weight * self.scale, self.bias, self.stride, self.padding)


class TerritoryPolicy(ActorCritic):
    """Views -> a trunk each -> attention, asked by the numbers -> with the numbers, two layers -> logits and value.

    Directions in which no attack is possible are masked; the row says which.
    """

    state_size = 0
    centres: Tensor  # float32 [16], of the numbers
    spreads: Tensor  # float32 [16]

    def __init__(self, layout: "ObsLayout", action: "ActionSpec", config: PolicyConfig = PRESETS["large"]) -> None:
        super().__init__()
        self.layout, self.action, self.config, self.history = layout, action, config, config.history
        self.scales = SCALES if config.scales == "multi" else SCALES[:1]
        self.trunks = nn.ModuleList(self._trunk(name) for name in self.scales)
        numbers, gain = layout["scalars"].size // 2 + 3 * layout["odds"].size, 2**0.5
        self.numbers = nn.Sequential(
            orthogonal(nn.Linear(numbers, config.scalar_features), gain),
            nn.ReLU(),
            orthogonal(nn.Linear(config.scalar_features, config.scalar_features), gain),
            nn.ReLU(),
        )
        if len(self.scales) > 1:
            self.query = nn.Linear(config.scalar_features, config.features)
            self.names = nn.Parameter(torch.zeros(len(self.scales), config.features))  # which view a vector is of
            self.attend = nn.MultiheadAttention(config.features, config.heads, batch_first=True)
        self.fuse = nn.Sequential(
            orthogonal(nn.Linear(config.features + config.scalar_features, config.hidden), gain),
            nn.ReLU(),
            orthogonal(nn.Linear(config.hidden, config.hidden), gain),
            nn.ReLU(),
        )
        # Nine directions, then five intensities. Whether to attack at all is one of these numbers: were each of the 45
        # actions learned apart, that would be spread over all of them.
        self.actor = orthogonal(nn.Linear(config.hidden, DIRECTIONS + INTENSITIES), 0.01)
        # Who orders too often never has the troops for anything. Of 96 games, players who draw their orders win none
        # where they wait half of the time, 87 with four fifths, 95 with nine tenths and 90 with nineteen twentieths.
        nn.init.constant_(self.actor.bias[DIRECTIONS - 1], math.log((DIRECTIONS - 1) * WAITING / (1 - WAITING)))
        self.critic = orthogonal(nn.Linear(config.hidden, 1), 1.0)
        builds = action.parts[1:]  # nothing, a city or a defence post, where one builds too
        self.builder = orthogonal(nn.Linear(config.hidden, builds[0]), 0.01) if builds else None
        self.register_buffer("centres", torch.tensor(CENTRES), persistent=False)
        self.register_buffer("spreads", torch.tensor(SPREADS), persistent=False)
        self.register_buffer("weights", torch.zeros(len(self.scales)), persistent=False)

    def forward(self, rows: Tensor) -> tuple[Distribution, Tensor]:
        """Rows uint8 ``[B, R]`` or histories ``[B, H, R]`` -> distribution of ``[B]``, values ``[B]``."""
        rows = rows if rows.dim() == 3 else rows[:, None]
        now = rows[:, -1]
        possible = unpack(now, self.layout["directions"]) > 0
        numbers = self.numbers(torch.cat([self._scalars(now), self._odds(now, possible)], -1))
        views = torch.stack([trunk(self._planes(rows, name)) for trunk, name in self._named()], 1)
        x = self._weighed(numbers, views)
        x = self.fuse(torch.cat([x, numbers], -1))
        return self._orders(x, possible), self.critic(x)[:, 0]

    def _attacks(self, x: Tensor, possible: Tensor) -> Tensor:
        """Logits of a direction and of an intensity, ``[B, 45]``; the five ways to wait are one."""
        directions, intensities = self.actor(x).split((DIRECTIONS, INTENSITIES), -1)
        directions = directions.masked_fill(~possible, IMPOSSIBLE)
        attacks = directions[:, :-1, None] + intensities.log_softmax(-1)[:, None]
        waits = directions[:, -1:, None].expand(-1, 1, INTENSITIES) - math.log(INTENSITIES)
        return torch.cat([attacks, waits], 1).flatten(1)

    def _orders(self, x: Tensor, possible: Tensor) -> Distribution:
        """An attack, and apart from it a building where one builds too."""
        attacks = self._attacks(x, possible)
        if self.builder is None:
            return Categorical(attacks)
        return Factored(torch.cat([attacks, self.builder(x)], -1), self.action.parts)

    def _named(self) -> list[tuple[nn.Module, str]]:
        return list(zip(self.trunks, self.scales, strict=True))

    def _trunk(self, name: str) -> Trunk:
        field, config = self.layout[name], self.config
        planes, edge, _ = field.shape
        grow = 2 if config.halved and name != "tactical" else 1
        return Trunk(planes * config.history, edge, grow, field.scale, config)

    def _planes(self, rows: Tensor, name: str) -> Tensor:
        field = self.layout[name]
        return rows[..., field.span].reshape(rows.shape[0], -1, *field.shape[1:])

    def _scalars(self, now: Tensor) -> Tensor:
        high, low = now[:, self.layout["scalars"].span].float().chunk(2, -1)
        return (((256 * high + low) / LARGEST - self.centres) / self.spreads).clamp(-OUTLYING, OUTLYING)

    def _odds(self, now: Tensor, possible: Tensor) -> Tensor:
        """Of each direction: whether there is anything to take, whether it is nobody's, and the odds ``[B, 24]``."""
        odds = now[:, self.layout["odds"].span]
        nobody = odds == NOBODY
        ratio = torch.where(possible[:, :-1] & ~nobody, (odds / (NOBODY - 1) - CENTRE_OF_ODDS) / SPREAD_OF_ODDS, 0.0)
        return torch.cat([possible[:, :-1].float(), nobody.float(), ratio], -1)

    def _weighed(self, numbers: Tensor, views: Tensor) -> Tensor:
        """The views ``[B, S, F]`` as the numbers ask for them, ``[B, F]``; one view is taken as it is."""
        if len(self.scales) == 1:
            return views[:, 0]
        views = views + self.names
        answer, weights = self.attend(self.query(numbers)[:, None], views, views)
        self.weights = weights.detach().mean((0, 1))
        return answer[:, 0]

    def figures(self) -> dict[str, Tensor]:
        if len(self.scales) == 1:
            return {}
        return {f"attention/{name}": weight for name, weight in zip(self.scales, self.weights, strict=True)}

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        return *self(rows), state
