"""PPO: its loss against numbers worked by hand, and tiny games that each need one of its parts."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies.actions import Categorical, Distribution, head
from policies.blocks import orthogonal, unpack
from policies.protocol import ActorCritic
from policies.recurrent import GRU
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.action_probes import ALL_PROBES
from training.on_policy.config import PPOConfig
from training.on_policy.ppo import Minibatch, explained_variance, normalised, ppo_loss
from training.on_policy.runner import OnPolicy

ENVS = 32
NO_THETA = np.zeros(0)  # these games have no milestones, or PPO does not look at them
SETTINGS = PPOConfig(num_steps=16, gamma=0.9, learning_rate=3e-3, num_minibatches=2, ent_coef=0.003)


# -- the loss --------------------------------------------------------------------------------------------------------
def batch_of(ratio_of_old: float, advantage: float, value: float = 0.0, ret: float = 0.0) -> Minibatch:
    """One decision whose action 0 had the probability 1/2 over ``ratio_of_old``."""

    def one(x: float) -> Tensor:
        return torch.tensor([[x]])

    old = one(math.log(0.5 / ratio_of_old))
    mask = torch.ones(1, 1, dtype=torch.bool)
    return Minibatch(torch.zeros(1, 1, dtype=torch.int64), old, one(value), one(advantage), one(ret), mask)


def loss_of(batch: Minibatch, value: float, config: PPOConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """Of a policy that gives both actions 1/2 and every state ``value``."""
    shape = batch.values.shape
    policy = Categorical(torch.zeros(*shape, 2))
    return ppo_loss(policy.log_prob(batch.actions), policy.entropy(), torch.full(shape, value), batch, config)


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
    loss, parts = loss_of(batch_of(ratio, advantage), 0.0, config)
    assert loss.item() == pytest.approx(wanted, abs=1e-5)
    assert parts["clipfrac"].item() == (abs(ratio - 1) > 0.2)
    assert parts["approx_kl"].item() == pytest.approx(ratio - 1 - math.log(ratio), abs=1e-5)


def test_value_and_entropy_by_hand():
    # Value 3, return 1: 1/2 * 2^2 = 2, half of it is 1. Entropy of (1/2, 1/2): ln 2.
    config = PPOConfig(norm_adv=False, ent_coef=0.1, vf_coef=0.5)
    loss, _ = loss_of(batch_of(1.0, 0.0, ret=1.0), 3.0, config)
    assert loss.item() == pytest.approx(1.0 - 0.1 * math.log(2), abs=1e-6)


def test_a_clipped_value_counts_where_it_is_worse():
    # Old value 0, new 1, return 1: the error of the new one is 0, that of the clipped one, .2, is .8: 1/2 * .64.
    config = PPOConfig(norm_adv=False, ent_coef=0.0, vf_coef=1.0, clip_vloss=True)
    loss, _ = loss_of(batch_of(1.0, 0.0, value=0.0, ret=1.0), 1.0, config)
    assert loss.item() == pytest.approx(0.32, abs=1e-6)


@pytest.mark.parametrize("clip_vloss", [False, True])
@pytest.mark.parametrize("norm_adv", [False, True])
def test_the_gradient_of_the_loss_is_its_slope(clip_vloss, norm_adv):
    torch.manual_seed(0)
    config = PPOConfig(clip_vloss=clip_vloss, norm_adv=norm_adv, ent_coef=0.3)
    numbers = torch.randn(5, 6, 4, dtype=torch.float64)
    mask = torch.rand(6, 4) < 0.7
    batch = Minibatch(torch.zeros(6, 4), numbers[0], 0.2 * numbers[1], numbers[2], numbers[3], mask)
    logprobs = (numbers[0] + 0.3 * torch.randn_like(numbers[0])).requires_grad_()  # of ratios in and out of the clip
    values = (0.2 * numbers[1] + 0.3 * torch.randn_like(numbers[0])).requires_grad_()
    entropies = numbers[4].requires_grad_()
    assert torch.autograd.gradcheck(lambda *x: ppo_loss(*x, batch, config)[0], (logprobs, entropies, values))


def test_rows_without_a_worker_do_not_count():
    one, other = batch_of(1.1, 2.0, ret=1.0), batch_of(1.9, 70.0, ret=9.0)
    both = Minibatch(*(torch.cat(pair, dim=1) for pair in zip(one, other, strict=True)))
    both = both._replace(mask=torch.tensor([[True, False]]))
    config = PPOConfig(norm_adv=False)
    wanted, _ = loss_of(one, 0.0, config)
    loss, _ = loss_of(both, 0.0, config)
    assert loss.item() == pytest.approx(wanted.item())
    scaled = normalised(torch.tensor([[1.0, 3.0, 99.0]]), torch.tensor([[True, True, False]]))
    assert scaled[0, :2].tolist() == pytest.approx([-1.0, 1.0])


def test_explained_variance_by_hand():
    # Returns 0, 2 (variance 1); errors 0, 1 (variance 1/4).
    mask = torch.tensor([True, True, False])
    assert explained_variance(torch.tensor([0.0, 1.0, 5.0]), torch.tensor([0.0, 2.0, 9.0]), mask) == pytest.approx(0.75)


def test_the_explained_variance_of_an_update_is_that_of_the_values_that_acted():
    learner = make_learner("corridor", False)
    collect(learner)
    rollout = learner.rollout
    rollout.mask[:, 3] = False
    _, returns = rollout.advantages(SETTINGS.gamma, SETTINGS.gae_lambda)
    seen, values = (each[rollout.mask].numpy() for each in (returns, rollout.values))
    figures = learner.ppo.update(rollout, 0.0)
    assert figures["explained_variance"] == pytest.approx(1 - (seen - values).var() / seen.var(), rel=1e-4)
    assert explained_variance(torch.zeros(2), torch.ones(2), torch.tensor([True, True])).isnan()


# -- learning --------------------------------------------------------------------------------------------------------
class TinyActorCritic(ActorCritic):
    """All fields of a row, one hidden layer, a memory if wanted; a head for whatever the actions are."""

    def __init__(self, layout: ObsLayout, action: ActionSpec, memory: bool) -> None:
        super().__init__()
        self.layout = layout
        self.hidden = nn.Linear(sum(int(np.prod(field.shape)) for field in layout), 32)
        self.memory = GRU(32, 32) if memory else None
        self.state_size = self.memory.state_size if self.memory is not None else 0
        self.actor, self.critic = head(32, action), orthogonal(nn.Linear(32, 1), 0.01)

    def features(self, rows: Tensor) -> Tensor:
        fields = [unpack(rows, field).flatten(rows.ndim - 1) for field in self.layout]
        return torch.tanh(self.hidden(torch.cat(fields, -1)))

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        features = self.features(rows)
        if self.memory is not None:
            features, state = self.memory.step(features, state, episode_start)
        return self.actor(features), self.critic(features)[..., 0], state

    def sequence(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor]:
        features = self.features(rows)
        if self.memory is not None:
            features, _ = self.memory.sequence(features, state, episode_start)
        return self.actor(features), self.critic(features)[..., 0]


def make_learner(probe: str, memory: bool, settings: PPOConfig = SETTINGS, seed: int = 0, steps: int = 1) -> OnPolicy:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    make, config, _, _ = ALL_PROBES[probe]
    env = make(config, ENVS, seed=seed)
    env.reset(seed)
    policy = TinyActorCritic(env.spec.layout, env.spec.action, memory)
    return OnPolicy(settings, steps, env, policy, seed, seed, torch.device("cpu"))


def collect(learner: OnPolicy) -> None:
    """A segment; the step after it is under way."""
    if learner.t:  # the step after the segment before
        learner.finish(NO_THETA)
    while True:
        learner.begin()
        if learner.full:
            learner.rollout.look_ahead(learner.decision.values)
            return
        learner.finish(NO_THETA)


def train(probe: str, steps: int, memory: bool, settings: PPOConfig = SETTINGS, seed: int = 0):
    learner = make_learner(probe, memory, settings, seed, steps)
    figures: dict[str, float] = {}
    episodes: list = []
    while learner.ledger.global_step < steps:
        learner.begin()
        for figures in learner.learn():  # noqa: B007 - the last ones are asked for below
            pass
        episodes = [*episodes, *(finished.episode for finished in learner.finish(NO_THETA).episodes)][-200:]
    return float(np.mean([episode.term_returns.sum() for episode in episodes])), learner, figures


@pytest.mark.parametrize(
    ("probe", "steps", "memory", "wanted"),
    [
        ("identity", 25_000, False, 0.9),  # sees
        ("bandit", 10_000, False, 0.75),  # weighs chance
        ("corridor", 20_000, False, 0.9),  # credits an action that pays later
        ("memory", 40_000, True, 0.9),  # remembers what it no longer sees
        ("keys_bandit", 20_000, False, 0.85),  # and the same with several keys at once,
        ("keys_corridor", 40_000, False, 0.9),
        ("parts_bandit", 20_000, False, 0.85),  # with several choices at once,
        ("parts_corridor", 40_000, False, 0.9),
    ],
)
def test_masters(probe, steps, memory, wanted):
    assert train(probe, steps, memory)[0] >= wanted


def test_a_number_is_learned_with_how_sure_it_is():
    """Its deviation is free, and narrows as the means come near; 1 - 10 (.1 / 2)^2 would be .975."""
    settings = replace(SETTINGS, learning_rate=1e-2, ent_coef=0.0)
    score, learner, _ = train("target", 60_000, False, settings)
    assert score >= 0.95
    assert learner.policy.actor.log_std.item() < -1


def test_a_truncation_is_no_end():
    """The walk pays 1 a step for ever and is only ever cut: its value is 1 / (1 - gamma) everywhere, also at a cut."""
    _, learner, _ = train("truncated_walk", 60_000, False)
    assert learner.rollout.values.mean().item() == pytest.approx(10.0, rel=0.1)


@pytest.mark.parametrize(("target", "wanted"), [(None, 4), (1e-9, 2)])
def test_an_update_goes_no_further_than_the_kl_it_is_given(monkeypatch, target, wanted):
    learner = make_learner("identity", False, PPOConfig(num_steps=16, num_minibatches=2, target_kl=target))
    collect(learner)
    ppo = learner.ppo
    inner, steps = ppo._step, []

    def counted(*args):
        steps.append(args)
        return inner(*args)

    monkeypatch.setattr(ppo, "_step", counted)
    ppo.update(learner.rollout, 0.0)
    assert len(steps) == wanted  # the first changes nothing yet, the second sees what the first did


def test_what_was_stored_is_what_the_policy_says_of_it():
    """Sequences with resets inside give the probabilities and values of the steps that were taken."""
    learner = make_learner("memory", True)
    for _ in range(3):
        collect(learner)
    rollout = learner.rollout
    assert rollout.episode_start[1:].any()
    with torch.no_grad():
        distribution, values = learner.policy.sequence(rollout.rows, rollout.state, rollout.episode_start)
    torch.testing.assert_close(distribution.log_prob(rollout.actions), rollout.logprobs)
    torch.testing.assert_close(values, rollout.values)


def test_it_resumes_exactly():
    learner, other = make_learner("identity", False), make_learner("identity", False, seed=7)
    collect(learner)
    learner.ppo.update(learner.rollout, 0.0)
    other.ppo.load_state_dict(deepcopy(learner.ppo.state_dict()))  # an optimiser would share its tensors
    assert other.ppo.update(learner.rollout, 0.1) == learner.ppo.update(learner.rollout, 0.1)


def test_a_resumed_learner_has_the_rate_and_the_epsilon_that_it_is_given():
    before = make_learner("identity", False)
    after = make_learner("identity", False, replace(SETTINGS, adam_eps=1e-3, learning_rate=1e-4, anneal="none"))
    after.ppo.load_state_dict(deepcopy(before.ppo.state_dict()))
    collect(after)
    after.ppo.update(after.rollout, 0.5)
    (group,) = after.ppo.optimizer.param_groups
    assert (group["lr"], group["eps"]) == (1e-4, 1e-3)


def test_an_annealed_rate_is_never_below_zero():
    """The last decisions of a run may be a few more than --total-steps: all rows act together."""
    learner = make_learner("identity", False)
    collect(learner)
    learner.ppo.update(learner.rollout, 1.01)
    assert learner.ppo.learning_rate == 0.0


def test_a_minibatch_of_a_memory_begins_with_the_states_of_its_own_rows(monkeypatch):
    learner = make_learner("memory", True, replace(SETTINGS, update_epochs=1, num_steps=6))
    for _ in range(2):  # the first segment begins with zeros everywhere
        collect(learner)
    ppo, rollout = learner.ppo, learner.rollout
    assert len(rollout.state.unique(dim=0)) > 1
    begun, inner, order = [], ppo.policy.sequence, torch.randperm(ENVS)

    def watched(rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor]:
        begun.append(state)
        return inner(rows, state, episode_start)

    monkeypatch.setattr(ppo.policy, "sequence", watched)
    monkeypatch.setattr(ppo, "_minibatches", lambda _: list(order.chunk(2)))
    ppo.update(rollout, 0.0)
    for state, index in zip(begun, order.chunk(2), strict=True):
        assert torch.equal(state, rollout.state[index])
