"""Parts that several networks share: unpacking of bytes, convolutions, embeddings, initialisation.

Rows stay bytes until they are on the device of the network: a frame history is 16 times smaller packed than as floats,
in the replay, in the copy to the device and in what the backward pass has to keep.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

if TYPE_CHECKING:
    from puffer_envs.contract.layout import Field

# Frames that are unpacked at once on a CPU: 64 x 92 kB of floats stay near the core and never go back to the system.
CPU_CHUNK = 64
# Patches that are multiplied at once on a CPU: some megabyte of floats.
PATCH_CHUNK = 1024
WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # history -> a word with a byte a frame


def unpack(rows: Tensor, field: "Field") -> Tensor:
    """Scaled values of one field, float32 ``[..., *field.shape]``, from rows uint8 (or float32) ``[..., R]``.

    Sub-byte fields go through a table of 256 entries: on one core 1.9 times as fast as shifting each byte (6.2 against
    11.6 ms for 512 x 4 screens of 1,440 bytes; where the system must first find the memory, 26 against 61 ms).
    """
    packed = rows[..., field.span]
    if field.bits >= 8:
        values = packed.float() * field.scale
    elif torch.compiler.is_exporting():  # what is traced must not be cached, and ONNX has no shifts of bytes
        shifts = 2.0 ** torch.arange(0, 8, field.bits, device=rows.device)
        values = ((packed.float()[..., None] / shifts).floor() % 2.0**field.bits * field.scale).flatten(-2)
    else:
        values = F.embedding(packed.int(), _table(field.bits, field.scale, rows.device)).flatten(-2)
    return values[..., : prod(field.shape)].unflatten(-1, field.shape)


@lru_cache(maxsize=64)
def _table(bits: int, scale: float, device: torch.device) -> Tensor:
    """Float32 ``[256, 8 / bits]``: what each byte holds, lowest bits first, scaled."""
    with torch.inference_mode(False):
        values = torch.arange(256)[:, None] >> torch.arange(0, 8, bits)
        return ((values & ((1 << bits) - 1)).float() * scale).to(device)


def unpack_history(frames: Tensor, field: "Field") -> Tensor:
    """Unscaled float32 ``[N, H, *field.shape]`` in channels-last order from packed frames uint8 ``[N, H, field.size]``.

    The H bytes of one place are laid side by side in one word, so that a shift and a mask unpack all H frames at once
    and the result is in channels-last order as it is born: 1.2 times as fast as the table, and a first convolution is
    2.5 to 4 times as fast forward and backward in this order on a CPU.
    """
    count, history = frames.shape[:2]
    words = frames[:, 0].to(WORDS[history])
    for age in range(1, history):
        words = words | (frames[:, age].to(words.dtype) << (8 * age))
    mask = ((1 << field.bits) - 1) * sum(1 << (8 * age) for age in range(history))
    values = torch.stack([(words >> shift) & mask for shift in range(0, 8, field.bits)], -1)
    values = values.view(torch.uint8).float()
    return values.view(count, *field.shape, history).permute(0, 3, 1, 2)


class FrameConv(nn.Conv2d):
    """The first convolution, from packed frames uint8 ``[N, H, field.size]`` to float32 ``[N, C, h, w]``.

    On a CPU it works in chunks and keeps only the packed bytes for the backward pass, which unpacks them again: 1/16 of
    the memory. Forward and backward take .3 to .6 of the time of the table and a plain convolution on 800 x 4 frames
    (as memory is new or reused), and .7 to 1.2 of the time over `unpack_history` of the whole batch.
    """

    def __init__(self, field: "Field", history: int, channels: int, kernel: int, stride: int) -> None:
        if history not in WORDS or field.bits >= 8 or len(field.shape) != 2:
            raise ValueError(f"give a history of {tuple(WORDS)} frames [h, w] below 8 bits, not {history} of {field}")
        super().__init__(history, channels, kernel, stride)
        self.field = field

    def forward(self, frames: Tensor) -> Tensor:
        weight = self.weight * self.field.scale  # scaling the weights is scaling the frames
        if torch.compiler.is_exporting():  # it has neither words of bytes nor chunks
            return F.conv2d(unpack(frames, self.field._replace(scale=1.0)), weight, self.bias, self.stride)
        if frames.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                return _ChunkedConv.apply(frames, weight, self.bias, self.field, self.stride)
        return F.conv2d(unpack_history(frames, self.field), weight, self.bias, self.stride)


class _ChunkedConv(torch.autograd.Function):
    """Convolution over packed frames, chunk by chunk; no gradient goes to the frames."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor, field: "Field", stride: tuple) -> Tensor:
        ctx.save_for_backward(frames, weight)
        ctx.field, ctx.stride = field, stride
        parts = [F.conv2d(unpack_history(chunk, field), weight, bias, stride) for chunk in frames.split(CPU_CHUNK)]
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        frames, weight = ctx.saved_tensors
        grad_weight, grad_bias = torch.zeros_like(weight), grad.sum((0, 2, 3))
        for chunk, part in zip(frames.split(CPU_CHUNK), grad.split(CPU_CHUNK), strict=True):
            values = unpack_history(chunk, ctx.field)
            grad_weight += conv2d_weight(values, weight.shape, part, ctx.stride)
        return None, grad_weight, grad_bias, None, None


