"""The encoder against loops over its patches: which frames it looks at, in what order, and what it leaves alone."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from policies.encoder import LEAST_EDGE, Encoder, is_picture
from puffer_envs.contract.layout import ObsLayout
from tests.slopes import check_network

FEATURES = 5
STEPS = {  # kernels and strides, first layer first
    "patches": ((3, 3), (3, 2), (3, 2)),
    "nature": ((8, 4), (4, 2), (3, 1)),
}
SCREENS = {
    "gray": (1, 20, 31),  # neither edge is full of patches
    "rgb": (3, 19, 36),
    "square": (1, 40, 40),
    "wide": (3, 36, 41),
}
MIXED = ObsLayout(
    np.uint8,
    ("flags", (5,), 1),
    ("front", (1, 23, 19), 8, 1 / 255),
    ("level", (2,), 8, 1 / 100),
    ("tiles", (2, 20, 20), 2, 1 / 3),  # no bytes, so no picture
    ("back", (2, 31, 21), 8, 1 / 128),
    ("strip", (1, 4, 30), 8, 1 / 255),  # too low for a picture
)
NUMBERS = ("flags", "level", "tiles", "strip")  # of MIXED
FLOATS = ObsLayout(np.float32, ("speed", (3,)), ("planes", (1, 20, 20), 32, 0.5))


def screen(name: str) -> ObsLayout:
    return ObsLayout(np.uint8, ("screen", SCREENS[name], 8, 1 / 255))


def encoder_of(layout, stack=4, motion=False, convolutions="patches"):
    """With biases, too."""
    encoder = Encoder(layout, stack, motion, convolutions, FEATURES)
    for layer in layers_of(encoder):
        nn.init.normal_(layer.bias, std=0.1)
    return encoder


def layers_of(module):
    return [layer for layer in module.modules() if hasattr(layer, "weight")]


def frames_of(layout, *shape: int) -> torch.Tensor:
    """Random rows [*shape, R]."""
    if layout.dtype == np.uint8:
        return torch.randint(0, 256, (*shape, layout.size), dtype=torch.uint8)
    return torch.randn(*shape, layout.size)


# -- the same in loops and float64 -------------------------------------------------------------------------------------
def convolved(x: np.ndarray, layer, kernel: int, stride: int) -> np.ndarray:
    weight, bias = (each.detach().double().numpy() for each in (layer.weight, layer.bias))
    height, width = ((edge - kernel) // stride + 1 for edge in x.shape[2:])
    out = np.zeros((len(x), len(bias), height, width))
    for i, j in np.ndindex(height, width):
        patch = x[:, :, stride * i : stride * i + kernel, stride * j : stride * j + kernel]
        out[:, :, i, j] = np.maximum((patch[:, None] * weight).sum((2, 3, 4)) + bias, 0)
    return out


def stacked(frames: np.ndarray, stack: int, motion: bool) -> np.ndarray:
    """Unscaled planes [B, P, h, w] of pictures [B, H, C, h, w]: each frame's channels, and how the newest moved."""
    planes = [frames[:, age - stack, channel] for age in range(stack) for channel in range(frames.shape[2])]
    if motion:
        planes += [128 + np.floor((frames[:, -1, c] - frames[:, -2, c]) / 2) for c in range(frames.shape[2])]
    return np.stack(planes, 1)


