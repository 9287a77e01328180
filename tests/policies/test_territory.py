"""Territory's network: what it is given, what it may choose, and what it costs."""

import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch.utils.flop_counter import FlopCounterMode

from policies.blocks import BytePatches
from policies.registry import make_policy
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.territory.state import DIRECTIONS, INTENSITIES, LAYOUT, NUM_ACTIONS

SIZES = [("slim", {}), ("large", {}), ("large", {"scales": "single"})]


def policy_of(size="slim", **options):
    torch.manual_seed(0)
    return make_policy("territory", LAYOUT, ActionSpec.of(spaces.Discrete(NUM_ACTIONS)), size, **options)


def rows_of(policy, count, possible=DIRECTIONS):
    """Random observations in which the first ``possible`` directions, and to wait, can be chosen."""
    rows = torch.randint(0, 256, (count, policy.history, LAYOUT.size), dtype=torch.uint8)
    bits = (1 << possible) - 1 | 1 << DIRECTIONS - 1
    first, second = LAYOUT["directions"].offset, LAYOUT["directions"].offset + 1
    rows[..., first], rows[..., second] = bits & 255, bits >> 8
    return rows if policy.history > 1 else rows[:, 0]


def step(policy, rows):
    count = len(rows)
    distribution, values, _ = policy.step(rows, torch.zeros(count, 0), torch.zeros(count, dtype=torch.bool))
    return distribution.logits, values


@pytest.mark.parametrize(("size", "options"), SIZES)
def test_logits_and_values(size, options):
    policy = policy_of(size, **options)
    logits, values = step(policy, rows_of(policy, 3))
    assert (logits.shape, values.shape) == ((3, NUM_ACTIONS), (3,))
    assert logits.isfinite().all()
    (logits.logsumexp(-1).sum() + values.sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in policy.parameters())


def test_impossible_directions_are_never_chosen():
    policy = policy_of()
    probabilities = step(policy, rows_of(policy, 4, possible=3))[0].softmax(-1).view(4, DIRECTIONS, INTENSITIES)
    assert (probabilities[:, 3:-1] == 0).all()
    assert (probabilities[:, :3] > 0).all()
    assert (probabilities[:, -1] > 0).all()


def test_attacks_and_buildings_are_chosen_apart():
    """The probability of a pair is the product of theirs, and 45 + 3 numbers say it all."""
    torch.manual_seed(0)
    action = ActionSpec.of(spaces.MultiDiscrete([NUM_ACTIONS, 3]))
    policy = make_policy("territory", LAYOUT, action, "slim")
    torch.nn.init.normal_(policy.builder.weight, std=0.1)
    rows = rows_of(policy, 4, possible=3)
    both, _, _ = policy.step(rows, torch.zeros(4, 0), torch.zeros(4, dtype=torch.bool))
    attacks, buildings = both.logits.split([NUM_ACTIONS, 3], -1)
    pair = torch.tensor([[7, 2]]).expand(4, 2)
    wanted = attacks.log_softmax(-1)[:, 7] + buildings.log_softmax(-1)[:, 2]
    torch.testing.assert_close(both.log_prob(pair), wanted)
    assert buildings.softmax(-1).std(0).max() > 0.01
    impossible = attacks.softmax(-1).view(4, DIRECTIONS, INTENSITIES)[:, 3:-1]
    assert (impossible == 0).all()


def test_directions_and_intensities_are_chosen_apart():
    """Nine directions, one of them to wait in five ways that are alike; the intensity does not depend on the others."""
    policy = policy_of()
    torch.nn.init.normal_(policy.actor.weight, std=0.1)
    orders = step(policy, rows_of(policy, 4, possible=6))[0].softmax(-1).view(4, DIRECTIONS, INTENSITIES)
    intensities = orders[:, :6].sum(1) / orders[:, :6].sum((1, 2))[:, None]
    torch.testing.assert_close(orders[:, :6], orders[:, :6].sum(2, keepdim=True) * intensities[:, None])
    torch.testing.assert_close(orders[:, -1], orders[:, -1:, 0].expand(4, INTENSITIES))
    assert intensities.std(0).min() > 0.001


@pytest.mark.parametrize("possible", [1, 8])
def test_it_waits_four_times_in_five_at_first(possible):
    policy = policy_of()
    waits = step(policy, rows_of(policy, 16, possible))[0].softmax(-1)[:, -INTENSITIES:].sum(-1)
    torch.testing.assert_close(waits, torch.full((16,), 32 / (32 + possible)), rtol=0.05, atol=0)


