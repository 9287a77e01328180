"""The network of games that have none of their own."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.generic import PRESETS, GenericPolicy
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout

BYTES = ObsLayout(np.uint8, ("flags", (3,), 1), ("level", (2,), 8, 1 / 100), ("screen", (2, 4), 2, 1 / 3))
FOUR = ActionSpec.of(spaces.Discrete(4))
FLOATS = ObsLayout(np.float32, ("speed", (2,)), ("angle", (1,), 32, 0.5))


def test_every_field_is_seen_scaled():
    policy = GenericPolicy(BYTES, FOUR)
    seen = []
    policy.trunk[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    row = np.array([[0b101, 50, 200, 0b11100100, 0b00000001]], np.uint8)
    policy(torch.from_numpy(row))
    assert seen[0][0].tolist() == pytest.approx([1, 0, 1, 0.5, 2, 0, 1 / 3, 2 / 3, 1, 1 / 3, 0, 0, 0])


@pytest.mark.parametrize("size", PRESETS)
@pytest.mark.parametrize("layout", [BYTES, FLOATS])
def test_shapes_and_that_all_weights_learn(layout, size):
    policy = GenericPolicy(layout, FOUR, PRESETS[size])
    rows = torch.ones((5, layout.size), dtype=torch.uint8 if layout is BYTES else torch.float32)
    distribution, values, state = policy.step(rows, torch.zeros(5, 0), torch.zeros(5, dtype=torch.bool))
    logits = distribution.logits
    assert (logits.shape, values.shape, state.shape) == ((5, 4), (5,), (5, 0))
    (logits.square().sum() + values.square().sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in policy.parameters())
