"""The network of pokemon_red keeps the protocol, trains every part of itself and is what its preset says."""

import copy

import pytest
import torch
from gymnasium import spaces

from policies import registry
from policies.pokemon_red import PRESETS, PolicyConfig
from policies.registry import make_policy
from puffer_envs.contract.actions import ActionSpec

T, B, ACTIONS = 6, 5, 7
SEVEN_KEYS = ActionSpec.of(spaces.Discrete(ACTIONS))


def make(layout, size="slim", **overrides):
    return make_policy("pokemon_red", layout, SEVEN_KEYS, size, **overrides)


def random_sequence(policy, observations, device):
    rows, frames = (data.to(device) for data in observations(T * B))
    state = torch.randn(B, policy.state_size, device=device)
    return rows, frames, state, (torch.rand(T, B) < 0.2).to(device)


@pytest.mark.parametrize(("size", "hidden", "parameters"), [("slim", 128, 1_293_368), ("large", 256, 2_914_344)])
def test_presets(layout, size, hidden, parameters):
    policy = make(layout, size)
    assert policy.history_field == "screen"
    assert (policy.history, policy.num_actions) == (4, ACTIONS)
    assert (policy.feature_size, policy.state_size) == (hidden, 4 * hidden)
    assert tuple(layer.out_channels for layer in policy.trunk[::2]) == PRESETS[size].cnn_channels
    assert sum(parameter.numel() for parameter in policy.parameters()) == parameters


@pytest.mark.parametrize("size", PRESETS)
def test_steps_are_the_sequence(size, layout, observations, device):
    policy = make(layout, size).to(device)
    rows, frames, state, first = random_sequence(policy, observations, device)
    features = policy.encode(rows, frames)
    assert features.shape == (T * B, policy.feature_size)
    features = features.view(T, B, -1)
    q, last = policy.sequence(features, state, first)
    assert (q.shape, last.shape) == ((T, B, ACTIONS), state.shape)
    for t in range(T):
        q_t, state = policy.step(features[t], state, first[t])
        torch.testing.assert_close(q_t, q[t], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-3, atol=1e-4)


def test_every_parameter_learns(layout, observations, device):
    policy = make(layout).to(device)
    names = dict(policy.named_parameters()).keys()
    rows, frames, state, first = random_sequence(policy, observations, device)
    q, _ = policy.sequence(policy.encode(rows, frames).view(T, B, -1), state, first)
    (q * torch.randn_like(q)).sum().backward()
    assert dict(policy.named_parameters()).keys() == names  # nothing is made on the way
    grads = {name: parameter.grad for name, parameter in policy.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None or not grad.any()] == []


def test_autocast(layout, observations, device):
    policy = make(layout).to(device)
    rows, frames, state, first = random_sequence(policy, observations, device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        q, _ = policy.sequence(policy.encode(rows, frames).view(T, B, -1), state, first)
    q.float().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in policy.parameters())


def test_every_field_is_seen(layout, observations):
    policy = make(layout)
    rows, frames = observations(1)
    seen = policy.encode(rows, frames)
    for field in layout:
        if field.name != policy.history_field:  # seen through `frames`
            changed = rows.clone()
            changed[:, field.span] = rows[:, field.span] == 0
            assert not torch.equal(policy.encode(changed, frames), seen), field.name
    for age in range(policy.history):
        changed = frames.clone()
        changed[:, age] ^= 1
        assert not torch.equal(policy.encode(rows, changed), seen)


def test_a_seed_decides_everything(layout, observations):
    rows, frames = observations(3)
    outputs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        policy = make(layout)
        with torch.inference_mode():
            features = policy.encode(rows, frames)
            first = torch.ones(3, dtype=torch.bool)
            outputs.append(policy.step(features, torch.zeros(3, policy.state_size), first)[0])
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_a_copy_is_a_target_network(layout, observations):
    policy = make(layout)
    target = copy.deepcopy(policy)
    target.load_state_dict(policy.state_dict())
    rows, frames = observations(2)
    assert torch.equal(policy.encode(rows, frames), target.encode(rows, frames))
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), [p + 1 for p in policy.parameters()], 0.5)
    assert not torch.equal(policy.encode(rows, frames), target.encode(rows, frames))


def test_places_of_small_maps_are_told_apart(layout):
    policy = make(layout)
    maps = [0, 1, 2, 3, 12, 13, 14, 15, 37, 38, 40, 41, 42, 45, 50, 51, 54, 59, 60, 61, 65, 92]
    cells = torch.cartesian_prod(torch.tensor(maps), torch.arange(13), torch.arange(13)).int()
    buckets = policy.facts.place(cells[:, 0], cells[:, 1:])
    assert len(buckets.unique()) > 0.84 * len(cells)
    corner = policy.facts.place(torch.tensor([255]), torch.tensor([[255, 255]]))
    assert 0 <= corner.item() < PolicyConfig.place_buckets


def test_overrides(layout):
    policy = make(layout, hidden=32, cnn_channels=(4, 4, 4))
    assert (policy.state_size, policy.trunk[0].out_channels) == (128, 4)


def test_errors_name_what_is_valid(layout):
    for arguments, message in [
        (("pokemon_rde", layout, 7, "slim"), "'pokemon_rde', use one of: platform_fighter, pokemon_red"),
        (("pokemon_red", layout, 7, "huge"), "model size of pokemon_red 'huge', use one of: slim, large"),
    ]:
        with pytest.raises(ValueError, match=message):
            make_policy(*arguments)
    with pytest.raises(ValueError, match="option of policy pokemon_red 'hiden', use one of: cnn_channels, hidden"):
        make(layout, hiden=3)


@pytest.mark.parametrize("name", registry.TABLE)
def test_the_table_holds(name):
    module_name, forms = registry.TABLE[name]
    module = __import__(module_name, fromlist=["*"])
    assert forms
    assert all(hasattr(module, form) for form in forms.values())
    assert hasattr(module, "PRESETS")
