"""PPO: its loss against numbers worked by hand, and tiny games that each need one of its parts."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies.blocks import orthogonal, unpack
from policies.protocol import ActorCritic
from policies.recurrent import GRU
from puffer_envs.contract.layout import ObsLayout
from tests.probes import PROBES
from training.on_policy.config import PPOConfig
from training.on_policy.ppo import PPO, Minibatch, explained_variance, normalised, ppo_loss
from training.on_policy.rollout import Rollout, RolloutCollector

ENVS = 32
SETTINGS = PPOConfig(num_steps=16, gamma=0.9, learning_rate=3e-3, num_minibatches=2, ent_coef=0.003)


# -- the loss --------------------------------------------------------------------------------------------------------
def batch_of(ratio_of_old: float, advantage: float, value: float = 0.0, ret: float = 0.0) -> Minibatch:
    """One decision whose action 0 had the probability 1/2 over ``ratio_of_old``."""

    def one(x: float) -> Tensor:
        return torch.tensor([[x]])

    old = one(math.log(0.5 / ratio_of_old))
    alive = torch.ones(1, 1, dtype=torch.bool)
    return Minibatch(torch.zeros(1, 1, dtype=torch.int64), old, one(value), one(advantage), one(ret), alive)


@pytest.mark.parametrize(
    ("ratio", "advantage", "wanted"),
    [
        (1.1, 2.0, -2.2),  # inside the clip: -A r
        (1.5, 2.0, -2.4),  # beyond it, more pays no more: -2 * 1.2
        (1.5, -2.0, 3.0),  # but costs in full
        (0.5, -2.0, 1.6),  # 2 * .8
        (0.5, 2.0, -1.0),
    ],
)
def test_the_clipped_objective_by_hand(ratio, advantage, wanted):
    config = PPOConfig(norm_adv=False, ent_coef=0.0, vf_coef=0.0)
    loss, parts = ppo_loss(torch.zeros(1, 1, 2), torch.zeros(1, 1), batch_of(ratio, advantage), config)
    assert loss.item() == pytest.approx(wanted, abs=1e-5)
    assert parts["clipfrac"].item() == (abs(ratio - 1) > 0.2)
    assert parts["approx_kl"].item() == pytest.approx(ratio - 1 - math.log(ratio), abs=1e-5)


def test_value_and_entropy_by_hand():
    # Value 3, return 1: 1/2 * 2^2 = 2, half of it is 1. Entropy of (1/2, 1/2): ln 2.
    config = PPOConfig(norm_adv=False, ent_coef=0.1, vf_coef=0.5)
    loss, _ = ppo_loss(torch.zeros(1, 1, 2), torch.full((1, 1), 3.0), batch_of(1.0, 0.0, ret=1.0), config)
    assert loss.item() == pytest.approx(1.0 - 0.1 * math.log(2), abs=1e-6)


def test_a_clipped_value_counts_where_it_is_worse():
    # Old value 0, new 1, return 1: the error of the new one is 0, that of the clipped one, .2, is .8: 1/2 * .64.
    config = PPOConfig(norm_adv=False, ent_coef=0.0, vf_coef=1.0, clip_vloss=True)
    loss, _ = ppo_loss(torch.zeros(1, 1, 2), torch.ones(1, 1), batch_of(1.0, 0.0, value=0.0, ret=1.0), config)
    assert loss.item() == pytest.approx(0.32, abs=1e-6)


def test_rows_without_a_worker_do_not_count():
    one, other = batch_of(1.1, 2.0, ret=1.0), batch_of(1.9, 70.0, ret=9.0)
    both = Minibatch(*(torch.cat(pair, dim=1) for pair in zip(one, other, strict=True)))
    both = both._replace(alive=torch.tensor([[True, False]]))
    config = PPOConfig(norm_adv=False)
    wanted, _ = ppo_loss(torch.zeros(1, 1, 2), torch.zeros(1, 1), one, config)
    loss, _ = ppo_loss(torch.zeros(1, 2, 2), torch.zeros(1, 2), both, config)
    assert loss.item() == pytest.approx(wanted.item())
    scaled = normalised(torch.tensor([[1.0, 3.0, 99.0]]), torch.tensor([[True, True, False]]))
    assert scaled[0, :2].tolist() == pytest.approx([-1.0, 1.0])


def test_explained_variance_by_hand():
    # Returns 0, 2 (variance 1); errors 0, 1 (variance 1/4).
    alive = torch.tensor([True, True, False])
    assert explained_variance(torch.tensor([0.0, 1.0, 5.0]), torch.tensor([0.0, 2.0, 9.0]), alive) == pytest.approx(
        0.75
    )


# -- learning --------------------------------------------------------------------------------------------------------
class TinyActorCritic(ActorCritic):
    """All fields of a row, one hidden layer, a memory if wanted."""

    def __init__(self, layout: ObsLayout, num_actions: int, memory: bool) -> None:
        super().__init__()
        self.layout, self.num_actions = layout, num_actions
        self.hidden = nn.Linear(sum(int(np.prod(field.shape)) for field in layout), 32)
        self.memory = GRU(32, 32) if memory else None
        self.state_size = self.memory.state_size if self.memory is not None else 0
        self.heads = orthogonal(nn.Linear(32, num_actions + 1), 0.01)

    def features(self, rows: Tensor) -> Tensor:
        fields = [unpack(rows, field).flatten(rows.ndim - 1) for field in self.layout]
        return torch.tanh(self.hidden(torch.cat(fields, -1)))

    def step(self, rows: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(rows)
        if self.memory is not None:
            features, state = self.memory.step(features, state, first)
        out = self.heads(features)
        return out[:, :-1], out[:, -1], state

    def sequence(self, rows: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(rows)
        if self.memory is not None:
            features, _ = self.memory.sequence(features, state, first)
        out = self.heads(features)
        return out[..., :-1], out[..., -1]


def parts(probe: str, memory: bool, settings: PPOConfig = SETTINGS, seed: int = 0):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    make, config, _, _ = PROBES[probe]
    env = make(config, ENVS, seed=seed)
    env.reset(seed)
    policy = TinyActorCritic(env.spec.layout, int(env.spec.action_space.n), memory)
    dtype = torch.from_numpy(env.observations).dtype
    device = torch.device("cpu")
    rollout = Rollout(settings.num_steps, env.num_agents, env.spec.layout.size, dtype, policy.state_size, device)
    collector = RolloutCollector(env, policy, rollout, seed, device)
    return collector, PPO(policy, settings, seed, device)


def collect(collector: RolloutCollector) -> None:
    """A segment; the step after it is under way."""
    if hasattr(collector, "decision"):  # the step after the segment before
        collector.finish()
    while not collector.begin():
        collector.finish()


def train(probe: str, steps: int, memory: bool, settings: PPOConfig = SETTINGS):
    collector, ppo = parts(probe, memory, settings)
    figures: dict[str, float] = {}
    episodes: list = []
    while collector.ledger.global_step < steps:
        if collector.begin():
            figures = ppo.update(collector.rollout, collector.ledger.global_step / steps)
        episodes = [*episodes, *(finished.episode for finished in collector.finish().episodes)][-200:]
    return float(np.mean([episode.term_returns.sum() for episode in episodes])), collector, figures


@pytest.mark.parametrize(
    ("probe", "steps", "memory", "wanted"),
    [
        ("identity", 25_000, False, 0.9),  # sees
        ("bandit", 10_000, False, 0.75),  # weighs chance
        ("corridor", 20_000, False, 0.9),  # credits an action that pays later
        ("memory", 40_000, True, 0.9),  # remembers what it no longer sees
    ],
)
def test_masters(probe, steps, memory, wanted):
    assert train(probe, steps, memory)[0] >= wanted


def test_a_truncation_is_no_end():
    """The walk pays 1 a step for ever and is only ever cut: its value is 1 / (1 - gamma) everywhere, also at a cut."""
    _, collector, figures = train("truncated_walk", 60_000, False)
    values = collector.rollout.values
    assert values.mean().item() == pytest.approx(10.0, rel=0.1)
    assert np.isnan(figures["explained_variance"]) or figures["explained_variance"] <= 1


@pytest.mark.parametrize(("target", "wanted"), [(None, 4), (1e-9, 2)])
def test_an_update_goes_no_further_than_the_kl_it_is_given(monkeypatch, target, wanted):
    collector, ppo = parts("identity", False, PPOConfig(num_steps=16, num_minibatches=2, target_kl=target))
    collect(collector)
    inner, steps = ppo._step, []

    def counted(*args):
        steps.append(args)
        return inner(*args)

    monkeypatch.setattr(ppo, "_step", counted)
    ppo.update(collector.rollout, 0.0)
    assert len(steps) == wanted  # the first changes nothing yet, the second sees what the first did


def test_what_was_stored_is_what_the_policy_says_of_it():
    """Sequences with resets inside give the probabilities and values of the steps that were taken."""
    collector, ppo = parts("memory", True)
    for _ in range(3):
        collect(collector)
    rollout = collector.rollout
    assert rollout.first[1:].any()
    with torch.no_grad():
        logits, values = ppo.policy.sequence(rollout.rows, rollout.state, rollout.first)
    logprobs = logits.log_softmax(-1).gather(-1, rollout.actions[..., None])[..., 0]
    torch.testing.assert_close(logprobs, rollout.logprobs)
    torch.testing.assert_close(values, rollout.values)


def test_it_resumes_exactly():
    collector, ppo = parts("identity", False)
    _, other = parts("identity", False, seed=7)
    collect(collector)
    ppo.update(collector.rollout, 0.0)
    other.load_state_dict(deepcopy(ppo.state_dict()))  # an optimiser would share its tensors
    assert other.update(collector.rollout, 0.1) == ppo.update(collector.rollout, 0.1)
