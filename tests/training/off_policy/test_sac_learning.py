"""Soft actor-critic masters small games whose actions are numbers, and a pendulum."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from policies.generic import GenericSoft, PolicyConfig
from puffer_envs.contract.batched import BatchedEnv
from tests.action_probes import Target, TargetConfig
from tests.training.off_policy.continuous import Aim, AimConfig, Pendulum, PendulumConfig
from training.evaluation.episodes import play_episodes
from training.off_policy.config import SACConfig
from training.off_policy.runner import OffPolicy
from training.off_policy.sac import SAC, SoftPlayer

MakeEnv = Callable[..., BatchedEnv]  # (num_envs, seed=)
SETTINGS = SACConfig(
    gamma=0.9,
    batch_size=64,
    replay_ratio=8.0,
    replay_size=20_000,
    learning_starts=320,
    learning_rate=3e-3,
    critic_learning_rate=3e-3,
    tau=0.05,
)
OF_THE_PENDULUM = SACConfig(
    batch_size=128,
    replay_ratio=128.0,
    replay_size=20_000,
    learning_starts=1_000,
    learning_rate=1e-3,
    critic_learning_rate=1e-3,
)


def train(make_env: MakeEnv, num_envs: int, steps: int, settings: SACConfig, hidden: int = 32, seed: int = 0) -> SAC:
    """The loop of train_big without its comforts."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    env = make_env(num_envs, seed=seed)
    env.reset(seed)
    network = GenericSoft(env.spec.layout, env.spec.action, PolicyConfig(hidden=hidden))
    sac = SAC(network, settings, env.spec.action, seed, "cpu")
    learner = OffPolicy(settings, None, env, sac, Path("unused"), seed=seed, sampling=seed, test_epsilon=0.0)
    while learner.ledger.global_step < steps:
        learner.begin()
        for _ in learner.learn():
            pass
        learner.finish(np.zeros(0))
    learner.updates.take()
    learner.close()
    return sac


def score(make_env: MakeEnv, sac: SAC) -> float:
    """Mean return of 256 episodes in which nothing is drawn."""
    result = play_episodes(lambda env, seed: SoftPlayer(env, sac.acting, True, seed, "cpu"), make_env(256), 0, 5)
    return result.mean_return


@pytest.mark.parametrize("alpha", ["auto", 0.02])
def test_says_the_number_that_it_sees(alpha):
    target = partial(Target, TargetConfig())
    assert score(target, train(target, 16, 4_000, replace(SETTINGS, alpha=alpha))) >= 0.97


@pytest.mark.parametrize("n_step", [1, 2])
def test_credits_a_deed_that_pays_later(n_step):
    aim = partial(Aim, AimConfig())
    assert score(aim, train(aim, 16, 5_000, replace(SETTINGS, n_step=n_step))) >= 0.96


# -- the pendulum ------------------------------------------------------------------------------------------------------
def test_the_pendulum_is_gymnasiums():
    ours, theirs = Pendulum(PendulumConfig(), 3, seed=1), [gymnasium.make("Pendulum-v1") for _ in range(3)]
    ours.reset(1)
    rng = np.random.default_rng(0)
    for episode in range(2):
        assert (np.abs(ours.world) <= [np.pi, 1]).all()
        for row, env in enumerate(theirs):
            env.reset(seed=0)
            env.unwrapped.state = ours.world[row].copy()
        for step in range(200):
            # Hard enough to swing over the top, and now and then more than it can
            actions = (2.2 * np.sign(ours.world[:, 1:]) + rng.normal(size=(3, 1)) * episode).astype(np.float32)
            ours.step(actions)
            told = [env.step(action) for env, action in zip(theirs, actions, strict=True)]
            seen = ours.final_observations if step == 199 else ours.observations
            np.testing.assert_allclose(seen, [each[0] for each in told], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(ours.rewards, [each[1] for each in told], rtol=1e-5, atol=1e-5)
            assert ours.truncations.tolist() == [each[3] for each in told] == [step == 199] * 3
            assert not ours.terminals.any()
        assert ours.episode_step.tolist() == [0] * 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_swings_a_pendulum_up(seed):
    """An update of 128 for each of 20,000 decisions. Measured: -147.9, -146.6 and -146.1; the errors are of 5."""
    pendulum = partial(Pendulum, PendulumConfig())
    assert score(pendulum, train(pendulum, 4, 20_000, OF_THE_PENDULUM, hidden=64, seed=seed)) >= -160