def seen(eye, planes: np.ndarray, scale: float, convolutions: str) -> np.ndarray:
    """What a picture becomes, [B, features]."""
    *convolutional, last = layers_of(eye)
    x = planes * scale
    if convolutions == "patches":
        rows, columns = (-(-edge // 3) * 3 for edge in x.shape[2:])
        whole = np.zeros((*x.shape[:2], rows, columns))
        whole[:, :, : x.shape[2], : x.shape[3]] = x
        x = whole
    for layer, (kernel, stride) in zip(convolutional, STEPS[convolutions], strict=True):
        x = convolved(x, layer, kernel, stride)
    weight, bias = (each.detach().double().numpy() for each in (last.weight, last.bias))
    return np.maximum(x.reshape(len(x), -1) @ weight.T + bias, 0)


class Case(NamedTuple):
    screen: str
    stack: int
    motion: bool
    convolutions: str


CASES = [
    Case("gray", 1, False, "patches"),
    Case("gray", 2, False, "patches"),
    Case("gray", 4, True, "patches"),
    Case("gray", 1, True, "patches"),  # two frames are shown, one is looked at
    Case("rgb", 1, False, "patches"),
    Case("rgb", 4, False, "patches"),
    Case("rgb", 2, True, "patches"),
    Case("square", 4, False, "patches"),
    Case("square", 1, False, "nature"),
    Case("square", 4, False, "nature"),
    Case("square", 2, True, "nature"),
    Case("wide", 2, False, "nature"),
    Case("wide", 1, True, "nature"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_picture_is_what_loops_make_of_it(case, device):
    layout = screen(case.screen)
    encoder = encoder_of(layout, *case[1:])
    frames = frames_of(layout, 3, encoder.history)
    given = frames if encoder.history > 1 else frames[:, 0]
    pictures = frames.double().numpy().reshape(3, -1, *SCREENS[case.screen])
    planes = stacked(pictures, case.stack, case.motion)
    wanted = seen(encoder.eyes[0], planes, 1 / 255, case.convolutions)
    features = encoder.to(device)(given.to(device))
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features.detach().cpu(), wanted, rtol=1e-4, atol=1e-5)
    assert (wanted > 0).any()


@pytest.mark.parametrize(("stack", "motion"), [(1, False), (2, True), (4, False)])
def test_of_a_mixed_row_pictures_are_looked_at_and_numbers_are_read_off_the_newest(stack, motion):
    encoder = encoder_of(MIXED, stack, motion)
    frames = frames_of(MIXED, 3, encoder.history)
    parts = []
    for eye, name in zip(encoder.eyes, ("front", "back"), strict=True):
        planes = stacked(MIXED.unpack(frames.numpy(), name).astype(float), stack, motion)
        parts.append(seen(eye, planes, MIXED[name].scale, "patches"))
    newest = frames[:, -1].numpy()
    parts += [MIXED.unpack(newest, name).reshape(3, -1) * MIXED[name].scale for name in NUMBERS]
    features = encoder(frames if encoder.history > 1 else frames[:, 0])
    assert features.shape == (3, encoder.size) == (3, 2 * FEATURES + 5 + 2 + 800 + 120)
    np.testing.assert_allclose(features.detach(), np.concatenate(parts, 1), rtol=1e-4, atol=1e-5)


# -- frames ------------------------------------------------------------------------------------------------------------
class Planes(nn.Module):
    """In the place of an eye: it keeps the planes it is shown."""

    def forward(self, planes):
        self.planes = planes
        return planes[:, :1].flatten(1).float()


def planes_of(layout, stack, motion, frames):
    encoder = encoder_of(layout, stack, motion)
    encoder.eyes[0] = Planes()
    encoder(frames)
    return encoder.eyes[0].planes


@pytest.mark.parametrize("stack", [1, 2, 4])
def test_the_oldest_frame_is_the_first_plane(stack):
    layout = screen("gray")
    frames = torch.arange(10, 50, 10, dtype=torch.uint8)[None, :, None].expand(2, 4, layout.size)
    planes = planes_of(layout, stack, False, frames)
    assert planes.dtype == torch.uint8
    assert planes.shape == (2, stack, 20, 31)
    assert planes[:, :, 7, 3].tolist() == [[10, 20, 30, 40][-stack:]] * 2


def test_the_channels_of_a_frame_stay_together():
    layout = screen("rgb")
    frames = torch.zeros(1, 2, layout.size, dtype=torch.uint8)
    for frame in range(2):
        frames[0, frame].view(3, 19, 36)[:] = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None] + frame
    planes = planes_of(layout, 2, True, frames)
    assert planes[0, :, 5, 5].tolist() == [10, 20, 30, 11, 21, 31, 128, 128, 128]


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        (0, 0, 128),
        (255, 255, 128),
        (0, 255, 255),  # 127.5 less a half
        (255, 0, 0),  # -127.5 less a half
        (7, 8, 128),
        (8, 7, 127),  # rounded down, not to zero
        (10, 13, 129),
        (13, 10, 126),
        (200, 100, 78),
    ],
)
def test_motion_is_half_the_difference_around_128(before, now, moved):
    layout = screen("gray")
    frames = torch.empty(1, 4, layout.size, dtype=torch.uint8)
    frames[:, :2], frames[:, 2], frames[:, 3] = 77, before, now
    assert planes_of(layout, 1, True, frames)[0, :, 4, 4].tolist() == [now, moved]
    assert planes_of(layout, 4, True, frames)[0, :, 4, 4].tolist() == [77, 77, before, now, moved]


def test_older_frames_than_are_looked_at_change_nothing():
    encoder = encoder_of(MIXED, 2, True)
    frames = frames_of(MIXED, 3, 4)
    others = frames.clone()
    others[:, :2] = frames_of(MIXED, 3, 2)
    assert torch.equal(encoder(frames), encoder(others))
    others[:, 2] = frames_of(MIXED, 3)  # nor do their numbers, of the one before either
    assert torch.equal(encoder(frames)[:, 2 * FEATURES :], encoder(others)[:, 2 * FEATURES :])
    assert not torch.equal(encoder(frames), encoder(others))


@pytest.mark.parametrize(("stack", "motion", "history"), [(1, False, 1), (1, True, 2), (2, True, 2), (4, False, 4)])
def test_the_history_is_as_long_as_what_is_looked_at(stack, motion, history):
    assert encoder_of(screen("gray"), stack, motion).history == history
    assert encoder_of(FLOATS, stack, motion).history == 1  # nothing to look at


