"""Soft actor-critic against numbers worked by hand, and its whole update against one that is written out once more."""

import math
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from policies.actions import SquashedGaussian
from policies.generic import GenericSoft, PolicyConfig
from policies.protocol import SoftActorCritic
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.reference.returns import n_step_target
from training.common.learner import NonFiniteError
from training.off_policy.config import SACConfig
from training.off_policy.replay import SequenceBatch
from training.off_policy.sac import SAC, actor_loss, alpha_loss, critic_loss, target_entropy_of

LOW, HIGH = np.array([-1.0, 0.5], np.float32), np.array([3.0, 0.75], np.float32)
TWO = ActionSpec.of(spaces.Box(LOW, HIGH))
VECTOR = ObsLayout(np.float32, ("speed", (3,)), ("angle", (1,), 32, 0.5))
PICTURE = ObsLayout(np.uint8, ("level", (2,), 8, 1 / 255), ("screen", (1, 20, 19), 8, 1 / 255))
SETTINGS = SACConfig(gamma=0.9, learning_rate=2e-3, critic_learning_rate=5e-4, tau=0.1, reward_scale=0.5)
ALL = torch.tensor([True, True, False])  # of three records the last one does not count


# -- numbers worked by hand --------------------------------------------------------------------------------------------
def test_the_critics_loss_is_the_squares_of_both():
    # Errors -1 and 1 of the first record, 0 and 2 of the second: (1 + 1 + 0 + 4) / 2.
    judged = torch.tensor([[1.0, 2.0, 50.0], [3.0, 4.0, -50.0]])
    assert critic_loss(judged, torch.tensor([2.0, 2.0, 0.0]), ALL).item() == 3.0


def test_the_actor_is_judged_by_the_lower_critic_and_pays_for_certainty():
    # .5 * -1 - 2 = -2.5 and .5 * 2 - 1 = 0.
    judged = torch.tensor([[3.0, 1.0, 50.0], [2.0, 4.0, 50.0]])
    assert actor_loss(torch.tensor([-1.0, 2.0, 9.0]), judged, torch.tensor(0.5), ALL).item() == -1.25


@pytest.mark.parametrize(
    ("alpha", "logprob", "loss"),
    [
        (1.0, -1.0, 4.0),  # an entropy of 1 where -3 is wanted: -1 * (-1 - 3), and descending lowers alpha
        (2.0, -1.0, 8.0),
        (1.0, 5.0, -2.0),  # -5, where -3 is wanted: -1 * (5 - 3)
        (0.5, 3.0, 0.0),
    ],
)
def test_alphas_loss_and_its_slope(alpha, logprob, loss):
    log_alpha = torch.tensor(math.log(alpha), requires_grad=True)
    value = alpha_loss(log_alpha, torch.tensor([logprob, logprob, 99.0]), -3.0, ALL)
    value.backward()
    assert value.item() == pytest.approx(loss)
    assert log_alpha.grad.item() == pytest.approx(loss)  # d exp(x) / dx = exp(x)


@pytest.mark.parametrize("loss", [critic_loss, actor_loss, alpha_loss])
def test_without_a_record_that_counts_nothing_is_lost(loss):
    one, two = torch.ones(3), torch.ones(2, 3)
    none = torch.zeros(3, dtype=torch.bool)
    told = {critic_loss: (two, one), actor_loss: (one, two, one[0]), alpha_loss: (one[0], one, 1.0)}[loss]
    assert loss(*told, none).item() == 0.0


@pytest.mark.parametrize(
    ("low", "high", "shape", "wanted", "entropy"),
    [
        (-1, 1, (3,), "auto", -3.0),
        (-2, 2, (2,), "auto", -2 + 2 * math.log(2)),  # twice as wide: log 2 more for each
        (0, 10, (2, 2), "auto", -4 + 4 * math.log(5)),
        (-2, 2, (1,), -0.5, -0.5 + math.log(2)),
        (0, 1, (), 0.25, 0.25 - math.log(2)),
    ],
)
def test_the_entropy_that_is_aimed_at(low, high, shape, wanted, entropy):
    spec = ActionSpec.of(spaces.Box(low, high, shape, np.float32))
    assert target_entropy_of(spec, wanted) == pytest.approx(entropy)


