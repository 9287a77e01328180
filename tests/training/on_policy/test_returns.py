"""Advantages against numbers worked by hand and a plain loop."""

import numpy as np
import pytest
import torch

from training.on_policy.returns import gae


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def flags(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.bool)[:, None]


def test_two_steps_by_hand():
    # delta_1 = 2 + .5 * 4 - 1 = 3; delta_0 = 1 + .5 * 1 - 2 = -.5; A_1 = 3; A_0 = -.5 + .5 * .8 * 3 = .7
    advantages, returns = gae(column(1, 2), column(2, 1), column(1, 4), flags(0, 0), flags(0, 0), flags(1, 1), 0.5, 0.8)
    assert advantages.flatten().tolist() == pytest.approx([0.7, 3.0])
    assert returns.flatten().tolist() == pytest.approx([2.7, 4.0])


def test_nothing_follows_a_terminal_and_a_truncation_is_followed_by_its_final_observation():
    # Terminal at 0: delta_0 = 1 - 2 = -1, whatever `next_values` says. Truncated: 1 + .5 * 6 - 2 = 2. No sum runs on.
    for terminal, wanted in ((1, -1.0), (0, 2.0)):
        advantages, _ = gae(
            column(1, 9), column(2, 1), column(6, 4), flags(terminal, 0), flags(1, 0), flags(1, 1), 0.5, 0.8
        )
        assert advantages[0].item() == pytest.approx(wanted)


def test_a_step_that_was_none_leaks_into_no_other():
    # V is 10 everywhere, r is .1; the second step's worker died, and what is stored of it is 0 or worse.
    # A_0 = .1 + .99 * 10 - 10 = 0.
    for stale in (0.0, -1e9, float("inf")):
        rewards, values, following = column(0.1, stale), column(10, 10), column(10, 0)
        advantages, _ = gae(rewards, values, following, flags(0, 0), flags(0, 1), flags(1, 0), 0.99, 0.95)
        assert advantages[0].item() == pytest.approx(0.0, abs=1e-5)


def test_random_segments_agree_with_the_sum_that_defines_them():
    rng = np.random.default_rng(0)
    steps, rows, gamma, lam = 12, 9, 0.9, 0.7
    rewards, values, following = rng.normal(size=(3, steps, rows)).astype(np.float32)
    terminals = rng.random((steps, rows)) < 0.15
    ended = terminals | (rng.random((steps, rows)) < 0.15)
    mask = rng.random((steps, rows)) < 0.8
    tensors = [torch.from_numpy(array) for array in (rewards, values, following, terminals, ended, mask)]
    advantages, _ = gae(*tensors, gamma, lam)
    for row in range(rows):
        for start in range(steps):
            total, weight = 0.0, 1.0
            for t in range(start, steps):
                ahead = 0.0 if terminals[t, row] else gamma * following[t, row]
                total += weight * (rewards[t, row] + ahead - values[t, row]) * mask[t, row]
                weight *= gamma * lam
                if ended[t, row]:
                    break
            assert advantages[start, row].item() == pytest.approx(total, abs=1e-5)
