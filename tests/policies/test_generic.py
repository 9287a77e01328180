"""The networks of games that have none of their own, one for each learner."""

import copy
from collections import deque

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies import registry
from policies.actions import Categorical
from policies.generic import PRESETS, GenericPolicy, GenericQ, GenericSoft, PolicyConfig
from puffer_envs import registry as env_registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from training.common.acting import Acting
from training.common.history import torch_dtype
from training.on_policy.config import PPOConfig
from training.on_policy.runner import OnPolicy

BYTES = ObsLayout(np.uint8, ("flags", (3,), 1), ("level", (2,), 8, 1 / 100), ("screen", (2, 4), 2, 1 / 3))
FLOATS = ObsLayout(np.float32, ("speed", (2,)), ("angle", (1,), 32, 0.5))
PICTURES = ObsLayout(np.uint8, ("level", (2,), 8, 1 / 100), ("screen", (1, 40, 41), 8, 1 / 255))
LAYOUTS = {"bytes": BYTES, "floats": FLOATS, "pictures": PICTURES}
FOUR = ActionSpec.of(spaces.Discrete(4))
BOX = ActionSpec.of(spaces.Box(-0.4, np.array([[0.1, 2.0, 30.0]], np.float32)))
ACTIONS = {"ppo": FOUR, "dqn": FOUR, "sac": BOX}
FORMS = {"ppo": GenericPolicy, "dqn": GenericQ, "sac": GenericSoft}
CPU = torch.device("cpu")


@pytest.fixture(params=PRESETS)
def config(request) -> PolicyConfig:
    return PRESETS[request.param]


@pytest.fixture(params=LAYOUTS)
def layout(request) -> ObsLayout:
    return LAYOUTS[request.param]


def shown_to(network, layout, count: int) -> torch.Tensor:
    """What a run shows it: random rows, or histories of them."""
    frames = torch.randint(0, 256, (count, network.history, layout.size)).to(torch_dtype(layout.dtype))
    return frames if network.history > 1 else frames[:, 0]


def learning(network, *losses: torch.Tensor) -> set[str]:
    """Names of the weights that these move."""
    network.zero_grad()
    sum(losses).backward(retain_graph=True)
    return {name for name, weight in network.named_parameters() if weight.grad is not None and weight.grad.any()}


def names_of(network) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def test_every_field_is_seen_scaled():
    policy = GenericPolicy(BYTES, FOUR)
    seen = []
    policy.trunk[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    row = np.array([[0b101, 50, 200, 0b11100100, 0b00000001]], np.uint8)
    policy(torch.from_numpy(row))
    assert seen[0][0].tolist() == pytest.approx([1, 0, 1, 0.5, 2, 0, 1 / 3, 2 / 3, 1, 1 / 3, 0, 0, 0])


# -- shapes, and that all weights learn --------------------------------------------------------------------------------
def test_a_policy(layout, config):
    policy = GenericPolicy(layout, FOUR, config)
    given = shown_to(policy, layout, 5)
    distribution, values, state = policy.step(given, torch.zeros(5, 0), torch.zeros(5, dtype=torch.bool))
    logits = distribution.logits
    assert (logits.shape, values.shape, state.shape) == ((5, 4), (5,), (5, 0))
    everything = names_of(policy)
    assert learning(policy, logits.square().sum(), values.square().sum()) == everything
    distribution, values = policy(given)
    heads = {name for name in everything if name.startswith(("actor.", "critic."))}
    assert learning(policy, distribution.logits.square().sum()) == everything - heads | {"actor.weight", "actor.bias"}
    assert learning(policy, values.square().sum()) == everything - heads | {"critic.weight", "critic.bias"}


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([3, 2]), spaces.MultiBinary(3), spaces.Box(-1, 2, (2,))])
def test_a_policy_of_any_actions(space):
    spec = ActionSpec.of(space)
    policy = GenericPolicy(PICTURES, spec)
    distribution, _ = policy(shown_to(policy, PICTURES, 5))
    actions = distribution.sample(torch.Generator().manual_seed(0))
    assert actions.shape == (5, spec.size)
    assert learning(policy, distribution.log_prob(actions).sum()) == names_of(policy) - {"critic.weight", "critic.bias"}


