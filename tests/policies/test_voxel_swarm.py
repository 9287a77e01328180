"""The swarm's network: what it reads of a row, and that neither size of grid nor number of texts is in its weights."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.voxel_swarm import PRESETS, TEXT_SIZE, PolicyConfig, VoxelSwarmPolicy
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.voxel_swarm.state import NUM_ACTIONS, ORIGINAL_LAYOUT, RELATIVE_LAYOUT

ACTION = ActionSpec.of(spaces.Discrete(NUM_ACTIONS))
LAYOUTS = {"relative": RELATIVE_LAYOUT, "original": ORIGINAL_LAYOUT}


def rows_of(layout, count: int = 7) -> torch.Tensor:
    rng = np.random.default_rng(0)
    if layout.dtype == np.uint8:
        return torch.from_numpy(rng.integers(0, 256, (count, layout.size), dtype=np.uint8))
    return torch.from_numpy(rng.random((count, layout.size), dtype=np.float32))


@pytest.mark.parametrize("size", PRESETS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_logits_and_values_of_a_step(layout, size):
    policy = VoxelSwarmPolicy(layout, ACTION, PRESETS[size])
    policy = policy.reading(torch.randn(5, TEXT_SIZE))
    rows = rows_of(layout, 6)
    distribution, values, state = policy.step(rows, torch.zeros(6, 0), torch.ones(6, dtype=torch.bool))
    logits = distribution.logits
    assert (logits.shape, values.shape, state.shape) == ((6, NUM_ACTIONS), (6,), (6, 0))
    assert logits.isfinite().all()
    assert values.isfinite().all()


def test_the_number_of_a_text_picks_its_vector():
    policy = VoxelSwarmPolicy(RELATIVE_LAYOUT, ACTION)
    policy = policy.reading(torch.randn(300, TEXT_SIZE))
    rows = rows_of(RELATIVE_LAYOUT, 1).repeat(3, 1)
    rows[:, RELATIVE_LAYOUT["text"].span] = torch.tensor([[1, 1], [1, 0], [1, 1]], dtype=torch.uint8)  # 257, 1, 257
    _, values = policy(rows)
    assert values[0] == values[2] != values[1]
    policy = policy.reading(policy.texts[[0, 257]])  # another library, in which it is number 1
    assert policy(rows[1:2])[1].item() == pytest.approx(values[0].item(), abs=1e-6)


def test_without_text_the_text_changes_nothing():
    policy = VoxelSwarmPolicy(RELATIVE_LAYOUT, ACTION, PolicyConfig(text_features=0))
    rows = rows_of(RELATIVE_LAYOUT)
    before = policy(rows)[0].logits
    policy = policy.reading(torch.randn(4, TEXT_SIZE))
    assert torch.equal(policy(rows)[0].logits, before)


def test_texts_are_no_part_of_the_weights():
    policy = VoxelSwarmPolicy(RELATIVE_LAYOUT, ACTION)
    policy = policy.reading(torch.randn(9, TEXT_SIZE))
    VoxelSwarmPolicy(RELATIVE_LAYOUT, ACTION).load_state_dict(policy.state_dict())
