"""Unpacking against the layout's own; the chunked first convolution against the plain one."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from policies.blocks import CPU_CHUNK, FrameConv, orthogonal, trunk_size, unpack, unpack_history
from policies.values import DuelingHead
from puffer_envs.contract.layout import ObsLayout


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(16,), (13,), (3, 8), (2, 3, 16)])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_unpack_is_the_layouts(bits, shape, leading, device):
    if len(shape) == 1 or shape[-1] * bits % 8 == 0:
        layout = ObsLayout(np.uint8, ("before", (3,)), ("field", shape, bits, 0.25), ("after", (2,)))
        rows = np.random.default_rng(0).integers(0, 256, (*leading, layout.size), dtype=np.uint8)
        values = unpack(torch.as_tensor(rows, device=device), layout["field"]).cpu()
        assert values.dtype == torch.float32
        np.testing.assert_array_equal(values.numpy(), layout.unpack(rows, "field") * np.float32(0.25))


def test_unpack_float_rows():
    layout = ObsLayout(np.float32, ("before", (3,)), ("field", (2, 2), 32, 0.5))
    rows = torch.randn(4, layout.size)
    torch.testing.assert_close(unpack(rows, layout["field"]), rows[:, 3:].view(4, 2, 2) * 0.5)


def test_a_table_first_used_while_acting_serves_training():
    layout = ObsLayout(np.uint8, ("field", (8,), 1, 0.123))
    rows = torch.randint(0, 256, (2, 1), dtype=torch.uint8)
    with torch.inference_mode():
        unpack(rows, layout["field"])
    weight = torch.ones(8, requires_grad=True)
    (unpack(rows, layout["field"]) * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("history", [1, 2, 4, 8])
def test_unpack_history_is_unpack_of_each_frame(bits, history, device):
    layout = ObsLayout(np.uint8, ("screen", (4, 8), bits))
    frames = torch.randint(0, 256, (5, history, layout.size), dtype=torch.uint8, device=device)
    values = unpack_history(frames, layout["screen"])
    assert torch.equal(values, unpack(frames, layout["screen"]))
    assert values.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("count", [1, CPU_CHUNK, 2 * CPU_CHUNK + 3])
def test_frame_conv_is_a_convolution_of_the_scaled_frames(count, layout, device):
    field = layout["screen"]
    layer = FrameConv(field, 4, 5, 8, 4).to(device)
    frames = torch.randint(0, 256, (count, 4, field.size), dtype=torch.uint8, device=device)
    expected = F.conv2d(unpack(frames, field), layer.weight, layer.bias, 4)
    output = layer(frames)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4)
    assert output.shape[2:] == trunk_size(field.shape, [8], [4])
    grad = torch.randn_like(expected)
    parameters = [layer.weight, layer.bias]
    for ours, plain in zip(
        torch.autograd.grad(output, parameters, grad), torch.autograd.grad(expected, parameters, grad), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-3 * count**0.5)


def test_frame_conv_refuses_what_it_cannot_pack(layout):
    with pytest.raises(ValueError, match="history"):
        FrameConv(layout["screen"], 3, 5, 8, 4)
    with pytest.raises(ValueError, match="history"):
        FrameConv(layout["bag"], 4, 5, 8, 4)


def test_orthogonal():
    layer = orthogonal(torch.nn.Linear(8, 8), 2.0)
    torch.testing.assert_close(layer.weight @ layer.weight.T, 4 * torch.eye(8), atol=1e-5, rtol=0)
    assert not layer.bias.any()


def test_dueling_head_by_hand():
    head = DuelingHead(1, 2)
    head.value_and_advantage.weight.data = torch.tensor([[10.0], [1.0], [3.0]])
    # v = 10 x, a = (x, 3 x), mean(a) = 2 x: q = (9 x, 11 x)
    torch.testing.assert_close(head(torch.tensor([[[1.0], [2.0]]])), torch.tensor([[[9.0, 11.0], [18.0, 22.0]]]))