def test_a_q_network(layout, config):
    network = GenericQ(layout, FOUR, config)
    given = shown_to(network, layout, 6)
    features = network.encode(given if given.dim() == 2 else given[:, -1], given)
    assert features.shape == (6, network.feature_size) == (6, config.hidden)
    assert network.num_actions == 4
    q, state = network.step(features, torch.zeros(6, 0), torch.zeros(6, dtype=torch.bool))
    assert (q.shape, state.shape) == ((6, 4), (6, 0))
    first = torch.tensor([[True, False], [False, True], [False, False]])
    at_once, state = network.sequence(features.unflatten(0, (3, 2)), torch.zeros(2, 0), first)
    assert torch.equal(at_once.flatten(0, 1), q)  # it has no memory
    assert state.shape == (2, 0)
    assert learning(network, q.square().sum()) == names_of(network)


def test_a_soft_actor_critic(layout, config):
    network = GenericSoft(layout, BOX, config)
    given = shown_to(network, layout, 5)
    features = network.encode(given)
    actions, logprobs = network.act(features).sample_with_log_prob(torch.Generator().manual_seed(0))
    judged = network.judge(features, actions)
    assert (actions.shape, logprobs.shape, judged.shape) == ((5, 3), (5,), (2, 5))
    assert learning(network, logprobs.sum(), judged.square().sum()) == names_of(network)
    assert network.actor.weight.grad.any(1).all()  # of means and of deviations


# -- the soft form -----------------------------------------------------------------------------------------------------
def test_what_the_actor_has_of_its_own(layout, config):
    """`act` uses it and nothing else, the critics use none of it, and the encoder is neither's."""
    network = GenericSoft(layout, BOX, config)
    own = {id(weight) for weight in network.actor_parameters()}
    assert len(own) == len(network.actor_parameters()) == 6
    actors = {name for name, weight in network.named_parameters() if id(weight) in own}
    encoders = {f"encoder.{name}" for name, _ in network.encoder.named_parameters()}
    features = network.encode(shown_to(network, layout, 64))
    seen = features.detach()
    assert learning(network, network.act(seen).sample_with_log_prob(None)[1].sum()) == actors
    critics = names_of(network) - actors - encoders
    actions = torch.rand(64, 3)
    assert learning(network, network.judge(seen, actions).square().sum()) == critics
    assert learning(network, network.judge(features, actions).square().sum()) == critics | encoders
    assert bool(encoders) is (layout is PICTURES)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_actions_stay_within_their_bounds(size):
    network = GenericSoft(FLOATS, BOX)
    torch.nn.init.normal_(network.actor.weight)
    distribution = network.act(size * torch.randn(500, network.encoder.size))
    low, high = (torch.tensor(bound).flatten() for bound in BOX.bounds)
    for actions in (distribution.sample(torch.Generator().manual_seed(0)), distribution.mode()):
        assert actions.shape == (500, 3)
        assert ((low <= actions) & (actions <= high)).all()
    assert (distribution.log_std >= -5).all()
    assert (distribution.log_std <= 2).all()
    if size > 1:
        assert distribution.log_std.aminmax() == (-5, 2)
        torch.testing.assert_close(distribution.mode().aminmax(dim=0), (low, high))


def test_the_deviations_of_an_actor_by_hand():
    network = GenericSoft(FLOATS, BOX)
    numbers = torch.tensor([0.3, -2.0, 1.0, 0.0, 1.0, -0.5])  # three means, and what deviations are made of
    torch.nn.init.zeros_(network.actor.weight)
    network.actor.bias.data.copy_(numbers)
    distribution = network.act(torch.randn(2, network.encoder.size))
    torch.testing.assert_close(distribution.mean, numbers[:3].expand(2, 3))
    # -5 + 7 (tanh x + 1) / 2, of tanh x = 0, .761594, -.462117
    torch.testing.assert_close(distribution.log_std, torch.tensor([-1.5, 1.165580, -3.117410]).expand(2, 3))
    # The middles are -.15, .8 and 14.8, half of the ranges .25, 1.2 and 15.2; tanh of the means .291313, -.964028,
    # .761594
    torch.testing.assert_close(distribution.mode(), torch.tensor([-0.077172, -0.356833, 26.376231]).expand(2, 3))