def test_odds():
    policy = policy_of()
    rows = rows_of(policy, 1, possible=3)
    rows[0, LAYOUT["odds"].span] = torch.tensor([255, 1, 254, 0, 0, 0, 0, 0], dtype=torch.uint8)
    possible = torch.tensor([[True] * 3 + [False] * 5 + [True]])
    odds = policy._odds(rows, possible).view(3, 8)
    assert odds[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert odds[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert odds[2].tolist() == pytest.approx([0, (1 / 254 - 0.4) / 0.25, 0.6 / 0.25, 0, 0, 0, 0, 0])
    rows = rows_of(policy, 4)
    changed = rows.clone()
    changed[:, LAYOUT["odds"].span] = 255 - changed[:, LAYOUT["odds"].span]
    assert not torch.equal(step(policy, rows)[1], step(policy, changed)[1])


@pytest.mark.parametrize(("name", "seen"), [("global", True), ("local", False), ("tactical", False)])
def test_the_single_scale_sees_the_whole_map_alone(name, seen):
    policy = policy_of("large", scales="single")
    rows = rows_of(policy, 2)
    changed = rows.clone()
    changed[..., LAYOUT[name].span] = 255 - changed[..., LAYOUT[name].span]
    assert torch.equal(step(policy, rows)[1], step(policy, changed)[1]) != seen


def test_places_matter():
    """A mean over the view alone would say the same of one bright patch wherever it lies inside."""
    policy, span = policy_of(), LAYOUT["global"].span
    with torch.no_grad():
        policy.actor.weight.normal_()
        here = rows_of(policy, 1)
        here[:, span] = 0
        there = here.clone()
        here[:, span].view(6, 128, 128)[:, 40:48, 40:48] = 255
        there[:, span].view(6, 128, 128)[:, 72:80, 72:80] = 255
        assert not torch.allclose(step(policy, here)[0], step(policy, there)[0], rtol=1e-4)
        for trunk in policy.trunks:
            trunk.place.zero_()
        torch.testing.assert_close(step(policy, here)[0], step(policy, there)[0], rtol=1e-3, atol=1e-3)


def test_attention_is_told():
    policy = policy_of()
    step(policy, rows_of(policy, 5))
    figures = policy.figures()
    assert list(figures) == ["attention/global", "attention/local", "attention/tactical"]
    assert sum(figures.values()).item() == pytest.approx(1.0, abs=1e-5)
    assert policy_of("large", scales="single").figures() == {}


def test_scalars_are_two_bytes():
    policy = policy_of()
    rows = rows_of(policy, 1)
    rows[:, LAYOUT["scalars"].span] = 0
    rows[0, LAYOUT["scalars"].offset], rows[0, LAYOUT["scalars"].offset + 16] = 1, 2  # high and low byte of the first
    numbers = policy._scalars(rows)
    assert numbers.shape == (1, 16)
    centre, spread = policy.centres[0].item(), policy.spreads[0].item()
    assert numbers[0, 0].item() == pytest.approx((258 / 65_535 - centre) / spread)
    torch.testing.assert_close(numbers[0, 1:], (-policy.centres / policy.spreads).clamp(-5, 5)[1:])


def test_sizes():
    """What the specification asks: 1.5 to 1.9 million parameters; 15 MFLOP an observation on a CPU."""
    assert 1.5e6 < sum(p.numel() for p in policy_of("large").parameters()) < 1.9e6
    slim = policy_of("slim")
    with FlopCounterMode(display=False) as counter:
        step(slim, rows_of(slim, 1))
    assert counter.get_total_flops() < 15e6


def test_patches_are_a_convolution():
    torch.manual_seed(0)
    layer = BytePatches(3, 5, 4, 1 / 255)
    planes = torch.randint(0, 256, (70, 3, 16, 16), dtype=torch.uint8)  # more patches than are multiplied at once
    wanted = F.conv2d(planes.float() / 255, layer.weight, layer.bias, 4)
    torch.testing.assert_close(layer(planes), wanted)
    direction = torch.randn_like(wanted)
    grads = [torch.autograd.grad((x * direction).sum(), [layer.weight, layer.bias]) for x in (layer(planes), wanted)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)