# -- fields ------------------------------------------------------------------------------------------------------------
def test_floats_are_scaled_and_nothing_else():
    encoder = encoder_of(FLOATS)
    rows = frames_of(FLOATS, 3)
    assert (encoder.size, encoder.kept, [*encoder.parameters()]) == (3 + 400, 0, [])
    assert torch.equal(encoder(rows), torch.cat([rows[:, :3], 0.5 * rows[:, 3:]], 1))


def test_what_is_a_picture():
    assert [field.name for field in MIXED if is_picture(field)] == ["front", "back"]
    assert not [field.name for field in FLOATS if is_picture(field)]
    flat = ObsLayout(np.uint8, ("bytes", (500,)), ("plane", (20, 20)), ("films", (2, 1, 20, 20)))
    assert not [field.name for field in flat if is_picture(field)]


@pytest.mark.parametrize("edges", [(LEAST_EDGE, LEAST_EDGE), (LEAST_EDGE, 90), (90, LEAST_EDGE)])
def test_the_smallest_pictures_are_not_too_small_for_patches(edges):
    layout = ObsLayout(np.uint8, ("screen", (1, *edges), 8, 1 / 255))
    assert encoder_of(layout)(frames_of(layout, 2, 4)).shape == (2, FEATURES)
    smaller = ObsLayout(np.uint8, ("screen", (1, edges[0], LEAST_EDGE - 1), 8, 1 / 255))
    assert encoder_of(smaller)(frames_of(smaller, 2)).shape == (2, edges[0] * (LEAST_EDGE - 1))  # numbers


@pytest.mark.parametrize("edges", [(35, 40), (40, 35), (20, 20)])
def test_a_picture_that_is_too_small_for_nature_is_told_what_helps(edges):
    layout = ObsLayout(np.uint8, ("sky", (1, 40, 40)), ("screen", (1, *edges), 8, 1 / 255))
    with pytest.raises(ValueError, match=r"^screen is too small .* --policy\.convolutions patches$"):
        encoder_of(layout, convolutions="nature")
    encoder_of(layout)


def test_the_smallest_picture_for_nature():
    layout = ObsLayout(np.uint8, ("screen", (1, 36, 36), 8, 1 / 255))
    assert encoder_of(layout, convolutions="nature")(frames_of(layout, 2, 4)).shape == (2, FEATURES)


# -- what is kept ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layout", "convolutions", "kept"),
    [
        (screen("gray"), "patches", 16 * 7 * 11 + 32 * 3 * 5 + 32 * 1 * 2),
        (screen("rgb"), "patches", 16 * 7 * 12 + 32 * 3 * 5 + 32 * 1 * 2),
        (screen("square"), "patches", 16 * 14 * 14 + 32 * 6 * 6 + 32 * 2 * 2),
        (screen("wide"), "nature", 32 * 8 * 9 + 64 * 3 * 3 + 64 * 1 * 1),
        (screen("square"), "nature", 32 * 9 * 9 + 64 * 3 * 3 + 64 * 1 * 1),
        (MIXED, "patches", 16 * 8 * 7 + 32 * 3 * 3 + 32 * 1 * 1 + 16 * 11 * 7 + 32 * 5 * 3 + 32 * 2 * 1),
    ],
    ids=["gray", "rgb", "square", "wide", "square, nature", "mixed"],
)
def test_the_numbers_that_convolutions_keep(layout, convolutions, kept):
    encoder = encoder_of(layout, 2, True, convolutions)
    counted = []
    for layer in layers_of(encoder):
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: counted.append(output[0].numel()))
    encoder(frames_of(layout, 3, 2))
    assert len(counted) == len(STEPS[convolutions]) * len(encoder.eyes)
    assert encoder.kept == sum(counted) == kept


# -- learning ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layout", "convolutions"), [(MIXED, "patches"), (screen("square"), "nature")], ids=["patches", "nature"]
)
def test_its_gradients_are_slopes(layout, convolutions):
    encoder = encoder_of(layout, 2, True, convolutions)
    frames = frames_of(layout, 6, 2)

    def loss():
        features = encoder(frames)[:, : FEATURES * len(encoder.eyes)]
        return (features.tanh() * torch.linspace(0.5, 1.5, features.numel()).view_as(features)).mean()

    check_network(encoder, loss)


def test_a_new_encoder_is_orthogonal_without_biases():
    for convolutions in ("patches", "nature"):
        encoder = Encoder(screen("square"), 4, False, convolutions, 64)
        for layer in layers_of(encoder):
            weight = layer.weight.flatten(1).double()
            short = weight @ weight.T if len(weight) <= weight.shape[1] else weight.T @ weight
            torch.testing.assert_close(short, 2 * torch.eye(len(short)).double(), rtol=0, atol=1e-5)
            assert not layer.bias.any()
