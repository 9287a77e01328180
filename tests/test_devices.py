"""Networks and learners on a second device do what they do on the CPU, and leave nothing behind on it."""

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies import registry as policy_registry
from policies.actions import SquashedGaussian, head
from policies.protocol import ActorCritic, Network, QNetwork, SoftActorCritic
from puffer_envs import registry as env_registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.vector_env import VectorEnv
from tests.action_probes import ALL_PROBES
from tests.policies.test_actions import KINDS, SPACES
from tests.policies.test_generic import ACTIONS, PICTURES
from tests.second_device import DEVICE, second_device
from tests.training.common.test_history import Stacking
from tests.training.on_policy.test_ppo import TinyActorCritic
from tests.training.test_learning import Forgetful, TinyPolicy
from training.common.history import history_span, torch_dtype
from training.common.intrinsic import IntrinsicConfig
from training.common.learner import Learner
from training.off_policy.config import DQNConfig, SACConfig
from training.off_policy.dqn import DQN
from training.off_policy.runner import OffPolicy
from training.off_policy.sac import SAC
from training.on_policy.config import PPOConfig
from training.on_policy.runner import OnPolicy

pytestmark = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # which is what is wanted
CPU = torch.device("cpu")
PPO_SETTINGS = PPOConfig(num_steps=6, num_minibatches=2, clip_vloss=True, target_kl=10.0)
DQN_SETTINGS = DQNConfig(
    n_step=2,
    sequence=4,
    burn_in=2,
    batch_size=16,
    replay_ratio=0.5,
    replay_size=512,
    learning_starts=32,
    epsilon_ramp=100,
    boredom=4,
)
SAC_SETTINGS = SACConfig(n_step=2, batch_size=16, replay_ratio=0.5, replay_size=512, learning_starts=32)
FORMS = [(name, algo) for name, (_, forms) in policy_registry.TABLE.items() for algo in forms]


