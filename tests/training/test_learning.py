"""Probes in seconds: the learner as it stands must master each tiny game that needs one of its parts."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies.blocks import unpack
from policies.protocol import RecurrentQNetwork
from policies.recurrent import Hierarchy
from policies.values import DuelingHead
from puffer_envs.contract.layout import ObsLayout
from tests.probes import PROBES
from training.common.intrinsic import RND, IntrinsicConfig
from training.common.learner import NonFiniteError
from training.evaluation.episodes import evaluate
from training.off_policy.background import BackgroundLearner
from training.off_policy.collect import Collector, QPlayer
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.replay import SequenceReplay

ENVS = 16
SETTINGS = DQNConfig(
    gamma=0.9,
    n_step=2,
    sequence=6,
    burn_in=2,
    batch_size=192,
    replay_ratio=4.0,
    learning_starts=320,
    learning_rate=3e-3,
    tau=0.05,
    epsilon_ramp=1500,
    epsilon_base=0.2,
    epsilon_alpha=2.0,
    boredom=0,  # the probes have no places
)
NO_BONUS = IntrinsicConfig(rnd=0.0, novel=0.0, bayes=0.0)


class TinyPolicy(RecurrentQNetwork):
    """All fields of a row, one linear layer, the real memories and the real head."""

    history, feature_size = 1, 32

    def __init__(self, layout: ObsLayout, num_actions: int) -> None:
        super().__init__()
        self.layout, self.num_actions = layout, num_actions
        self.history_field = next(iter(layout)).name
        self.linear = nn.Linear(sum(int(np.prod(field.shape)) for field in layout), self.feature_size)
        self.memory = Hierarchy(self.feature_size, 16)
        self.state_size = self.memory.state_size
        self.head = DuelingHead(self.memory.out_features, num_actions)

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        return torch.relu(self.linear(torch.cat([unpack(rows, field).flatten(1) for field in self.layout], -1)))

    def step(self, features: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        remembered, state = self.memory.step(features, state, first)
        return self.head(remembered), state

    def sequence(self, features: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        remembered, state = self.memory.sequence(features, state, first)
        return self.head(remembered), state


def parts(probe: str, settings: DQNConfig = SETTINGS, seed: int = 0):
    """An environment, the collector and the learner, as `training.run.build` puts them together."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    make, config, _, _ = PROBES[probe]
    env = make(config, ENVS, seed=seed)
    env.reset(seed)
    layout = env.spec.layout
    policy = TinyPolicy(layout, int(env.spec.action_space.n))
    dqn = DQN(policy, settings, "cpu")
    rnd = RND(ENVS, policy.feature_size, NO_BONUS, "cpu")
    length = settings.burn_in + settings.sequence + settings.n_step
    frames = layout[policy.history_field].span
    replay = SequenceReplay(20_000, ENVS, layout.size, frames, 1, policy.state_size, length, segment=64)
    return env, Collector(env, dqn.acting, replay, rnd, settings, NO_BONUS, seed, "cpu"), BackgroundLearner(dqn, rnd)


def train(probe: str, steps: int, settings: DQNConfig = SETTINGS, seed: int = 0) -> DQN:
    """The loop of train_big without its comforts."""
    env, collector, learner = parts(probe, settings, seed)
    sampling, theta = np.random.default_rng(seed), np.full(len(env.spec.milestones), 0.5)
    while collector.ledger.global_step < steps:
        collector.begin()
        due = (collector.ledger.global_step - settings.learning_starts) * settings.replay_ratio
        while learner.started * settings.batch_size < due:
            learner.take()
            learner.start(collector.replay.sample(settings.batch_size // settings.sequence, sampling))
        collector.finish(theta)
    learner.take()
    learner.close()
    return learner.dqn


def score(probe: str, dqn: DQN) -> float:
    """Mean return of greedy episodes."""
    make, config, _, _ = PROBES[probe]
    result = evaluate(lambda env, seed: QPlayer(env, dqn.acting, 0.0, seed, "cpu"), make(config, 64, seed=9), 200, 5)
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


def test_a_truncation_is_no_end():
    """The walk pays 1 a step for ever and is only ever cut: its value is 1 / (1 - gamma) everywhere, also at a cut."""
    dqn = train("truncated_walk", 16_000)
    env, collector, learner = parts("truncated_walk")
    learner.close()
    collector.actor.policy.load_state_dict(dqn.acting.state_dict())
    values = []
    for _ in range(16):
        rows = collector.actor.to_device(env.observations)
        _, features = collector.actor.act(rows)
        first = torch.zeros(ENVS, dtype=torch.bool)
        values.append(dqn.acting.step(features, collector.actor.state, first)[0].max(-1).values.mean().item())
        env.step(np.full(ENVS, 1, np.int32))
        collector.actor.first[:] = env.truncations
    assert min(values) > 5.0


def test_the_same_seed_learns_the_same():
    first, second = train("memory", 2_000), train("memory", 2_000)
    for a, b in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("poison", ["rewards", "state"])
def test_a_nan_never_reaches_the_weights(poison):
    _, collector, learner = parts("memory")
    for _ in range(60):
        collector.begin()
        collector.finish(np.zeros(0))
    batch = collector.replay.sample(8, np.random.default_rng(0))
    getattr(batch, poison)[...] = float("nan")
    before = [parameter.clone() for parameter in learner.dqn.policy.parameters()]
    learner.start(batch)
    with pytest.raises(NonFiniteError, match="nan"):
        learner.take()
    for parameter, old in zip(learner.dqn.policy.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
