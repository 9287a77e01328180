"""Probes in seconds: the learner as it stands must master each tiny game that needs one of its parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies.blocks import unpack
from policies.protocol import QNetwork
from policies.recurrent import Hierarchy
from policies.values import DuelingHead
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.probes import PROBES
from training.common.acting import Acting
from training.common.intrinsic import IntrinsicConfig
from training.common.learner import NonFiniteError
from training.evaluation.episodes import play_episodes
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.runner import OffPolicy

ENVS = 16
SETTINGS = DQNConfig(
    gamma=0.9,
    n_step=2,
    sequence=6,
    burn_in=2,
    batch_size=192,
    replay_ratio=4.0,
    replay_size=20_000,
    learning_starts=320,
    learning_rate=3e-3,
    tau=0.05,
    epsilon_ramp=1500,
    epsilon_base=0.2,
    epsilon_alpha=2.0,
    boredom=0,  # the probes have no places
)
NO_BONUS = IntrinsicConfig(rnd=0.0, novel=0.0, bayes=0.0)


class TinyPolicy(QNetwork):
    """All fields of a row, one linear layer, the real memories and the real head."""

    feature_size = 32

    def __init__(self, layout: ObsLayout, action: ActionSpec) -> None:
        super().__init__()
        self.layout, self.num_actions = layout, *action.parts
        self.linear = nn.Linear(sum(int(np.prod(field.shape)) for field in layout), self.feature_size)
        self.memory = Hierarchy(self.feature_size, 16)
        self.state_size = self.memory.state_size
        self.head = DuelingHead(self.memory.out_features, self.num_actions)

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        return torch.relu(self.linear(torch.cat([unpack(rows, field).flatten(1) for field in self.layout], -1)))

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        remembered, state = self.memory.step(features, state, episode_start)
        return self.head(remembered), state

    def sequence(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        remembered, state = self.memory.sequence(features, state, episode_start)
        return self.head(remembered), state


class Forgetful(TinyPolicy):
    """No memory and no history: what it sees is all that it knows."""

    state_size = 0

    def __init__(self, layout: ObsLayout, action: ActionSpec) -> None:
        super().__init__(layout, action)
        del self.memory
        self.state_size = 0
        self.head = DuelingHead(self.feature_size, self.num_actions)

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(features), state

    sequence = step


def make_learner(
    probe: str,
    settings: DQNConfig = SETTINGS,
    seed: int = 0,
    network: type[QNetwork] = TinyPolicy,
    bonus: IntrinsicConfig = NO_BONUS,
) -> OffPolicy:
    """A learner on its environments, as `training.run.build` puts them together."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    make, config, _, _ = PROBES[probe]
    env = make(config, ENVS, seed=seed)
    env.reset(seed)
    dqn = DQN(network(env.spec.layout, env.spec.action), settings, "cpu")
    return OffPolicy(settings, bonus, env, dqn, Path("unused"), seed=seed, sampling=seed, test_epsilon=0.0)


def collect(learner: OffPolicy, steps: int) -> None:
    """Decisions of all rows, nothing learned."""
    theta = np.full(len(learner.env.spec.milestones), 0.5)
    for _ in range(steps):
        learner.begin()
        learner.finish(theta)


def train(
    probe: str, steps: int, settings: DQNConfig = SETTINGS, seed: int = 0, network: type[QNetwork] = TinyPolicy
) -> DQN:
    """The loop of train_big without its comforts."""
    learner = make_learner(probe, settings, seed, network)
    theta = np.full(len(learner.env.spec.milestones), 0.5)
    while learner.ledger.global_step < steps:
        learner.begin()
        for _ in learner.learn():
            pass
        learner.finish(theta)
    learner.updates.take()
    learner.close()
    return learner.algorithm


def score(probe: str, dqn: DQN) -> float:
    """Mean return of greedy episodes."""
    make, config, _, _ = PROBES[probe]
    result = play_episodes(lambda env, seed: dqn.player(env, seed, 0.0), make(config, 64, seed=9), 200, 5)
    assert result is not None
    return result.mean_return


@pytest.mark.parametrize(
    ("probe", "steps", "wanted"),
    [
        ("identity", 4_000, 0.98),  # sees
        ("bandit", 4_000, 0.8),  # weighs chance: .9 +- 3 standard errors of 64 episodes
        ("corridor", 6_000, 0.98),  # credits an action that pays later
        ("memory", 12_000, 0.98),  # remembers what it no longer sees
    ],
)
def test_masters(probe, steps, wanted):
    assert score(probe, train(probe, steps)) >= wanted


WITHOUT_MEMORY = replace(SETTINGS, burn_in=0, sequence=1, n_step=1, batch_size=64)


def test_a_network_without_memory_learns_from_single_records():
    """No warming up, one record, and starts anywhere."""
    assert score("corridor", train("corridor", 6_000, WITHOUT_MEMORY, network=Forgetful)) >= 0.98


def test_a_truncation_is_no_end():
    """The walk pays 1 a step for ever and is only ever cut: its value is 1 / (1 - gamma) everywhere, also at a cut."""
    dqn = train("truncated_walk", 16_000)
    learner = make_learner("truncated_walk")
    learner.close()
    env, acting, values = learner.env, Acting(learner.env, dqn.acting, "cpu"), []
    for _ in range(16):
        seen = acting.see()
        with torch.no_grad():
            q, acting.state = dqn.acting.step(dqn.acting.encode(seen.rows, seen.given), seen.state, seen.episode_start)
        values.append(q.max(-1).values.mean().item())
        env.step(np.full(ENVS, 1, np.int32))
        acting.episode_start[:] = env.truncations
    assert min(values) > 5.0


def test_the_same_seed_learns_the_same():
    first, second = train("memory", 2_000), train("memory", 2_000)
    for a, b in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("poison", ["rewards", "state"])
def test_a_nan_never_reaches_the_weights(poison):
    learner = make_learner("memory")
    collect(learner, 60)
    batch = learner.replay.sample(8, np.random.default_rng(0))
    getattr(batch, poison)[...] = float("nan")
    before = [parameter.clone() for parameter in learner.algorithm.policy.parameters()]
    learner.updates.start(batch)
    with pytest.raises(NonFiniteError, match="nan"):
        learner.updates.take()
    for parameter, old in zip(learner.algorithm.policy.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
