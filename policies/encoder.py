"""From any packed rows to features: pictures through convolutions, everything else as it is."""

from math import prod
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.blocks import orthogonal, unpack

if TYPE_CHECKING:
    from puffer_envs.contract.layout import Field, ObsLayout

Convolutions = Literal["patches", "nature"]
PATCH = 3  # pixels: of 6 a game whose balls are 3 pixels wide took three times as long to learn
LEAST_EDGE = 6 * PATCH + 1  # pixels, which fill seven patches; a field of bytes [C, H, W] below it is no picture


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
        planes = [field.shape[0] * (frame_stack + motion) for field in self.pictures]
        eyes = [Eye(*each, convolutions, features) for each in zip(self.pictures, planes, strict=True)]
        self.eyes = nn.ModuleList(eyes)
        self.size = features * len(self.pictures) + sum(prod(field.shape) for field in self.numbers)
        self.history = max(frame_stack, 1 + motion) if self.pictures else 1  # frames that it must be shown
        self.pixels, self.kept = sum(each.pixels for each in eyes), sum(each.kept for each in eyes)

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


class Eye(nn.Sequential):
    """Planes uint8 ``[B, planes, H, W]`` -> float32 ``[B, features]``, ReLU after each layer."""

    def __init__(self, field: "Field", planes: int, convolutions: Convolutions, features: int) -> None:
        super().__init__()
        if convolutions == "patches":
            first = BytePlanes(planes, 16, PATCH, PATCH, field.scale)
            layers = [first, nn.Conv2d(16, 32, 3, 2), nn.Conv2d(32, 32, 3, 2)]
        else:
            layers = [BytePlanes(planes, 32, 8, 4, field.scale), nn.Conv2d(32, 64, 4, 2), nn.Conv2d(64, 64, 3, 1)]
        x = torch.zeros((1, planes, *field.shape[1:]), dtype=torch.uint8)
        self.pixels, self.kept = x.numel(), 0  # numbers of a row: of its planes, and what the layers leave of them
        for layer in layers:
            try:
                x = orthogonal(layer, 2**0.5)(x)
            except RuntimeError as error:
                text = f"{field.name} is too small for these convolutions: take --policy.convolutions patches"
                raise ValueError(text) from error
            self.kept += x.numel()
            self.append(layer)
            self.append(nn.ReLU(inplace=True))
        self.append(nn.Flatten())
        self.append(orthogonal(nn.Linear(x.numel(), features), 2**0.5))
        self.append(nn.ReLU(inplace=True))


class BytePlanes(nn.Conv2d):
    """A convolution over bytes, scaled; patches without overlap are filled up with zeros at right and below."""

    def __init__(self, planes: int, channels: int, kernel: int, stride: int, scale: float) -> None:
        super().__init__(planes, channels, kernel, stride)
        self.scale = scale

    def forward(self, planes: Tensor) -> Tensor:
        edge, _ = self.kernel_size
        missing = (0, -planes.shape[-1] % edge, 0, -planes.shape[-2] % edge)
        if self.kernel_size == self.stride and any(missing):
            planes = F.pad(planes, missing)
        # In this order a CPU goes forward and backward 1.6 times as fast, with strides of a whole kernel 3.5 times.
        planes = planes.contiguous(memory_format=torch.channels_last)
        return F.conv2d(planes.float(), self.weight * self.scale, self.bias, self.stride)  # as scaling the planes