def test_the_critics_see_actions_from_minus_1_to_1():
    network = GenericSoft(PICTURES, BOX)
    low, high = (torch.tensor(bound).flatten() for bound in BOX.bounds)
    features, seen = network.encode(shown_to(network, PICTURES, 3)), []
    for critic in (network.critics.first, network.critics.second):
        critic[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    network.judge(features, torch.stack([low, (low + high) / 2, high]))
    for each in seen:
        assert torch.equal(each[:, :-3], features)
        torch.testing.assert_close(each[:, -3:], torch.tensor([-1.0, 0.0, 1.0])[:, None].expand(3, 3))
    assert len(seen) == 2


@pytest.mark.parametrize("space", [spaces.Discrete(4), spaces.MultiDiscrete([3, 2]), spaces.MultiBinary(3)])
def test_actions_without_bounds_have_no_soft_actor(space):
    spec = ActionSpec.of(space)
    with pytest.raises(ValueError, match=f"actions that are {spec.kind} have no bounds"):
        GenericSoft(FLOATS, spec)


def test_the_bounds_of_actions():
    low, high = BOX.bounds
    assert low is BOX.low
    assert high is BOX.high


# -- the table ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algo", FORMS)
@pytest.mark.parametrize("name", [None, "generic"])
def test_each_learner_has_its_form(name, algo):
    network = registry.make_policy(name, PICTURES, ACTIONS[algo], "slim", algo, frame_stack=2, hidden=8)
    assert type(network) is FORMS[algo]
    assert network.config == PolicyConfig(hidden=8, frame_stack=2)
    built = registry.build(name, PICTURES, ACTIONS[algo], network.config, algo)
    assert {key: each.shape for key, each in built.state_dict().items()} == {
        key: each.shape for key, each in network.state_dict().items()
    }


def test_without_a_learner_the_first_form_is_built():
    assert type(registry.build(None, FLOATS, FOUR, PRESETS["slim"])) is GenericPolicy
    with pytest.raises(ValueError, match="unknown learner of network generic 'a2c', use one of: ppo, dqn, sac"):
        registry.build(None, FLOATS, FOUR, PRESETS["slim"], "a2c")


@pytest.mark.parametrize("name", [name for name, (_, forms) in registry.TABLE.items() if len(forms) == 1])
def test_a_network_without_a_form_for_a_learner_says_which_it_has(name):
    (only,) = registry.TABLE[name][1]
    for algo in FORMS.keys() - {only}:
        with pytest.raises(ValueError, match=f"unknown learner of network {name} '{algo}', use one of: {only}$"):
            registry.build(name, FLOATS, FOUR, registry.preset(name, "slim"), algo)


def test_sizes():
    assert PRESETS["slim"].convolutions == "patches"
    assert PRESETS["large"].convolutions == "nature"
    screens = ObsLayout(np.uint8, ("screen", (1, 84, 84), 8, 1 / 255))  # of many smaller ones patches keep more
    large, slim = (GenericPolicy(screens, FOUR, PRESETS[size]) for size in ("large", "slim"))
    assert large.bytes_of_a_row > slim.bytes_of_a_row > GenericPolicy(BYTES, FOUR).bytes_of_a_row


@pytest.mark.parametrize("algo", FORMS)
def test_a_copy_says_the_same(algo):
    """As targets, acting networks and snapshots are made."""
    network = FORMS[algo](PICTURES, ACTIONS[algo], PolicyConfig(motion=True))
    given = shown_to(network, PICTURES, 3)
    loaded = FORMS[algo](PICTURES, ACTIONS[algo], PolicyConfig(motion=True))
    loaded.load_state_dict(network.state_dict())
    for other in (copy.deepcopy(network), loaded):
        assert torch.equal(other.encoder(given), network.encoder(given))


# -- acting ------------------------------------------------------------------------------------------------------------
class Ring:
    """The last frames of each row, oldest first; where there are none yet, an episode's first."""

    def __init__(self, num_rows: int, length: int) -> None:
        self.length = length
        self.frames = [deque() for _ in range(num_rows)]

    def push(self, rows: np.ndarray, first: np.ndarray) -> np.ndarray:
        for kept, row, begins in zip(self.frames, rows, first, strict=True):
            kept.extend([row.copy()] * self.length if begins else [row.copy()])
        return np.array([[*kept][-self.length :] for kept in self.frames])


def arenas(algo: str):
    """Pictures in which something moves, in short episodes."""
    actions = "discrete" if algo == "dqn" else "basic_3d"
    settings = {"observation": "image", "image_size": 24, "actions": actions, "frame_skip": 6, "max_steps": 42}
    env = env_registry.make("dodge", 3, num_workers=0, seed=5, level=3, **settings)
    env.reset(5)
    return env


@pytest.mark.parametrize(("stack", "motion"), [(1, False), (1, True), (2, False), (4, True)])
@pytest.mark.parametrize("algo", FORMS)
def test_it_is_shown_the_pictures_of_the_last_steps(algo, stack, motion):
    env = arenas(algo)
    policy = FORMS[algo](env.spec.layout, env.spec.action, PolicyConfig(frame_stack=stack, motion=motion))
    acting, ring, rng = Acting(env, policy, CPU), Ring(3, policy.history), np.random.default_rng(0)
    begun, different = 0, 0
    for _ in range(25):
        begun += acting.episode_start.sum()
        wanted = ring.push(env.observations, acting.episode_start)
        seen = acting.see()
        given = seen.given if policy.history > 1 else seen.given[:, None]
        np.testing.assert_array_equal(given, wanted)
        assert policy.encoder(seen.given).shape == (3, policy.encoder.size)
        different += len(np.unique(wanted[0], axis=0)) > 1
        if algo == "dqn":
            env.step(rng.integers(0, 5, 3))
        else:
            env.step(rng.uniform(-1, 1, (3, 3)).astype(np.float32))
        acting.episode_start[:] = env.terminals | env.truncations
    env.close()
    assert begun > 9  # at three starts and more an arena
    assert different > 10 or policy.history == 1


def test_ppo_learns_from_the_pictures_it_acted_on():
    env = arenas("ppo")
    policy = GenericPolicy(env.spec.layout, env.spec.action, PolicyConfig(hidden=8))
    learner = OnPolicy(PPOConfig(num_steps=10), 1, env, policy, 0, 0, CPU)
    ring, wanted, began, said = Ring(3, 4), [], [], []
    learner.begin()
    for _ in range(3):  # segments
        del wanted[:], began[:], said[:]
        while True:  # the decision after a segment is the first of the next one
            seen = learner.decision.seen
            wanted.append(ring.push(seen.rows.numpy(), seen.episode_start.numpy()))
            began.append(seen.episode_start.numpy())
            np.testing.assert_array_equal(seen.given, wanted[-1])
            said.append(learner.decision.values)
            learner.finish(np.zeros(len(env.spec.milestones)))
            learner.begin()
            if learner.full:
                break
        index = torch.randperm(10 * 3)
        given = learner.rollout.given(index)
        np.testing.assert_array_equal(given, np.concatenate(wanted)[index])
        with torch.no_grad():
            torch.testing.assert_close(policy(given)[1], torch.cat(said)[index])
        assert np.any(began)
        assert len(np.unique(given.flatten(0, 1).numpy(), axis=0)) > 10  # something moves
    env.close()


def test_a_distribution_is_of_what_was_shown():
    """Two rows of the same newest picture and different ones before are decided on apart."""
    policy = GenericPolicy(PICTURES, FOUR, PolicyConfig(frame_stack=2))
    torch.nn.init.normal_(policy.actor.weight)
    given = shown_to(policy, PICTURES, 2)
    given[:, 1] = given[0, 1]
    distribution, values = policy(given)
    assert isinstance(distribution, Categorical)
    assert not torch.equal(distribution.logits[0], distribution.logits[1])
    assert values[0] != values[1]