class Plain(SoftActorCritic):
    """Its critics expect the first number of a row, one of them some more; it draws standard normal numbers."""

    def __init__(self, layout: ObsLayout, action: ActionSpec) -> None:
        super().__init__()
        self.low, self.high = (torch.tensor(bound).flatten() for bound in action.bounds)
        self.mean = nn.Parameter(torch.zeros(action.size))
        self.more = nn.Parameter(torch.tensor([3.0, 0.0]))

    def encode(self, given: Tensor) -> Tensor:
        return given.float()

    def act(self, features: Tensor) -> SquashedGaussian:
        mean = self.mean.expand(len(features), -1)
        return SquashedGaussian(mean, torch.zeros_like(mean), self.low, self.high)

    def actor_parameters(self) -> list[nn.Parameter]:
        return [self.mean]

    def judge(self, features: Tensor, actions: Tensor) -> Tensor:
        return features[:, 0] + self.more[:, None]


def records(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


@pytest.mark.parametrize(
    ("terminal", "truncated", "rewards", "weight", "judged"),
    [
        ((0, 0, 0), (0, 0, 0), 1 + 0.5 * 2, 0.25, 9),  # two rewards, then the value of record 2
        ((0, 1, 0), (0, 0, 0), 1 + 0.5 * 2, 0, 0),  # the second action ends it
        ((1, 0, 0), (0, 0, 0), 1, 0, 0),
        ((0, 0, 0), (0, 1, 0), 1, 0.5, 7),  # record 1 is where it was cut: its value, and no reward there
    ],
)
def test_a_target_of_two_steps_with_its_entropy(terminal, truncated, rewards, weight, judged):
    spec = ActionSpec.of(spaces.Box(-2, 2, (1,), np.float32))
    sac = SAC(Plain(VECTOR, spec), SACConfig(gamma=0.5, n_step=2, alpha=0.25), spec, 3, "cpu")
    with torch.no_grad():
        sac.target.more += 2  # 5 and 2: the lower one of the target's is asked
    z = torch.empty(2, 1).normal_(generator=torch.Generator().manual_seed(3))[0 if judged == 7 else 1].item()
    # Log-density of 2 tanh z: that of z, less log 2 and log (1 - tanh(z)^2)
    logprob = -(z**2) / 2 - math.log(2 * math.pi) / 2 - math.log(2) - math.log(1 - math.tanh(z) ** 2)
    rows = torch.zeros(3, 1, VECTOR.size)
    rows[:, 0, 0] = torch.tensor([5.0, 7.0, 9.0])
    flags = [records(*each).bool() for each in (terminal, truncated)]
    paid, none = records(1.0, 2.0 * (not truncated[1]), 4.0), torch.zeros(1, 0)
    batch = SequenceBatch(rows, rows, records(0, 0, 0).bool(), torch.zeros(3, 1, 1), paid, *flags, none)
    wanted = rewards + weight * (judged + 2 - 0.25 * logprob)
    assert sac.update(batch)[0]["target_mean"] == pytest.approx(wanted, rel=1e-5)


# -- the whole update --------------------------------------------------------------------------------------------------
def make(layout: ObsLayout = VECTOR, settings: SACConfig = SETTINGS) -> SAC:
    """Its targets are not what it judges with."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sac = SAC(GenericSoft(layout, TWO, PolicyConfig(hidden=16, frame_stack=2)), settings, TWO, 3, "cpu")
    with torch.no_grad():
        for parameter in (*sac.target.parameters(), *sac.policy.actor.parameters()):
            parameter.add_(0.1 * torch.randn_like(parameter))
    return sac


def some_batch(layout: ObsLayout, n_step: int, seed: int, size: int = 24) -> SequenceBatch:
    """Of random numbers; some episodes end or are cut anywhere."""
    rng, length = np.random.default_rng(seed), 1 + n_step
    shape = (length, size, 2, layout.size) if layout is PICTURE else (length, size, layout.size)
    frames = rng.integers(0, 256, shape, np.uint8) if layout is PICTURE else rng.normal(size=shape).astype(np.float32)
    kind = rng.random((length, size))
    return SequenceBatch(
        *(torch.from_numpy(each) for each in (frames[:, :, -1] if layout is PICTURE else frames, frames)),
        torch.zeros(length, size, dtype=torch.bool),
        torch.from_numpy(rng.uniform(LOW, HIGH, (length, size, 2)).astype(np.float32)),
        torch.from_numpy(rng.normal(3, 2, (length, size)).astype(np.float32)),
        *(torch.from_numpy(each) for each in (kind < 0.2, kind > 0.8)),
        torch.zeros(size, 0),
    )


class Twin:
    """Soft actor-critic once more, from the paper: a formula at a time, and the gradient of one loss at a time."""

    def __init__(self, sac: SAC) -> None:
        self.config, self.encoder = sac.config, sac.policy.encoder
        self.weights = {name: each.detach().clone().requires_grad_() for name, each in sac.policy.named_parameters()}
        self.target = {name: each.clone() for name, each in sac.target.named_parameters()}
        self.log_alpha, self.generator = torch.zeros(()), torch.Generator().manual_seed(3)
        self.first, self.second, self.steps = {}, {}, 0  # moments of Adam
        self.gradients: dict[str, Tensor] = {}

    def see(self, weights: dict[str, Tensor], given: Tensor) -> Tensor:
        own = {name.removeprefix("encoder."): each for name, each in weights.items() if name.startswith("encoder.")}
        return torch.func.functional_call(self.encoder, own, (given,))

    @staticmethod
    def layers(weights: dict[str, Tensor], name: str, x: Tensor, last: int = 4) -> Tensor:
        for layer in (0, 2, 4)[: last // 2 + 1]:
            x = x @ weights[f"{name}.{layer}.weight"].T + weights[f"{name}.{layer}.bias"]
            x = x.relu() if layer < 4 else x
        return x

    def judge(self, weights: dict[str, Tensor], seen: Tensor, actions: Tensor) -> Tensor:
        low, high = torch.tensor(LOW), torch.tensor(HIGH)
        x = torch.cat([seen, 2 * (actions - low) / (high - low) - 1], 1)
        return torch.cat([self.layers(weights, f"critics.{each}", x) for each in ("first", "second")], 1).T

    def draw(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and the logarithms of their densities."""
        w = self.weights
        numbers = self.layers(w, "trunk", seen, last=2) @ w["actor.weight"].T + w["actor.bias"]
        mean, std = numbers[:, :2], (-5 + 3.5 * (1 + numbers[:, 2:].tanh())).exp()
        z = torch.randn(mean.shape, generator=self.generator)
        x, half = mean + std * z, torch.tensor(HIGH - LOW) / 2
        density = (-(z**2) / 2).exp() / (std * math.sqrt(2 * math.pi)) / (half * (1 - x.tanh() ** 2))
        return torch.tensor(LOW) + half * (1 + x.tanh()), density.log().sum(1)

    def update(self, batch: SequenceBatch) -> dict[str, float]:
        config, counted, alpha = self.config, ~batch.truncated[0], self.log_alpha.exp()
        frames = batch.frames[1:].flatten(0, 1)
        with torch.no_grad():
            actions, logprobs = self.draw(self.see(self.weights, frames))
            values = self.judge(self.target, self.see(self.target, frames), actions).min(0).values - alpha * logprobs
            values = torch.cat([torch.zeros(1, len(counted)), values.view(config.n_step, -1)])
        parts = (config.reward_scale * batch.rewards, batch.terminal, batch.truncated, values)
        each = [n_step_target(*(x[:, b] for x in parts), config.gamma, config.n_step, 0) for b in range(len(counted))]
        targets = torch.tensor(each)
        seen = self.see(self.weights, batch.frames[0])
        judged = self.judge(self.weights, seen, batch.actions[0])
        critics = ((judged - targets) ** 2).sum(0)[counted].mean()
        actions, logprobs = self.draw(seen.detach())
        answered = self.judge(self.weights, seen.detach(), actions).min(0).values
        actor = (alpha * logprobs - answered)[counted].mean()
        acts = [name for name in self.weights if name.startswith(("trunk.", "actor."))]
        judges = [name for name in self.weights if name not in acts]
        for loss, names in ((critics, judges), (actor, acts)):
            gradients = torch.autograd.grad(loss, [self.weights[name] for name in names], retain_graph=True)
            self.gradients |= dict(zip(names, gradients, strict=True))
        wanted = -2 + math.log(2) + math.log(1 / 8)
        self.gradients["log_alpha"] = -alpha * (logprobs.detach()[counted].mean() + wanted)
        self.steps += 1
        with torch.no_grad():
            for name in (*judges, *acts, "log_alpha"):
                self.adam(name, config.critic_learning_rate if name in judges else config.learning_rate)
            for name, online in self.weights.items():
                self.target[name] = (1 - config.tau) * self.target[name] + config.tau * online
        losses = {"loss": critics.item(), "actor_loss": actor.item(), "alpha": alpha.item()}
        means = {"entropy": -logprobs.mean(), "q_mean": judged.mean(), "target_mean": targets.mean()}
        return losses | {name: mean.item() for name, mean in means.items()}

    def adam(self, name: str, rate: float) -> None:
        slope, weight = self.gradients[name], self.log_alpha if name == "log_alpha" else self.weights[name]
        self.first[name] = 0.9 * self.first.get(name, 0) + 0.1 * slope
        self.second[name] = 0.999 * self.second.get(name, 0) + 0.001 * slope**2
        size = (self.second[name] / (1 - 0.999**self.steps)).sqrt() + 1e-8
        weight -= rate * self.first[name] / (1 - 0.9**self.steps) / size


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("layout", [VECTOR, PICTURE], ids=["vector", "picture"])
def test_updates_are_what_the_paper_comes_to(layout, n_step):
    sac = make(layout, replace(SETTINGS, n_step=n_step))
    twin = Twin(sac)
    assert any(name.startswith("encoder.") for name in twin.weights) == (layout is PICTURE)
    for seed in range(3):
        batch = some_batch(layout, n_step, seed)
        assert batch.truncated[0].any()
        figures, features = sac.update(batch)
        wanted = twin.update(batch)
        assert features is None
        assert {name: figures[name] for name in wanted} == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        total = torch.cat([each.flatten() for name, each in twin.gradients.items() if name != "log_alpha"]).norm()
        assert figures["grad_norm"] == pytest.approx(total.item(), rel=1e-4)
        for name, parameter in (*sac.policy.named_parameters(), ("log_alpha", sac.log_alpha)):
            torch.testing.assert_close(parameter.grad, twin.gradients[name], rtol=1e-3, atol=1e-5)
    for name, parameter in sac.policy.named_parameters():
        torch.testing.assert_close(parameter, twin.weights[name], rtol=0, atol=1e-6)
    for name, parameter in sac.target.named_parameters():
        torch.testing.assert_close(parameter, twin.target[name], rtol=0, atol=1e-6)
        assert parameter.grad is None
    torch.testing.assert_close(sac.log_alpha.detach(), twin.log_alpha, rtol=0, atol=1e-6)
    assert all(parameter.requires_grad for parameter in sac.policy.parameters())


# -- the temperature ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("wanted", "way"), [(-20.0, -1), (20.0, 1)])
def test_alpha_falls_while_the_entropy_is_above_its_target_and_rises_below_it(wanted, way):
    sac, batch = make(settings=replace(SETTINGS, target_entropy=wanted)), some_batch(VECTOR, 1, 0)
    alphas = [sac.update(batch)[0]["alpha"] for _ in range(20)]
    assert alphas[0] == 1.0
    assert all((b - a) * way > 0 for a, b in pairwise(alphas))


def test_a_given_alpha_stays():
    sac, batch = make(settings=replace(SETTINGS, alpha=0.3)), some_batch(VECTOR, 1, 0)
    assert [sac.update(batch)[0]["alpha"] for _ in range(3)] == pytest.approx([0.3] * 3)
    other = make(settings=replace(SETTINGS, alpha=0.2))
    other.load_state_dict(deepcopy(sac.state_dict()))
    assert other.update(batch)[0]["alpha"] == pytest.approx(0.2)  # as it is told now


# -- numbers that are none ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("poison", ["rewards", "frames", "actions"])
def test_a_nan_never_reaches_the_weights(poison):
    sac, batch = make(), some_batch(VECTOR, 1, 0)
    sac.update(batch)
    poisoned = deepcopy(batch)
    getattr(poisoned, poison)[...] = float("nan")
    before = deepcopy(sac.state_dict())
    with pytest.raises(NonFiniteError, match=r"nan.* at update 1; the weights are as they were"):
        sac.update(poisoned)
    after = sac.state_dict()
    for name in ("policy", "target", "acting"):
        assert all(torch.equal(after[name][key], each) for key, each in before[name].items())
    assert torch.equal(after["log_alpha"], before["log_alpha"])
    for key, moments in before["optimizer"]["state"].items():
        assert all(torch.equal(after["optimizer"]["state"][key][name], each) for name, each in moments.items())
    assert after["updates"] == 1
    sac.update(batch)
