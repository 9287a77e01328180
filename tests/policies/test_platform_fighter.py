"""The fighter's network: what it reads, that all of it learns, and that steps are the sequence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.platform_fighter import (
    PRESETS,
    REST,
    SCALES,
    PlatformFighterPolicy,
    PolicyConfig,
    StrategyEncoder,
    sinusoids,
)
from policies.registry import make_policy
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.slopes import check_module, check_network

LAYOUT = ObsLayout(np.float32, ("own", (32,)), ("opponent", (32,)))
ACTION = ActionSpec.of(spaces.MultiBinary(10))
SMALL = PolicyConfig(hidden=8, width=8, layers=2, heads=2, feed_forward=8, frames=12, every=3, memory=6, head=8)


def policy_of(config: PolicyConfig = SMALL) -> PlatformFighterPolicy:
    return PlatformFighterPolicy(LAYOUT, ACTION, config)


def rows_of(*shape: int, frames: int = SMALL.tokens) -> torch.Tensor:
    """Random observations float32 [*shape, H, 64] within their bounds."""
    bounds = torch.tensor([*SCALES, *[1.0] * 16]).repeat(2)
    rows = (2 * torch.rand(*shape, frames, 64) - 1) * bounds
    for number, values in ((8, 13), (14, 13), (15, 3)):
        for fighter in (0, 32):
            rows[..., fighter + number] = torch.randint(0, values, (*shape, frames)).float()
    return rows


@pytest.mark.parametrize(("size", "parameters"), [("slim", (250e3, 500e3)), ("large", (4e6, 6e6))])
def test_sizes(size, parameters):
    policy = make_policy("platform_fighter", LAYOUT, ACTION, size)
    assert parameters[0] < sum(p.numel() for p in policy.parameters()) < parameters[1]
    rows = rows_of(3, frames=policy.history)
    distribution, values, state = policy.step(rows, torch.zeros(3, policy.state_size), torch.ones(3).bool())
    assert distribution.log_prob(torch.zeros(3, 10)).shape == values.shape == (3,)
    assert state.shape == (3, 2 * policy.config.memory)


def test_every_weight_learns_the_encoders_above_all():
    """From the actor's loss alone and from the critic's alone, through the memory."""
    torch.manual_seed(0)
    policy = policy_of()
    rows, first = rows_of(5, 4), torch.zeros(5, 4, dtype=torch.bool)
    keys = torch.randint(0, 2, (5, 4, 10))
    for which, theirs in ((0, "critic"), (1, "actor")):
        policy.zero_grad()
        distribution, values = policy.sequence(rows, torch.zeros(4, policy.state_size), first)
        (distribution.log_prob(keys).mean(), values.square().mean())[which].backward()
        for name, weight in policy.named_parameters():
            reached = weight.grad is not None and bool(weight.grad.any())
            assert reached == (not name.startswith(theirs)), name
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    before = {name: weight.clone() for name, weight in policy.named_parameters()}
    distribution, values = policy.sequence(rows, torch.zeros(4, policy.state_size), first)
    (distribution.log_prob(keys).mean() + values.square().mean()).backward()
    optimizer.step()
    assert all((weight != before[name]).any() for name, weight in policy.named_parameters())


def test_steps_are_the_sequence():
    torch.manual_seed(0)
    policy = policy_of()
    rows, first = rows_of(7, 3), torch.rand(7, 3) < 0.3
    state, keys = torch.randn(3, policy.state_size), torch.randint(0, 2, (7, 3, 10))
    distribution, values = policy.sequence(rows, state, first)
    for t in range(7):
        one, value, state = policy.step(rows[t], state, first[t])
        torch.testing.assert_close(value, values[t], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.log_prob(keys[t]), distribution.log_prob(keys)[t], rtol=1e-4, atol=1e-5)


def test_it_can_do_without_a_past():
    """Then it is shown rows as they are, as any network that asks for one frame."""
    torch.manual_seed(0)
    policy = policy_of(replace(SMALL, frames=1, every=1))
    rows, first = rows_of(5, 3, frames=1)[:, :, 0], torch.zeros(5, 3, dtype=torch.bool)
    _, values = policy.sequence(rows, torch.zeros(3, policy.state_size), first)
    _, value, _ = policy.step(rows[0], torch.zeros(3, policy.state_size), first[0])
    assert (policy.history, values.shape) == (1, (5, 3))
    torch.testing.assert_close(values[0], value)


def test_what_the_opponent_did_matters_and_when():
    torch.manual_seed(0)
    policy = policy_of()
    rows, zeros, first = rows_of(1), torch.zeros(1, policy.state_size), torch.ones(1).bool()

    def value(rows: torch.Tensor) -> float:
        return policy.step(rows, zeros, first)[1].item()

    other, turned, own = (rows.clone() for _ in range(3))
    other[:, 0, 32] += 3  # the opponent's x in the oldest frame
    turned[:, :-1] = rows[:, [2, 1, 0]]
    own[:, :-1, :32] = 0  # what it was itself is in its memory
    assert value(other) != value(rows)
    assert value(turned) != value(rows)
    assert value(own) == value(rows)


def test_an_encoder_in_chunks_learns_the_same():
    torch.manual_seed(0)
    rows, first, keys = rows_of(5, 3), torch.rand(5, 3) < 0.3, torch.randint(0, 2, (5, 3, 10))
    gradients = []
    for chunk in (0, 4):  # 15 decisions: the last chunk is not full
        torch.manual_seed(1)
        policy = policy_of(replace(SMALL, chunk=chunk))
        distribution, values = policy.sequence(rows, torch.zeros(3, policy.state_size), first)
        (distribution.log_prob(keys).mean() + values.mean()).backward()
        gradients.append([weight.grad for weight in policy.parameters()])
    for whole, chunked in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, chunked)


def test_numbers_are_scaled_and_categories_are_not_numbers():
    policy = policy_of()
    fighter = torch.zeros(32)
    fighter[:16] = torch.tensor(SCALES)
    fighter[[8, 14, 15]] = torch.tensor([12.0, 2.0, 1.0])
    features = policy._fighter(fighter)
    torch.testing.assert_close(features[:13], torch.ones(13))
    assert features[13:].nonzero()[:, 0].tolist() == [12, 13 + 2, 26 + 1]


def test_positions_by_hand():
    # Of 4 numbers: sin p, cos p, sin p / 100, cos p / 100.
    wanted = [[np.sin(p), np.cos(p), np.sin(p / 100), np.cos(p / 100)] for p in range(3)]
    torch.testing.assert_close(sinusoids(3, 4), torch.tensor(wanted, dtype=torch.float32))


def test_gradients_are_slopes():
    torch.manual_seed(0)
    encoder = StrategyEncoder(PolicyConfig(width=4, heads=2, layers=1, feed_forward=3, frames=3, every=1))
    check_module(encoder, lambda each, x: torch.cat([part.flatten() for part in each(x)]), torch.randn(2, 3, 42))
    policy = policy_of()
    rows, first, keys = rows_of(6, 16), torch.rand(6, 16) < 0.2, torch.randint(0, 2, (6, 16, 10))

    def loss() -> torch.Tensor:
        distribution, values = policy.sequence(rows, torch.zeros(16, policy.state_size), first)
        return torch.tanh(distribution.log_prob(keys)).mean() + torch.tanh(values).mean()

    check_network(policy, loss)


def test_other_keys_are_refused():
    with pytest.raises(ValueError, match="presses 10 keys, not 9"):
        PlatformFighterPolicy(LAYOUT, ActionSpec.of(spaces.MultiBinary(9)), SMALL)


def test_a_new_policy_rests_and_moves_more_than_it_fights():
    policy, rows = policy_of(), rows_of(64)
    distribution = policy.step(rows, torch.zeros(64, policy.state_size), torch.ones(64).bool())[0]
    held = distribution.numbers()["logits"].sigmoid().mean(0)
    torch.testing.assert_close(held, torch.tensor(REST).sigmoid(), atol=0.02, rtol=0)
    assert 0.2 < held[[1, 3, 4]].min() < held[[1, 3, 4]].max() < 0.35
    assert held[[0, 2, *range(5, 10)]].max() < 0.1


@pytest.mark.parametrize("wrong", [{"width": 9}, {"frames": 80, "every": 7}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="multiple"):
        PolicyConfig(**wrong)
    with pytest.raises(ValueError, match="two fighters"):
        PlatformFighterPolicy(ObsLayout(np.float32, ("own", (3,)), ("opponent", (3,))), ACTION, PRESETS["slim"])