class BytePatches(nn.Conv2d):
    """A convolution without overlap over bytes ``[N, C, n, n]``, scaled: float32 ``[N, out, n / edge, n / edge]``.

    On a CPU it is a product of matrices, some patches at a time, and only bytes are kept for the backward pass: forward
    and backward take .27 of the time of a plain convolution on 128 x 6 planes of 128 x 128 in patches of 8, most of
    which is turning bytes into floats that do not fit the cache.
    """

    def __init__(self, planes: int, channels: int, edge: int, scale: float) -> None:
        super().__init__(planes, channels, edge, edge)
        self.scale = scale

    def forward(self, planes: Tensor) -> Tensor:
        weight = self.weight * self.scale  # scaling the weights is scaling the planes
        if planes.device.type != "cpu" or torch.compiler.is_exporting():
            return F.conv2d(planes.float(), weight, self.bias, self.stride)
        count, channels, height, width = planes.shape
        edge, _ = self.kernel_size
        patches = planes.reshape(count, channels, height // edge, edge, width // edge, edge).permute(0, 2, 4, 1, 3, 5)
        with torch.autocast("cpu", enabled=False):
            x = _PatchProduct.apply(patches.reshape(-1, channels * edge * edge), weight.flatten(1), self.bias)
        return x.view(count, height // edge, width // edge, -1).permute(0, 3, 1, 2)


class _PatchProduct(torch.autograd.Function):
    """Patches uint8 ``[P, K]``, weight ``[O, K]``, bias ``[O]`` -> ``[P, O]``; no gradient goes to the patches."""

    @staticmethod
    def forward(ctx: Any, patches: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(patches)
        return torch.cat([torch.addmm(bias, chunk.float(), weight.t()) for chunk in patches.split(PATCH_CHUNK)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (patches,) = ctx.saved_tensors
        grad = grad.contiguous()
        grad_weight = grad.new_zeros(grad.shape[1], patches.shape[1])
        for chunk, part in zip(patches.split(PATCH_CHUNK), grad.split(PATCH_CHUNK), strict=True):
            grad_weight.addmm_(part.t(), chunk.float())
        return None, grad_weight, grad.sum(0)


def conv_trunk(
    field: "Field", history: int, channels: Sequence[int], kernels: Sequence[int], strides: Sequence[int]
) -> nn.Sequential:
    """Packed frames uint8 ``[N, history, field.size]`` -> float32 ``[N, channels[-1], h, w]``, ReLU after each."""
    layers: list[nn.Module] = [FrameConv(field, history, channels[0], kernels[0], strides[0]), nn.ReLU(inplace=True)]
    for i in range(1, len(channels)):
        layers += [nn.Conv2d(channels[i - 1], channels[i], kernels[i], strides[i]), nn.ReLU(inplace=True)]
    for layer in layers[::2]:
        orthogonal(layer, 2**0.5)
    return nn.Sequential(*layers)


def trunk_size(shape: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Height and width that a trunk of unpadded convolutions leaves of ``shape``."""
    height, width = shape
    for kernel, stride in zip(kernels, strides, strict=True):
        height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    return height, width


def one_hot(values: Tensor, size: int) -> Tensor:
    """Float32 ``[..., size]``; values beyond either end share what is there."""
    return F.one_hot(values.clamp(0, size - 1).long(), size).float()


def orthogonal(layer: Any, gain: float = 1.0) -> Any:
    """Orthogonal weights times ``gain`` and zero biases for a linear or convolutional layer, which it returns."""
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def body(size: int, hidden: int, activation: type[nn.Module]) -> nn.Sequential:
    """Two layers, ``[..., size] -> [..., hidden]``."""
    return nn.Sequential(
        orthogonal(nn.Linear(size, hidden), 2**0.5),
        activation(),
        orthogonal(nn.Linear(hidden, hidden), 2**0.5),
        activation(),
    )


class ByteEmbedding(nn.Embedding):
    """Learned vectors ``[..., size]`` for categories (uint8 or int tensors ``[...]``), drawn from N(0, std^2)."""

    def __init__(self, size: int, categories: int = 256, std: float = 1.0) -> None:
        super().__init__(categories, size)
        nn.init.normal_(self.weight, std=std)

    def forward(self, categories: Tensor) -> Tensor:
        return super().forward(categories.int())
