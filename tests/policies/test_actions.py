"""Each distribution by hand, against torch's, at its edges, and drawn many times; the heads of each kind of action."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import distributions as td

from policies.actions import (
    IMPOSSIBLE,
    Bernoullis,
    Categorical,
    Factored,
    Gaussian,
    SquashedGaussian,
    distribution,
    head,
    stored,
)
from puffer_envs.contract.actions import ActionSpec, check, valid

PARTS = (3, 2, 4)
LOW, HIGH = torch.tensor([-1.0, 0.0, -0.3]), torch.tensor([1.0, 10.0, 0.5])
LOG_STD = torch.tensor([0.0, -1.0, 0.5])
SPACES = {
    "discrete": spaces.Discrete(5),
    "multi_discrete": spaces.MultiDiscrete(PARTS),
    "equal parts": spaces.MultiDiscrete([4, 4]),
    "multi_binary": spaces.MultiBinary(4),
    "box": spaces.Box(LOW.numpy(), HIGH.numpy()),
    "box of planes": spaces.Box(-2, 2, (2, 3)),
    "box of one": spaces.Box(0, 1, ()),
}
# From numbers [..., 9] of any size
KINDS = {
    "categorical": Categorical,
    "factored": lambda x: Factored(x, PARTS),
    "factored, equal parts": lambda x: Factored(x, (3, 3, 3)),
    "bernoullis": Bernoullis,
    "gaussian": lambda x: Gaussian(x[..., :3], LOG_STD.to(x.device)),
    "gaussian of states": lambda x: Gaussian(x[..., :3], x[..., 3:6]),
    "squashed": lambda x: SquashedGaussian(x[..., :3], x[..., 3:6], LOW.to(x.device), HIGH.to(x.device)),
}
DISCRETE = [name for name in KINDS if name in ("categorical", "bernoullis") or name.startswith("factored")]


def generator(device="cpu", seed=0) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def within(actions, share) -> torch.Tensor:
    """Which squashed actions are all in the middle ``share`` of their range."""
    return ((actions - (LOW + HIGH) / 2).abs() < share * (HIGH - LOW) / 2).all(-1)


def close(ours, expected, atol=1e-5) -> None:
    torch.testing.assert_close(ours, torch.as_tensor(expected), rtol=1e-5, atol=atol)


# -- by hand -------------------------------------------------------------------------------------------------------
def test_categorical_by_hand():
    d = Categorical(torch.tensor([math.log(2), math.log(1), math.log(5)]))  # probabilities 2/8, 1/8, 5/8
    close(d.log_prob(torch.tensor(1)), math.log(1 / 8))
    # 1/4 ln 4 + 1/8 ln 8 + 5/8 ln 8/5 = .346574 + .259930 + .293752
    close(d.entropy(), 0.900256)
    assert d.mode().item() == 2


def test_factored_by_hand():
    # First part: probabilities 3/4, 1/4; second: 1/6, 2/6, 3/6
    d = Factored(torch.tensor([3.0, 1.0, 1.0, 2.0, 3.0]).log(), (2, 3))
    close(d.log_prob(torch.tensor([0, 1])), math.log(3 / 4 * 2 / 6))
    # (3/4 ln 4/3 + 1/4 ln 4 = .562335) + (1/6 ln 6 + 1/3 ln 3 + 1/2 ln 2 = 1.011404)
    close(d.entropy(), 1.573739)
    assert d.mode().tolist() == [0, 2]


def test_bernoullis_by_hand():
    d = Bernoullis(torch.tensor([math.log(3), -math.log(4)]))  # pressed with 3/4 and 1/5
    close(d.log_prob(torch.tensor([1, 0])), math.log(3 / 4 * 4 / 5))
    close(d.log_prob(torch.tensor([0, 1])), math.log(1 / 4 * 1 / 5))
    # (3/4 ln 4/3 + 1/4 ln 4 = .562335) + (1/5 ln 5 + 4/5 ln 5/4 = .500402)
    close(d.entropy(), 1.062737)
    assert d.mode().tolist() == [1, 0]


def test_gaussian_by_hand():
    d = Gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.0, math.log(2)]))
    # ln sqrt(2 pi) = .918939. At (2, -2): -(2 - 1)^2 / 2 - .918939 = -1.418939; and -0 - ln 2 - .918939 = -1.612086
    close(d.log_prob(torch.tensor([2.0, -2.0])), -3.031024)
    # (.918939 + .5) + (.918939 + .5 + ln 2)
    close(d.entropy(), 3.531024)
    assert d.mode().tolist() == [1, -2]


def test_squashed_gaussian_by_hand():
    d = SquashedGaussian(torch.tensor([0.5]), torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor([10.0]))
    # Half the range is 5. The action 5 is x = 0: -(.5)^2 / 2 - .918939 - ln 5 - ln(1 - 0)
    close(d.log_prob(torch.tensor([5.0])), -0.125 - 0.918939 - 1.609438)
    # x = .5: tanh = .462117, action 5 + 5 tanh = 7.310586; 0 - .918939 - ln 5 - (ln(1 - .213552) = -.240229)
    close(d.mode(), [7.310586])
    close(d.log_prob(d.mode()), -0.918939 - 1.609438 + 0.240229)


# -- against torch.distributions -----------------------------------------------------------------------------------
def theirs(name: str, x: torch.Tensor) -> list[td.Distribution]:
    """Independent parts whose log-probabilities and entropies are summed."""
    if name == "categorical":
        return [td.Categorical(logits=x)]
    if name.startswith("factored"):
        return [td.Categorical(logits=part) for part in x.split(PARTS if name == "factored" else (3, 3, 3), -1)]
    if name == "bernoullis":
        return [td.Bernoulli(logits=x[..., i]) for i in range(9)]
    log_std = LOG_STD.expand(*x.shape[:-1], 3) if name == "gaussian" else x[..., 3:6]
    normals = [td.Normal(x[..., i], log_std[..., i].exp()) for i in range(3)]
    if name != "squashed":
        return normals
    affine = [td.AffineTransform((high + low) / 2, (high - low) / 2) for low, high in zip(LOW, HIGH, strict=True)]
    return [td.TransformedDistribution(n, [td.TanhTransform(), a]) for n, a in zip(normals, affine, strict=True)]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("lead", [(), (64,), (5, 4)])
def test_as_torch_has_it(name, lead):
    x = torch.randn(*lead, 9)
    d, parts = KINDS[name](x), theirs(name, x)
    actions = d.sample(generator())
    columns = [actions] if name == "categorical" else list(actions.unbind(-1))
    floats = [column.float() if name == "bernoullis" else column for column in columns]
    expected = sum(part.log_prob(column) for part, column in zip(parts, floats, strict=True))
    assert d.log_prob(actions).shape == lead
    # Near the bounds both take the inverse of a rounded tanh; theirs may be infinite there
    exact = within(actions, 0.99) if name == "squashed" else torch.ones(lead, dtype=torch.bool)
    close(d.log_prob(actions)[exact], expected[exact], atol=1e-3 if name == "squashed" else 1e-5)
    if name != "squashed":
        assert d.entropy().shape == lead
        close(d.entropy(), sum(part.entropy() for part in parts))


@pytest.mark.parametrize("name", KINDS)
def test_shapes_and_dtypes(name, device):
    d = KINDS[name](torch.randn(7, 2, 9, device=device))
    actions = d.sample(generator(device))
    size = {"categorical": (), "bernoullis": (9,)}.get(name, (3,))
    for each in (actions, d.mode()):
        assert each.shape == (7, 2, *size)
        assert each.dtype == (torch.int64 if name in DISCRETE else torch.float32)
        assert each.device.type == device.type
    assert d.log_prob(actions).dtype == torch.float32


@pytest.mark.parametrize("name", DISCRETE)
def test_small_integers_have_the_same_probability(name):
    d = KINDS[name](torch.randn(64, 9))
    actions = d.sample(generator())
    assert torch.equal(d.log_prob(actions.to(torch.uint8)), d.log_prob(actions))


# -- samples -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
def test_the_generator_decides(name, device):
    d = KINDS[name](torch.randn(64, 9, device=device))
    first, again, other = (d.sample(generator(device, seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_first_of_the_exponential_clocks_is_drawn():
    """With the same numbers: seeded runs of earlier versions draw the same actions."""
    ours, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
    logits = torch.randn(64, 9)
    for _ in range(5):
        clocks = torch.empty(64, 9).exponential_(generator=theirs)
        expected = (logits.log_softmax(-1).exp() / clocks).argmax(-1)
        assert torch.equal(Categorical(logits).sample(ours), expected)


@pytest.mark.parametrize("name", DISCRETE)
def test_choices_are_drawn_as_often_as_they_are_likely(name):
    count = 20_000
    x = torch.randn(9)
    actions = KINDS[name](x.expand(count, 9)).sample(generator())
    for part, column in zip(theirs(name, x), actions.reshape(count, -1).unbind(-1), strict=True):
        p = part.probs if name != "bernoullis" else torch.stack([1 - part.probs, part.probs])
        seen = column.bincount(minlength=len(p))
        chi_square = ((seen - count * p).square() / (count * p)).sum().item()
        free = len(p) - 1
        assert len(seen) == len(p)
        assert chi_square < free + 4 * (2 * free) ** 0.5 + 4  # far in the tail: mean f, variance 2 f


@pytest.mark.parametrize("name", ["gaussian", "gaussian of states", "squashed"])
def test_numbers_are_drawn_where_they_are_likely(name):
    count = 20_000
    x = torch.randn(9)
    actions = KINDS[name](x.expand(count, 9)).sample(generator())
    for part, column in zip(theirs(name, x), actions.unbind(-1), strict=True):
        below = part.cdf(column.sort().values)  # uniform, if it is right: the Kolmogorov-Smirnov statistic
        assert (below - torch.linspace(0, 1, count)).abs().max() < 2 / count**0.5


def test_parts_are_drawn_apart_from_each_other():
    a, b = Factored(torch.zeros(20_000, 4), (2, 2)).sample(generator()).unbind(-1)
    assert abs((a == b).float().mean().item() - 0.5) < 0.02
    a, b = Bernoullis(torch.zeros(20_000, 2)).sample(generator()).unbind(-1)
    assert abs((a == b).float().mean().item() - 0.5) < 0.02


# -- masks ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DISCRETE)
def test_what_is_impossible_is_never_drawn_and_spoils_nothing(name):
    x = torch.randn(500, 9, requires_grad=True)
    possible = torch.rand(500, 9) < 0.5
    possible[:, [0, 3, 6, 8]] = True  # one at least in each part
    d = KINDS[name](x).masked(possible)
    columns = []
    for actions in (d.sample(generator()), d.mode()):
        assert d.log_prob(actions).min() > -100
        if name == "categorical":
            columns = [actions]
        elif name == "bernoullis":
            assert not (actions.bool() & ~possible).any()
        else:
            starts = torch.tensor([0, 3, 5] if name == "factored" else [0, 3, 6])
            columns = (actions + starts).unbind(-1)
        for column in columns:
            assert possible.gather(-1, column[:, None]).all()
    (d.entropy().sum() + d.log_prob(d.mode()).sum()).backward()
    assert x.grad.isfinite().all()
    assert not x.grad[~possible].any()
    assert x.grad[possible].any()


def test_masks_by_hand():
    d = Categorical(torch.tensor([1.0, 2.0, 1.0]).expand(2, 3)).masked(torch.tensor([True, False, True]))
    close(d.entropy(), [math.log(2)] * 2)  # two of one weight are left
    close(d.log_prob(torch.tensor([0, 2])), [-math.log(2)] * 2)
    d = Factored(torch.zeros(5), (2, 3)).masked(torch.tensor([True, False, True, True, True]))
    close(d.entropy(), math.log(3))
    assert d.mode()[0] == 0
    d = Bernoullis(torch.tensor([0.0, 3.0])).masked(torch.tensor([True, False]))
    close(d.entropy(), math.log(2))
    close(d.log_prob(torch.tensor([1, 0])), -math.log(2))


@pytest.mark.parametrize("name", DISCRETE)
def test_where_nothing_is_possible_actions_are_of_the_space_all_the_same(name):
    d = KINDS[name](torch.randn(1000, 9)).masked(torch.zeros(1000, 9, dtype=torch.bool))
    actions = d.sample(generator())
    sizes = {"categorical": 9, "bernoullis": 1, "factored": torch.tensor(PARTS), "factored, equal parts": 3}
    assert (actions < sizes[name]).all()
    assert d.entropy().isfinite().all()


# -- edges ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e4])
def test_gradients_are_finite(name, size):
    x = size * torch.randn(64, 9)
    x[:, 3:6] = x[:, 3:6].clamp(-10, 2) if name in ("squashed", "gaussian of states") else x[:, 3:6]
    x.requires_grad_()
    d = KINDS[name](x)
    loss = d.log_prob(d.sample(generator())).sum()
    if name == "squashed":
        actions, log_prob = d.sample_with_log_prob(generator())
        loss = loss + actions.sum() + log_prob.sum()
    else:
        loss = loss + d.entropy().sum()
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("logit", [IMPOSSIBLE, -100.0, -20.0, 20.0, 100.0, -IMPOSSIBLE])
def test_sure_keys(logit):
    d = Bernoullis(torch.tensor([logit]))
    sure, other = torch.tensor([int(logit > 0)]), torch.tensor([int(logit < 0)])
    assert d.log_prob(sure).item() == pytest.approx(-math.exp(-abs(logit)), rel=1e-5)
    assert d.log_prob(other).item() == pytest.approx(-abs(logit), rel=1e-5)
    # h = q (1 + |l|) to the first order, q = exp(-|l|)
    assert d.entropy().item() == pytest.approx(math.exp(-abs(logit)) * (1 + abs(logit)), rel=1e-4)


def test_the_entropy_of_a_key_and_its_slope():
    x = torch.linspace(-6, 6, 25, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Bernoullis(x[:, None]).entropy(), x)


# -- the squashed Gaussian -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.7, -1.0), (-1.5, 0.5), (0.0, -3.0)])
def test_the_squashed_density_is_one_in_all(mean, log_std):
    low, high = torch.tensor([-0.3]), torch.tensor([2.5])
    d = SquashedGaussian(torch.tensor([mean]), torch.tensor([log_std]), low, high)
    edges = torch.linspace(-0.3, 2.5, 400_001, dtype=torch.float64)
    middles = ((edges[1:] + edges[:-1]) / 2)[:, None]
    total = d.log_prob(middles.float()).double().exp().mean() * 2.8
    assert total.item() == pytest.approx(1, abs=2e-3)


def test_the_density_of_a_sample_is_that_of_the_action():
    d = KINDS["squashed"](torch.randn(1000, 9))
    actions, log_prob = d.sample_with_log_prob(generator())
    assert torch.equal(actions, d.sample(generator()))
    inside = within(actions, 0.999)
    assert inside.sum() > 500
    close(log_prob[inside], d.log_prob(actions)[inside], atol=2e-3)


def test_far_out_the_density_is_exact():
    # x = 30 for certain: 1 - tanh(x)^2 = 4 e^-60 / (1 + e^-60)^2, which is 0 in float32
    d = SquashedGaussian(torch.tensor([30.0]), torch.tensor([-20.0]), torch.tensor([-1.0]), torch.tensor([1.0]))
    z = torch.empty(1).normal_(generator=generator()).item()
    actions, log_prob = d.sample_with_log_prob(generator())
    assert actions.item() == 1
    expected = -(z**2) / 2 + 20 - 0.918939 - (math.log(4) - 60)
    assert log_prob.item() == pytest.approx(expected, abs=1e-3)
    assert d.log_prob(actions).isfinite()


def test_gradients_flow_through_a_squashed_sample():
    mean, log_std = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    both = mean.requires_grad_(), log_std.requires_grad_()

    def sample(mean, log_std):
        return SquashedGaussian(mean, log_std, LOW.double(), HIGH.double()).sample_with_log_prob(generator())

    assert torch.autograd.gradcheck(sample, both)
    assert not SquashedGaussian(*both, LOW, HIGH).sample(generator()).requires_grad


def test_a_squashed_sample_is_within_its_bounds():
    low = torch.randn(1000)
    high = low + torch.rand(1000) + 0.01
    for far in (-20.0, 20.0):
        d = SquashedGaussian(torch.full((2, 1000), far), torch.zeros(1000), low, high)
        for actions in (d.sample(generator()), d.mode()):
            assert ((actions >= low) & (actions <= high)).all()
            close(actions, (high if far > 0 else low).expand(2, 1000))


# -- heads and memories --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SPACES)
def test_a_heads_actions_are_of_the_space(name, device):
    spec = ActionSpec.of(SPACES[name])
    layer = head(16, spec).to(device)
    d = layer(torch.randn(50, 16, device=device))
    dtype, shape = stored(spec)
    for actions in (d.sample(generator(device)), d.mode().detach()):
        memory = torch.zeros((50, *shape), dtype=dtype, device=device)
        memory[:] = actions
        assert torch.equal(memory.to(actions.dtype), actions)
        played = check(spec, spec.to_env(memory.cpu().numpy()), 50)
        assert valid(spec, played).all()
        assert all(SPACES[name].contains(np.asarray(action, SPACES[name].dtype)) for action in played)
        torch.testing.assert_close(d.log_prob(memory), d.log_prob(actions))
    (d.log_prob(d.sample(generator(device))) + d.entropy()).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_a_new_head_prefers_nothing():
    x = torch.randn(50, 16)
    for name, largest in (("discrete", math.log(5)), ("multi_discrete", math.log(24)), ("multi_binary", math.log(16))):
        close(head(16, ActionSpec.of(SPACES[name]))(x).entropy(), [largest] * 50, atol=1e-2)


def test_a_head_is_a_linear_layer_by_its_names():
    assert set(head(4, ActionSpec.of(SPACES["discrete"])).state_dict()) == {"weight", "bias"}
    assert set(head(4, ActionSpec.of(SPACES["box"])).state_dict()) == {"weight", "bias", "log_std"}


def test_a_gaussian_head_draws_from_the_whole_range():
    layer = head(16, ActionSpec.of(SPACES["box"]), gain=0.0)
    d = layer(torch.randn(2, 16))
    close(d.mean, ((LOW + HIGH) / 2).expand(2, 3))
    close(d.log_std.exp(), (HIGH - LOW) / 2)
    layer.bias.data.fill_(1.0)  # half of the range above its middle
    layer.log_std.data.fill_(math.log(0.5))
    d = layer(torch.randn(2, 16))
    close(d.mean, HIGH.expand(2, 3))
    close(d.log_std.exp(), (HIGH - LOW) / 4)


def test_a_head_works_in_float32_whatever_its_features_are():
    layer = head(16, ActionSpec.of(SPACES["multi_discrete"]))
    with torch.autocast("cpu", torch.bfloat16):
        d = layer(torch.randn(50, 16))
    assert d.log_prob(d.mode()).dtype == d.masked(torch.ones(9, dtype=torch.bool)).entropy().dtype == torch.float32


def test_distributions_by_the_spec():
    numbers = torch.randn(6, 9)
    for name, kind in (("discrete", Categorical), ("multi_discrete", Factored), ("multi_binary", Bernoullis)):
        assert type(distribution(ActionSpec.of(SPACES[name]), numbers)) is kind
    assert type(distribution(ActionSpec.of(SPACES["box"]), numbers[:, :3], LOG_STD)) is Gaussian


@pytest.mark.parametrize(
    ("space", "dtype", "shape"),
    [
        (spaces.Discrete(256), torch.uint8, ()),
        (spaces.Discrete(257), torch.int16, ()),
        (spaces.Discrete(701), torch.int16, ()),  # action 700 is no 188
        (spaces.Discrete(32_768), torch.int16, ()),
        (spaces.Discrete(32_769), torch.int32, ()),
        (spaces.MultiDiscrete([2, 701]), torch.int16, (2,)),
        (spaces.MultiBinary((2, 3)), torch.uint8, (6,)),
        (spaces.Box(-1, 1, (2, 3)), torch.float32, (6,)),
        (spaces.Box(-1, 1, ()), torch.float32, (1,)),
    ],
)
def test_memories_lose_nothing(space, dtype, shape):
    spec = ActionSpec.of(space)
    assert stored(spec) == (dtype, shape)
    if spec.parts:
        last = max(spec.parts) - 1
        assert torch.tensor(last).to(dtype).item() == last
