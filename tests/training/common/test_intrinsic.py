"""Intrinsic rewards on examples that can be worked by hand."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from puffer_envs.contract.records import Event
from training.common import intrinsic
from training.common.intrinsic import RND, EpisodicNovelty, IntrinsicConfig, milestone_bonus


def everyone(rows):
    return np.ones(rows, np.bool_)


def test_novelty_falls_with_a_power_of_the_visits():
    novelty = EpisodicNovelty(2, 0.5)
    keys = np.array([7, 8], np.uint64)
    assert novelty.reward(keys).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(novelty.reward(np.array([7, 9], np.uint64)), [2**-0.5, 1.0])
    novelty.forget(np.array([0]))
    np.testing.assert_allclose(novelty.reward(np.array([7, 9], np.uint64)), [1.0, 2**-0.5])
    steep = EpisodicNovelty(1, 2.0)
    assert [steep.reward(keys[:1]).item() for _ in range(3)] == pytest.approx([1, 1 / 4, 1 / 9])


def test_novelty_goes_on_after_a_resume():
    novelty, copy = EpisodicNovelty(1, 2.0), EpisodicNovelty(1, 2.0)
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
    rnd = RND(128, 8, IntrinsicConfig(rnd_hidden=32, rnd_learning_rate=1e-2), "cpu")
    common, new = torch.randn(64, 8), 3 * torch.randn(64, 8)
    for _ in range(300):
        rnd.update(common)
    rnd.publish()
    surprise = rnd.reward(torch.cat([common, new]), everyone(128))
    assert surprise[64:].mean() > 10 * surprise[:64].mean()


def test_the_unit_of_surprise_is_the_deviation_of_the_discounted_sum(monkeypatch):
    # Errors 1 and 3, then 2 and 4, with gamma .5: sums 1 and 3, then 2.5 and 5.5. Over all four sums the mean is 3 and
    # the variance ((2^2 + 0) + (.5^2 + 2.5^2)) / 4 = 2.625.
    rnd = RND(2, 4, IntrinsicConfig(rnd_gamma=0.5), "cpu")
    rnd.moments[2] = 0.0
    errors = iter([[1.0, 3.0], [2.0, 4.0]])
    monkeypatch.setattr(rnd, "_error", lambda predictor, features: torch.tensor(next(errors)))
    rnd.reward(torch.zeros(2, 4), everyone(2))
    np.testing.assert_allclose(rnd.reward(torch.zeros(2, 4), everyone(2)), np.array([2.0, 4.0]) / 2.625**0.5, rtol=1e-6)


def test_the_unit_of_surprise_forgets_what_is_long_ago(monkeypatch):
    """Each new sum weighs 1, and all that came before at most as much as the window is long."""
    monkeypatch.setattr(intrinsic, "RND_WINDOW", 4)
    rnd = RND(2, 4, IntrinsicConfig(rnd_gamma=0.0), "cpu")  # the sums are the errors
    rnd.moments[2] = 0.0
    errors = np.random.default_rng(0).random((9, 2)) * np.linspace(9, 1, 9)[:, None]
    told = iter(errors)
    monkeypatch.setattr(rnd, "_error", lambda predictor, features: torch.from_numpy(next(told)))
    first = second = weight = 0.0  # moments about zero
    for pair in errors:
        weight = min(weight, 4.0)
        first = (weight * first + pair.sum()) / (weight + 2)
        second = (weight * second + (pair**2).sum()) / (weight + 2)
        weight += 2
        wanted = np.minimum(pair / np.sqrt(second - first**2), rnd.clip)
        np.testing.assert_allclose(rnd.reward(torch.zeros(2, 4), everyone(2)), wanted, rtol=1e-5)


def test_rows_without_a_worker_leave_the_unit_of_surprise_as_it_is(monkeypatch):
    rnd = RND(2, 4, IntrinsicConfig(rnd_gamma=0.5), "cpu")
    monkeypatch.setattr(rnd, "_error", lambda predictor, features: torch.tensor([1.0, 1e6]))
    rnd.reward(torch.zeros(2, 4), np.array([True, False]))
    assert rnd.returns.tolist() == [1.0, 0.0]
    alone = RND(1, 4, IntrinsicConfig(rnd_gamma=0.5), "cpu")
    monkeypatch.setattr(alone, "_error", lambda predictor, features: torch.tensor([1.0]))
    alone.reward(torch.zeros(1, 4), everyone(1))
    assert rnd.moments.tolist() == alone.moments.tolist()
    before = rnd.moments.copy()
    rnd.reward(torch.zeros(2, 4), np.zeros(2, np.bool_))
    assert rnd.moments.tolist() == before.tolist()


def test_a_resumed_predictor_learns_at_the_rate_that_it_is_given():
    slow, fast = (RND(2, 4, IntrinsicConfig(rnd_learning_rate=rate), "cpu") for rate in (1e-5, 1e-2))
    fast.load_state_dict(slow.state_dict())
    assert fast.optimizer.param_groups[0]["lr"] == 1e-2


def test_the_predictor_that_rewards_changes_only_when_published():
    torch.manual_seed(0)
    rnd = RND(4, 4, IntrinsicConfig(), "cpu")
    rnd.moments[1] = 100.0  # so that nothing is clipped
    batch = torch.randn(4, 4)

    def rewards() -> list[float]:
        return deepcopy(rnd).reward(batch, np.zeros(4, np.bool_)).tolist()  # the statistics stay as they are

    before = rewards()
    rnd.update(batch)
    assert rewards() == before
    rnd.publish()
    assert np.less(rewards(), before).all()


def test_rnd_resumes_exactly():
    torch.manual_seed(0)
    rnd, other = RND(16, 4, IntrinsicConfig(), "cpu"), RND(16, 4, IntrinsicConfig(), "cpu")
    batch = torch.randn(16, 4)
    rnd.update(batch)
    rnd.reward(batch, everyone(len(batch)))
    other.load_state_dict(deepcopy(rnd.state_dict()))  # an optimiser would share its tensors
    assert other.update(batch) == rnd.update(batch)
    for one in (rnd, other):
        one.publish()
    np.testing.assert_array_equal(other.reward(batch, everyone(len(batch))), rnd.reward(batch, everyone(len(batch))))
