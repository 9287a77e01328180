"""The update beside the acting: which thread it runs in, what it hands over, what a resume may change."""

import dataclasses
import threading
from copy import deepcopy

import numpy as np
import pytest
import torch

from tests.training.test_learning import SETTINGS, collect, make_learner
from training.common.intrinsic import IntrinsicConfig
from training.off_policy.background import BackgroundLearner
from training.off_policy.config import DQNConfig


def some_batch(settings: DQNConfig = SETTINGS):
    """What learns beside the acting, and a batch that was gathered."""
    learner = make_learner("dice", settings, bonus=IntrinsicConfig())
    collect(learner, settings.burn_in + settings.sequence + settings.n_step + 5)
    batch = learner.replay.sample(settings.batch_size // settings.sequence, np.random.default_rng(0))
    return learner.updates, batch


def test_on_apples_gpus_the_update_runs_in_the_acting_thread(monkeypatch):
    learner, _ = some_batch()
    learner.close()
    threads = []
    monkeypatch.setattr(BackgroundLearner, "_update", lambda self, batch: threads.append(threading.current_thread()))
    for device, own in (("cpu", False), ("mps", True)):
        learner.algorithm.device = torch.device(device)
        other = BackgroundLearner(learner.algorithm, learner.rnd)
        other.start(None)
        other._running.result()
        other.close()
        assert (threads[-1] is threading.current_thread()) == own


@pytest.mark.parametrize("sync", [0, 1000])
def test_curiosity_learns_on_the_features_of_the_network_that_acts(sync):
    learner, batch = some_batch(dataclasses.replace(SETTINGS, target_sync=sync))
    dqn, burn, end = learner.algorithm, SETTINGS.burn_in, SETTINGS.burn_in + SETTINGS.sequence
    for parameter in dqn.target.parameters():  # an old target
        parameter.data *= 0.5
    dqn.publish()
    with torch.no_grad():
        acting = dqn._encode(dqn.acting, batch, burn, end).flatten(0, 1)
    _, features = dqn.update(batch)
    learner.close()
    torch.testing.assert_close(features, acting)


def test_what_was_learned_acts_and_rewards_from_its_taking_on():
    learner, batch = some_batch()

    def published() -> list[bool]:
        pairs = ((learner.algorithm.acting, learner.algorithm.target), (learner.rnd.acting, learner.rnd.predictor))
        return [all(map(torch.equal, one.parameters(), other.parameters())) for one, other in pairs]

    assert published() == [True, True]
    learner.start(batch)
    learner._running.result()
    assert published() == [False, False]
    assert learner.take()["rnd_loss"] > 0
    assert published() == [True, True]
    assert learner.take() is None
    learner.close()


def test_where_surprise_pays_nothing_nobody_learns_to_be_surprised():
    learner = make_learner("dice", SETTINGS, bonus=IntrinsicConfig(rnd=0.0))
    assert learner.updates.rnd is None
    learner.close()


def test_a_weight_that_a_resumed_run_is_given_begins_with_a_fresh_predictor():
    without, _ = some_batch()
    without.rnd = None
    other, batch = some_batch()
    other.load_state_dict(deepcopy(without.state_dict()))
    other.start(batch)
    assert other.take()["rnd_loss"] > 0
    for learner in (without, other):
        learner.close()


def test_an_update_that_nobody_has_taken_is_taken_after_a_resume():
    ours, batch = some_batch()
    theirs, _ = some_batch()
    theirs.load_state_dict(deepcopy(ours.state_dict()))
    assert theirs.take() is None
    ours.start(batch)
    theirs.load_state_dict(deepcopy(ours.state_dict()))
    assert (theirs.started, theirs.take()) == (1, ours.take())
    for learner in (ours, theirs):
        learner.close()


def test_a_resumed_learner_learns_at_the_rate_that_it_is_given():
    slow, _ = some_batch(dataclasses.replace(SETTINGS, learning_rate=1e-5))
    fast, _ = some_batch(dataclasses.replace(SETTINGS, learning_rate=1e-2, adam_eps=1e-4))
    fast.load_state_dict(slow.state_dict())
    (group,) = fast.algorithm.optimizer.param_groups
    assert (group["lr"], group["eps"]) == (1e-2, 1e-4)
    for learner in (slow, fast):
        learner.close()


def test_rewards_are_learned_from_in_their_scale():
    """As if the game paid so, and it is stored as the game paid."""
    (plain, batch), (scaled, _) = (some_batch(dataclasses.replace(SETTINGS, reward_scale=x)) for x in (1.0, 0.25))
    assert batch.rewards.any()
    told = plain.algorithm.update(batch._replace(rewards=0.25 * batch.rewards))[0]
    assert scaled.algorithm.update(batch)[0] == told
    for learner in (plain, scaled):
        learner.close()
