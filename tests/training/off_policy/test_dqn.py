"""The losses of Q-learning against numbers worked by hand and against plain loops."""

import numpy as np
import pytest
import torch

from tests.reference.returns import n_step_target
from training.off_policy.dqn import td_loss
from training.off_policy.targets import n_step_targets, widen_gaps


def column(*values):
    return torch.tensor(values, dtype=torch.float32)[:, None]


def flags(*values):
    return torch.tensor(values, dtype=torch.bool)[:, None]


def test_three_steps_then_the_value():
    # 1 + .5 * 2 + .25 * 4 + .125 * 8 = 4
    target = n_step_targets(column(1, 2, 4, 0), flags(0, 0, 0, 0), flags(0, 0, 0, 0), column(0, 0, 0, 8), 0.5, 3)
    assert target.tolist() == [[4.0]]


def test_nothing_follows_a_terminal():
    # The second action ends the episode: 1 + .5 * 2, and neither the next reward nor any value.
    target = n_step_targets(column(1, 2, 4, 0), flags(0, 1, 0, 0), flags(0, 0, 0, 0), column(9, 9, 9, 9), 0.5, 3)
    assert target.tolist() == [[2.0]]


def test_a_truncation_bootstraps_from_its_truncated_record():
    # Actions at records 0 and 1, the final observation 2 with value 8, then another episode: 1 + .5 * 2 + .25 * 8 = 4.
    target = n_step_targets(column(1, 2, 0, 7), flags(0, 0, 0, 0), flags(0, 0, 1, 0), column(9, 9, 8, 9), 0.5, 3)
    assert target.tolist() == [[4.0]]


def test_targets_agree_with_the_slow_twin():
    rng = np.random.default_rng(0)
    length, batch, n, gamma = 21, 64, 5, 0.9
    rewards, values = rng.random((2, length, batch), dtype=np.float32)
    kind = rng.random((length, batch))
    terminal, truncated = kind < 0.1, kind > 0.9
    tensors = [torch.from_numpy(x) for x in (rewards, terminal, truncated, values)]
    targets = n_step_targets(*tensors, gamma, n)
    for b in range(batch):
        for k in range(length - n):
            wanted = n_step_target(rewards[:, b], terminal[:, b], truncated[:, b], values[:, b], gamma, n, k)
            assert targets[k, b] == pytest.approx(wanted, rel=1e-5)


def test_what_an_action_falls_short_of_the_best_is_taken_off_again():
    # The best action keeps its target; one that is worth 1 less than the best loses .8 * 1.
    q = torch.tensor([[[3.0, 2.0]], [[3.0, 2.0]]])
    assert widen_gaps(column(5, 5), q, torch.tensor([[0], [1]]), 0.8).flatten().tolist() == pytest.approx([5.0, 4.2])


def test_gaps_end_up_wider_and_the_best_value_where_it_was():
    # Q-values that follow their targets 1 and .9 come to 1 and 1 - .1 / (1 - .8) = .5.
    q = torch.zeros(1, 1, 2)
    for _ in range(200):
        targets = [widen_gaps(column(g), q, torch.tensor([[a]]), 0.8) for a, g in enumerate((1.0, 0.9))]
        q = torch.stack(targets, -1)
    assert q.flatten().tolist() == pytest.approx([1.0, 0.5])


def test_loss_is_huber_over_the_trained_records():
    # Errors 3 (Huber 2.5), .5 (Huber .125) and one record that does not count: (2.5 + .125) / 2.
    q = torch.tensor([[[0.0, 1.0]], [[2.0, 0.0]], [[50.0, 0.0]]])
    loss = td_loss(q, torch.tensor([[1], [0], [0]]), column(4, 2.5, 0), flags(1, 1, 0))
    assert loss.item() == pytest.approx(1.3125)
