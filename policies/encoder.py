"""From any packed rows to features: pictures through convolutions, everything else as it is."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.blocks import BytePatches, orthogonal, trunk_size, unpack

if TYPE_CHECKING:
    from puffer_envs.contract.layout import Field, ObsLayout

Convolutions = Literal["patches", "nature"]
LEAST_EDGE = 12  # pixels; a field of bytes [C, H, W] below it is no picture
PATCH = 6  # pixels
# Channels, kernels and strides. After the patches, of which the first line is one, and of Mnih et al. 2015.
PATCHES = ((32, PATCH, PATCH), (32, 3, 2))
NATURE = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


def is_picture(field: "Field") -> bool:
    """Whether a field is looked at as a picture: bytes [C, H, W]."""
    return len(field.shape) == 3 and field.bits == 8 and min(field.shape[1:]) >= LEAST_EDGE


class Encoder(nn.Module):
    """Rows ``[B, R]``, or the last ones of each ``[B, H, R]``, oldest first -> float32 ``[B, size]``.

    Of pictures ``frame_stack`` are looked at, as channels; ``motion`` adds one for each channel: by how much the newest
    differs from the one before. Of other fields the newest values count.

    Args:
        features: what each picture becomes.

    Raises:
        ValueError: a picture is too small for the convolutions.
    """

    def __init__(
        self, layout: "ObsLayout", frame_stack: int, motion: bool, convolutions: Convolutions, features: int
    ) -> None:
        super().__init__()
        self.frame_stack, self.motion = frame_stack, motion
        self.pictures = [field for field in layout if is_picture(field)]
        self.numbers = [field for field in layout if not is_picture(field)]
        plan = PATCHES if convolutions == "patches" else NATURE
        eyes = [eye(field, field.shape[0] * (frame_stack + motion), plan, features) for field in self.pictures]
        self.eyes = nn.ModuleList(eyes)
        self.size = features * len(self.pictures) + sum(prod(field.shape) for field in self.numbers)
        self.history = max(frame_stack, 1 + motion) if self.pictures else 1  # frames that it must be shown
        # Numbers that the convolutions leave of a row between them
        self.kept = sum(_numbers_kept(field, plan) for field in self.pictures)

    def forward(self, given: Tensor) -> Tensor:
        frames = given if given.dim() == 3 else given[:, None]
        parts = [eye(self._planes(frames, field)) for eye, field in zip(self.eyes, self.pictures, strict=True)]
        parts += [unpack(frames[:, -1], field).flatten(1) for field in self.numbers]
        return torch.cat(parts, -1)

    def _planes(self, frames: Tensor, field: "Field") -> Tensor:
        """uint8 ``[B, planes, H, W]``."""
        packed = frames[..., field.span]
        planes = packed[:, -self.frame_stack :].unflatten(-1, field.shape).flatten(1, 2)
        if not self.motion:
            return planes
        moved = (packed[:, -1].short() - packed[:, -2].short()) // 2 + 128
        return torch.cat([planes, moved.to(torch.uint8).unflatten(-1, field.shape)], 1)


Plan = Sequence[tuple[int, int, int]]  # of each layer its channels, kernel and stride


def eye(field: "Field", planes: int, plan: Plan, features: int) -> nn.Sequential:
    """Planes uint8 ``[B, planes, H, W]`` -> float32 ``[B, features]``, ReLU after each layer."""
    first = Patches if plan is PATCHES else BytePlanes
    layers: list[nn.Module] = [orthogonal(first(planes, *plan[0], field.scale), 2**0.5), nn.ReLU(inplace=True)]
    for (before, _, _), (channels, kernel, stride) in pairwise(plan):
        layers += [orthogonal(nn.Conv2d(before, channels, kernel, stride), 2**0.5), nn.ReLU(inplace=True)]
    height, width = _shape(field, plan)
    if min(height, width) < 1:
        raise ValueError(f"{field.name} is too small for these convolutions: take --policy.convolutions patches")
    seen = orthogonal(nn.Linear(plan[-1][0] * height * width, features), 2**0.5)
    return nn.Sequential(*layers, nn.Flatten(), seen, nn.ReLU(inplace=True))


def _shape(field: "Field", plan: Plan) -> tuple[int, int]:
    """Height and width behind the layers of a plan."""
    height, width = field.shape[1:]
    if plan[0] == PATCHES[0]:  # what does not fill a patch is filled up
        height, width = -(-height // PATCH) * PATCH, -(-width // PATCH) * PATCH
    return trunk_size((height, width), [kernel for _, kernel, _ in plan], [stride for _, _, stride in plan])


def _numbers_kept(field: "Field", plan: Plan) -> int:
    """Numbers that the layers of a plan leave of one picture, all together."""
    return sum(plan[i][0] * prod(_shape(field, plan[: i + 1])) for i in range(len(plan)))


class BytePlanes(nn.Conv2d):
    """A convolution over bytes, scaled."""

    def __init__(self, planes: int, channels: int, kernel: int, stride: int, scale: float) -> None:
        super().__init__(planes, channels, kernel, stride)
        self.scale = scale

    def forward(self, planes: Tensor) -> Tensor:
        return F.conv2d(planes.float(), self.weight * self.scale, self.bias, self.stride)  # as scaling the planes


class Patches(BytePatches):
    """Patches without overlap of planes of any size, filled up with zeros."""

    def __init__(self, planes: int, channels: int, edge: int, _stride: int, scale: float) -> None:
        super().__init__(planes, channels, edge, scale)

    def forward(self, planes: Tensor) -> Tensor:
        height, width = planes.shape[-2:]
        return super().forward(F.pad(planes, (0, -width % PATCH, 0, -height % PATCH)))