@pytest.fixture
def away():
    """The second device; updates run in this thread, as it is there in no other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch, second_device() as device:
        patch.setattr("training.off_policy.background.ThreadPoolExecutor", InTurns)
        patch.setattr(torch, "tensor", made)
        yield device
    torch.set_num_threads(threads)


def made(data, *, device=None, requires_grad=False, _make=torch.tensor, **kind) -> Tensor:
    """`torch.tensor`; its own asks no mode, and would hold no numbers on the second device."""
    return _make(data, **kind).to(device).requires_grad_(requires_grad)


class InTurns:
    """An executor that does at once what it is given."""

    def __init__(self, workers: int, thread_name_prefix: str) -> None:
        pass

    def submit(self, work, *args) -> Future:
        done: Future = Future()
        done.set_result(work(*args))
        return done

    def shutdown(self) -> None:
        pass


# -- the device itself -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "mixed",
    [
        lambda there: there + torch.ones(3),
        lambda there: torch.cat([there, torch.ones(3)]),
        lambda there: there[torch.tensor([0, 1])],
        lambda there: torch.where(torch.ones(3, dtype=torch.bool), there, 0.0),
        lambda there: there.gather(0, torch.tensor([1])),
    ],
)
def test_tensors_of_two_devices_do_not_mix(away, mixed):
    with pytest.raises(RuntimeError, match="two devices"):
        mixed(torch.zeros(3, device=away))


def test_a_generator_is_of_one_device(away):
    with pytest.raises(RuntimeError, match="generator of another device"):
        torch.zeros(3, device=away).normal_(generator=torch.Generator())


def test_it_calculates(away):
    x = torch.arange(6.0, device=away).view(2, 3)
    assert x.device == DEVICE
    assert x[:, 1].tolist() == [1.0, 4.0]
    assert float((x.cpu() + 1).sum()) == float((x + 1).sum()) == 21


# -- distributions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
def test_a_distribution(away, name):
    numbers = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    results = []
    for device in (CPU, away):
        x = numbers.clone().to(device).requires_grad_()
        d = KINDS[name](x)
        drawn = d.sample(torch.Generator(device).manual_seed(0))
        loss = d.log_prob(drawn).sum() + d.log_prob(d.mode()).sum()
        if isinstance(d, SquashedGaussian):
            loss = loss + sum(part.sum() for part in d.sample_with_log_prob(torch.Generator(device).manual_seed(1)))
        else:
            loss = loss + d.entropy().sum()
        if name in ("categorical", "bernoullis"):
            loss = loss + d.masked(numbers.to(device) > -0.5).entropy().sum()
        loss.backward()
        results.append([on(device, each) for each in (drawn, d.mode(), loss.detach(), x.grad)])
    same(*results)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_head(away, space):
    spec = ActionSpec.of(space)
    torch.manual_seed(0)
    layer, x, results = head(16, spec), torch.randn(5, 16), []
    for device in (CPU, away):
        layer.zero_grad()
        layer = layer.to(device)
        d = layer(x.to(device))
        if spec.kind != "box":
            d = d.masked((torch.arange(spec.num_inputs) != 1).to(device))
        actions = d.sample(torch.Generator(device).manual_seed(0))
        (d.log_prob(actions) + d.entropy()).sum().backward()
        results.append([on(device, each) for each in (actions, *(p.grad for p in layer.parameters()))])
    same(*results)


def on(device: torch.device, x: Tensor) -> Tensor:
    """A tensor that must be of this device, as one of the CPU."""
    assert x.device == device
    return x.detach().cpu()


def same(ours, theirs) -> None:
    assert len(ours) == len(theirs)
    for each, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(each, other, rtol=1e-4, atol=1e-5, equal_nan=True)


# -- networks ----------------------------------------------------------------------------------------------------------
def of_game(game: str) -> tuple[ObsLayout, ActionSpec]:
    spec = env_registry.resolve(game).spec(env_registry.configure(game))
    return spec.layout, spec.action


def everything(network: nn.Module, layout: ObsLayout, device: torch.device) -> list[Tensor]:
    """What a network says of a sequence, one decision at a time and at once, and its gradients."""
    draws = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 256, (3, 4, layout.size), generator=draws).to(torch_dtype(layout.dtype)).to(device)
    starts = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool).to(device)
    state, said = torch.zeros(4, network.state_size, device=device), []
    frames = rows[:, :, None, history_span(network, layout)].expand(-1, -1, network.history, -1)
    shown = rows if network.history == 1 else frames
    if isinstance(network, ActorCritic):
        for given, start in zip(shown, starts, strict=True):
            d, values, state = network.step(given, state, start)
            said += [d.log_prob(d.mode()), d.entropy(), values, *network.figures().values()]
            assert d.sample(torch.Generator(device)).device == device
    elif isinstance(network, SoftActorCritic):
        for given in shown:
            features = network.encode(given)
            d = network.act(features)
            actions, logprobs = d.sample_with_log_prob(torch.Generator(device).manual_seed(0))
            said += [d.mode(), logprobs, network.judge(features, actions)]
    else:
        assert isinstance(network, QNetwork)
        features = network.encode(rows.flatten(0, 1), shown.flatten(0, 1)).unflatten(0, (3, 4))
        for given, start in zip(features, starts, strict=True):
            q, state = network.step(given, state, start)
            said.append(q)
        said += network.sequence(features, torch.zeros_like(state), starts)
    sum(each.sum() for each in said).backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [on(device, each) for each in (*said, state, *gradients)]


@pytest.mark.parametrize("size", ["slim", "large"])
@pytest.mark.parametrize(("name", "algo"), FORMS)
def test_a_network(away, name, algo, size):
    layout, action = of_game(name) if name in env_registry.TABLE else (PICTURES, ACTIONS[algo])
    torch.manual_seed(0)
    network = policy_registry.make_policy(name, layout, action, size, algo)
    ours = everything(network, layout, CPU)
    network.zero_grad()
    theirs = everything(network.to(away), layout, away)
    assert len(ours) > 10
    same(ours, theirs)


# -- learners ----------------------------------------------------------------------------------------------------------
def ppo(env: VectorEnv, network: ActorCritic, device: torch.device) -> OnPolicy:
    return OnPolicy(PPO_SETTINGS, 1000, env, network, 0, 0, device)


def dqn(env: VectorEnv, network: Network, device: torch.device) -> OffPolicy:
    learner = DQN(network, DQN_SETTINGS, device)
    curious = IntrinsicConfig(rnd_hidden=16)
    return OffPolicy(DQN_SETTINGS, curious, env, learner, Path("unused"), seed=0, sampling=0, test_epsilon=0.0)


def sac(env: VectorEnv, network: SoftActorCritic, device: torch.device) -> OffPolicy:
    learner = SAC(network, SAC_SETTINGS, env.spec.action, 0, device)
    return OffPolicy(SAC_SETTINGS, None, env, learner, Path("unused"), seed=0, sampling=0, test_epsilon=0.0)


def run(learner: Learner, steps: int) -> list[dict[str, float]]:
    """Figures of all updates."""
    theta, figures = np.full(len(learner.env.spec.milestones), 0.5), []
    for _ in range(steps):
        learner.begin()
        figures += learner.learn()
        learner.finish(theta)
    figures += learner.learn_last()
    return figures


def compare(make_env, make_network, make_learner, away, steps) -> None:
    """The same learner on both devices: what it learns, and how it goes on from what it saved."""
    results = []
    for device in (CPU, away):
        torch.manual_seed(0)
        env = make_env()
        env.reset(0)
        learner = make_learner(env, make_network(env.spec.layout, env.spec.action), device)
        figures = run(learner, steps)
        learner.load_state_dict(*saved(learner))
        figures += run(learner, steps)
        assert len(figures) > 2
        learner.player(env, 0).advance()
        results.append([torch.tensor(list(each.values())) for each in figures])
        learner.close()
        env.close()
    same(*results)


def saved(learner: Learner):
    """What a checkpoint holds, as it comes back: on the CPU."""
    parts = learner.state_dict()
    parts.get("replay", {})["segments"] = []
    return torch.utils._pytree.tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, parts), {}


def probe(name: str, rows: int = 8):
    make, config, _, _ = ALL_PROBES[name]
    return lambda: make(config, rows, seed=0)


def generic(algo: str):
    return lambda layout, action: policy_registry.make_policy("generic", layout, action, "slim", algo)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("truncated_walk", lambda *spec: TinyActorCritic(*spec, False)),
        ("memory", lambda *spec: TinyActorCritic(*spec, True)),
        ("truncated_walk", lambda *spec: TinyActorCritic(*spec, True)),
        ("truncated_walk", Stacking),
        ("pair", generic("ppo")),
    ],
    ids=["memoryless", "recurrent", "recurrent, cut", "histories", "generic"],
)
def test_ppo(away, name, network):
    compare(probe(name), network, ppo, away, 14)


@pytest.mark.parametrize("network", [TinyPolicy, Forgetful])
@pytest.mark.parametrize("name", ["truncated_walk", "memory"])
def test_dqn(away, name, network):
    compare(probe(name), network, dqn, away, 24)


def test_sac(away):
    compare(probe("target"), generic("sac"), sac, away, 24)


@pytest.mark.parametrize(("algo", "learner"), [("ppo", ppo), ("dqn", dqn), ("sac", sac)])
def test_a_learner_of_pictures(away, algo, learner):
    kind = {"actions": "discrete"} if algo == "dqn" else {}

    def arenas() -> VectorEnv:
        pictures = {"observation": "image", "image_size": 20, "frame_skip": 6, "max_steps": 48}
        return env_registry.make("dodge", 4, num_workers=0, **pictures, **kind)

    compare(arenas, generic(algo), learner, away, 24)


@pytest.mark.parametrize("game", env_registry.TABLE)
def test_a_game(away, game):
    described = env_registry.resolve(game)

    def network(layout, action):
        return policy_registry.make_policy(described.network, layout, action, "slim")

    options = {"map_size": 128, "num_maps": 1} if game == "territory" else {}
    learner, steps = (ppo, 14) if described.learners[0] == "ppo" else (dqn, 40)
    compare(lambda: env_registry.make(game, 2, num_workers=0, **options), network, learner, away, steps)


def test_draws_begin_anew_where_a_generator_of_another_device_was_saved():
    drawn = []
    for saved in (torch.arange(16, dtype=torch.uint8), torch.arange(16, dtype=torch.uint8), torch.zeros(16).byte()):
        env = probe("bandit")()
        env.reset(0)
        torch.manual_seed(0)
        learner = ppo(env, TinyActorCritic(env.spec.layout, env.spec.action, False), CPU)
        parts = learner.state_dict()
        parts["collector"]["generator"] = saved  # a GPU's have 16 bytes
        learner.load_state_dict(parts, {})
        drawn.append(torch.rand(8, generator=learner.generator))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
