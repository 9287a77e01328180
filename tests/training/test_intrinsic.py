"""Intrinsic rewards on examples that can be worked by hand."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from puffer_envs.base import Event
from training.config import IntrinsicConfig
from training.intrinsic import RND, EpisodicNovelty, milestone_bonus


def test_novelty_falls_with_the_square_root_of_the_visits():
    novelty = EpisodicNovelty(2)
    keys = np.array([7, 8], np.uint64)
    assert novelty.reward(keys).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(novelty.reward(np.array([7, 9], np.uint64)), [2**-0.5, 1.0])
    novelty.forget(np.array([0]))
    np.testing.assert_allclose(novelty.reward(np.array([7, 9], np.uint64)), [1.0, 2**-0.5])


def test_novelty_goes_on_after_a_resume():
    novelty, copy = EpisodicNovelty(1), EpisodicNovelty(1)
    key = np.array([2**64 - 1], np.uint64)
    novelty.reward(key)
    copy.load_state_dict(novelty.state_dict())
    assert copy.reward(key) == novelty.reward(key)


def test_mastered_milestones_stop_paying():
    theta = np.array([0.5, 1.0, 0.25])
    events = [Event(0, 0, 3, None), Event(0, 2, 3, None), Event(2, 1, 9, None)]
    assert milestone_bonus(events, theta, 3).tolist() == [1.25, 0.0, 0.0]


def test_surprise_falls_for_what_is_seen_often_and_not_for_the_new():
    torch.manual_seed(0)
    rnd = RND(8, IntrinsicConfig(rnd_hidden=32, rnd_learning_rate=1e-2), "cpu")
    common, new = torch.randn(64, 8), 3 * torch.randn(64, 8)
    for _ in range(300):
        rnd.update(common)
    rnd.reward(torch.cat([common, new]))
    assert rnd.reward(new).mean() > 10 * rnd.reward(common).mean()


def test_moments_are_those_of_all_errors():
    rnd = RND(4, IntrinsicConfig(), "cpu")
    rnd.moments[2] = 0.0
    errors = torch.rand(3, 50, dtype=torch.float64)
    for part in errors:
        rnd._observe(part)
    assert rnd.moments[0] == pytest.approx(errors.mean())
    assert rnd.moments[1] == pytest.approx(errors.var(unbiased=False))


def test_rnd_resumes_exactly():
    torch.manual_seed(0)
    rnd, copy = RND(4, IntrinsicConfig(), "cpu"), RND(4, IntrinsicConfig(), "cpu")
    batch = torch.randn(16, 4)
    rnd.update(batch)
    rnd.reward(batch)
    copy.load_state_dict(deepcopy(rnd.state_dict()))  # an optimiser would share its tensors
    assert copy.update(batch) == rnd.update(batch)
    assert torch.equal(copy.reward(batch), rnd.reward(batch))
