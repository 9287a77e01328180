"""The gradient of everything that networks are made of is its slope: no path is cut, and none is counted twice."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies import registry
from policies.recurrent import GRU, LSTM, SSM, Hierarchy
from policies.values import DuelingHead
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.voxel_swarm.state import NUM_ACTIONS as MOVES
from puffer_envs.voxel_swarm.state import RELATIVE_LAYOUT
from tests.policies.test_actions import KINDS, generator
from tests.policies.test_territory import policy_of as territory_of
from tests.policies.test_territory import rows_of as territory_rows
from tests.probes import PROBES
from tests.slopes import check_module, check_network


@pytest.mark.parametrize("name", KINDS)
def test_distributions(name):
    x = torch.randn(4, 9, dtype=torch.float64).requires_grad_()
    actions = KINDS[name](x.float()).sample(generator())
    assert torch.autograd.gradcheck(lambda x: KINDS[name](x).log_prob(actions), x)
    if name != "squashed":  # which has none in closed form
        assert torch.autograd.gradcheck(lambda x: KINDS[name](x).entropy(), x)


@pytest.mark.parametrize("kind", [GRU, LSTM, SSM, Hierarchy])
@pytest.mark.parametrize("form", ["sequence", "step"])
def test_memories(kind, form):
    memory = kind(2, 2)
    first = torch.tensor([[False, True], [False, False], [True, False]])  # nobody's start is another's

    def call(memory, x, state):
        if form == "sequence":
            y, state = memory.sequence(x, state, first)
            return torch.cat([y.flatten(), state.flatten()])
        outputs = []
        for t in range(len(x)):
            y, state = memory.step(x[t], state, first[t])
            outputs.append(y.flatten())
        return torch.cat([*outputs, state.flatten()])

    check_module(memory, call, torch.randn(3, 2, 2), torch.randn(2, memory.state_size))


def test_a_dueling_head():
    check_module(DuelingHead(3, 4), lambda head, x: head(x), torch.randn(5, 3))


# -- whole networks ----------------------------------------------------------------------------------------------------
def curved(values: torch.Tensor) -> torch.Tensor:
    """A number that all outputs move, each by a slope of its own."""
    weights = torch.linspace(0.5, 1.5, values.numel()).view_as(values)
    return (torch.tanh(values) * weights).mean()


def slopes(network, rows):
    """Of the policy's distribution and of its value."""
    zeros, first = torch.zeros(len(rows), network.state_size), torch.ones(len(rows), dtype=torch.bool)
    with torch.no_grad():
        actions = network.step(rows, zeros, first)[0].mode()

    def loss():
        distribution, values, _ = network.step(rows, zeros, first)
        return curved(distribution.log_prob(actions)) + curved(distribution.entropy()) + curved(values)

    check_network(network, loss)


def lively(network):
    """Heads begin close to 0, where nothing is to be seen."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network


def test_the_generic_network():
    spec = PROBES["dice"][2](PROBES["dice"][1])
    network = lively(registry.make_policy(None, spec.layout, spec.action, "slim"))
    rows = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, spec.layout.size), dtype=np.uint8))
    slopes(network, rows)


def test_the_network_of_voxel_swarm():
    action = ActionSpec.of(spaces.Discrete(MOVES))
    network = registry.make_policy("voxel_swarm", RELATIVE_LAYOUT, action, "slim").reading(torch.randn(256 * 256, 384))
    slopes(lively(network), torch.randint(0, 256, (8, RELATIVE_LAYOUT.size), dtype=torch.uint8))


@pytest.mark.parametrize("options", [{}, {"scales": "single"}])
def test_the_network_of_territory(options):
    network = lively(territory_of("slim", **options))
    slopes(network, territory_rows(network, 6))


def test_the_network_of_pokemon_red(layout, observations):
    network = lively(registry.make_policy("pokemon_red", layout, ActionSpec.of(spaces.Discrete(7)), "slim"))
    length, count = 3, 4
    rows, frames = observations(length * count)
    first = torch.tensor([[True] * count, [False, True, False, False], [False] * count])
    state = torch.zeros(count, network.state_size)

    def loss():
        q, _ = network.sequence(network.encode(rows, frames).unflatten(0, (length, count)), state, first)
        return curved(q)

    check_network(network, loss)
