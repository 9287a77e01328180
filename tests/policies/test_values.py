"""Two critics by hand, and apart from each other."""

import pytest
import torch
from torch import nn

from policies.values import TwinCritic
from tests.slopes import check_module

LOW, HIGH = torch.tensor([0.0, -2.0]), torch.tensor([10.0, 6.0])
WIDEST = torch.full((2,), torch.finfo(torch.float32).max)


def critic_of(in_features: int = 3, hidden: int = 8) -> TwinCritic:
    return TwinCritic(in_features, LOW, HIGH, hidden)


def by_hand(critic: nn.Sequential, first, second, last) -> None:
    """Set the weights of its three layers, each a matrix and a bias."""
    with torch.no_grad():
        for layer, (weight, bias) in zip(critic[::2], (first, second, last), strict=True):
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))


def test_by_hand():
    twin = critic_of(in_features=1, hidden=2)
    # Of a feature f and of actions whose middles are 5 and 2, and half of whose ranges are 5 and 4, as a and b
    by_hand(
        twin.first,
        ([[1.0, 2.0, 0.0], [0.0, 0.0, 4.0]], [0.5, 1.0]),  # f + 2 a + .5, 4 b + 1
        ([[1.0, -1.0], [2.0, 3.0]], [0.0, -1.0]),
        ([[10.0, 1.0]], [0.25]),
    )
    by_hand(
        twin.second,
        ([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], [0.0, 0.0]),  # a + b, f
        ([[1.0, 1.0], [0.0, 1.0]], [0.0, 0.0]),
        ([[1.0, 1.0]], [-5.0]),
    )
    features = torch.tensor([[3.0], [-4.0], [1.0]])
    actions = torch.tensor([[7.5, 3.0], [0.0, -2.0], [10.0, 6.0]])  # as numbers (.5, .25), (-1, -1), (1, 1)
    # 1: (4.5, 2) -> (2.5, 9 + 6 - 1 = 14) -> 25 + 14 + .25, and (.75, 3) -> (3.75, 3) -> 6.75 - 5
    # 2: both are below 0: (0, 0) -> (0, max(-1, 0)) -> .25, and (0, 0) -> -5
    # 3: (3.5, 5) -> (max(-1.5, 0), 7 + 15 - 1 = 21) -> 21.25, and (2, 1) -> (3, 1) -> 4 - 5
    torch.testing.assert_close(twin(features, actions), torch.tensor([[39.25, 0.25, 21.25], [1.75, -5.0, -1.0]]))


@pytest.mark.parametrize(
    ("low", "high"),
    [(LOW, HIGH), (-WIDEST, WIDEST), (WIDEST / 2, WIDEST)],
    ids=["some", "the widest", "the farthest"],  # whose range, or sum, no float32 holds
)
def test_actions_are_looked_at_from_minus_1_to_1(low, high):
    twin, looked_at = TwinCritic(3, low, high, 8), []
    for critic in (twin.first, twin.second):
        critic[0].register_forward_hook(lambda _, inputs, __: looked_at.append(inputs[0]))
    features = torch.randn(3, 3)
    assert twin(features, torch.stack([low, low / 2 + high / 2, high])).isfinite().all()
    wanted = torch.cat([features, torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])], -1)
    assert len(looked_at) == 2
    for each in looked_at:
        torch.testing.assert_close(each, wanted)


@pytest.mark.parametrize("lead", [(), (5,), (4, 5)])
def test_shapes(lead):
    assert critic_of()(torch.randn(*lead, 3), torch.randn(*lead, 2)).shape == (2, *lead)


def test_they_begin_apart_and_share_nothing():
    twin, given = critic_of(hidden=32), (torch.randn(64, 3), torch.rand(64, 2))
    first, second = twin(*given)
    assert (first - second).abs().min() > 0
    names = {name for name, _ in twin.named_parameters()}
    for i, own in enumerate(("first", "second")):
        twin.zero_grad()
        twin(*given)[i].square().sum().backward()
        reached = {name for name, weight in twin.named_parameters() if weight.grad is not None and weight.grad.any()}
        assert reached == {name for name in names if name.startswith(f"{own}.")}


def test_bounds_are_no_weights():
    """A file of weights is of the network; what the actions are is the game's."""
    twin = critic_of()
    assert {*twin.state_dict()} == {name for name, _ in twin.named_parameters()}
    assert len(twin.state_dict()) == 2 * 3 * 2


def test_every_derivative_by_weights_features_and_actions():
    """The actor learns by those of the actions."""
    twin = critic_of(hidden=3)
    for layer in twin.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.bias)  # none is at the edge of a ReLU
    inputs = torch.randn(4, 3), LOW + torch.rand(4, 2) * (HIGH - LOW)
    check_module(twin, lambda twin, *given: twin(*given), *inputs)
