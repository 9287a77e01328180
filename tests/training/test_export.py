"""Exported policies act as the trained ones, in onnxruntime and as programs: every network, and the command."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium import spaces

import train_big
from policies import registry as policy_registry
from policies.protocol import Network, QNetwork, SoftActorCritic
from puffer_envs import registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from tests.policies.test_platform_fighter import rows_of
from tests.test_train_big import ROOT
from training import evaluate, export
from training.common.exported import Exported, trace
from training.common.history import History
from training.on_policy.runner import ActorCriticPlayer
from training.run import cli
from training.store import checkpoint

CPU = torch.device("cpu")
BYTES = ObsLayout(np.uint8, ("flags", (5,), 1), ("cells", (2, 4), 2, 0.5), ("grey", (3,), 4), ("level", (2,), 8, 0.01))
TWO = ObsLayout(np.float32, ("own", (32,)), ("opponent", (32,)))
SCREENS = ObsLayout(np.uint8, ("level", (2,), 8, 0.01), ("gray", (1, 37, 40), 8, 1 / 255), ("flags", (5,), 1))
COLOUR = ObsLayout(np.uint8, ("rgb", (3, 19, 26), 8, 1 / 255))


class Case(NamedTuple):
    """A network and what its rows are."""

    network: str
    layout: ObsLayout
    action: ActionSpec
    options: Mapping[str, Any] = MappingProxyType({})
    memory: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("logits", "action", "value")
    algo: str | None = None


def generic(space: spaces.Space, *outputs: str, **told) -> Case:
    told = {"layout": BYTES, "outputs": outputs or Case._field_defaults["outputs"]} | told
    return Case("generic", action=ActionSpec.of(space), **told)


def of_pictures(space: spaces.Space, algo: str, *outputs: str, layout: ObsLayout = SCREENS, **options) -> Case:
    return generic(space, *outputs, layout=layout, algo=algo, options=options, memory=("history",))


def of_game(name: str, settings: dict | None = None, **told) -> Case:
    game = registry.resolve(name)
    spec = game.spec(registry.configure(name, **settings or {}))
    return Case(game.network, spec.layout, spec.action, **told)


KEYS = ActionSpec.of(spaces.MultiBinary(10))
PLANES = spaces.Box(-0.4, np.array([[0.1, 2.0]], np.float32))
NUMBERS = ("mean", "log_std", "action")
CASES = {
    "discrete": generic(spaces.Discrete(4)),
    "parts": generic(spaces.MultiDiscrete([3, 2, 5])),
    "keys": generic(spaces.MultiBinary((2, 3))),
    "box": generic(PLANES, *NUMBERS, "value"),
    "soft": generic(PLANES, *NUMBERS, algo="sac"),
    "pictures": of_pictures(spaces.Discrete(4), "ppo"),
    "colour pictures that move": of_pictures(spaces.Discrete(4), "ppo", layout=COLOUR, frame_stack=2, motion=True),
    "q of pictures": of_pictures(spaces.Discrete(4), "dqn", "q", "action", convolutions="nature"),
    "q of pictures that move": of_pictures(spaces.Discrete(4), "dqn", "q", "action", frame_stack=1, motion=True),
    "soft, pictures": of_pictures(PLANES, "sac", *NUMBERS),
    "soft, pictures that move": of_pictures(PLANES, "sac", *NUMBERS, convolutions="nature", motion=True),
    "voxel_swarm": of_game("voxel_swarm"),
    "territory": of_game("territory", {"build": True}, options={"history": 3}, memory=("history",)),
    "platform_fighter": Case("platform_fighter", TWO, KEYS, memory=("state", "history")),
    "pokemon_red": of_game("pokemon_red", memory=("state", "history"), outputs=("q", "action")),
}


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def network_of(case: Case) -> Network:
    """With weights of which none is zero, and actions that are no near ties."""
    network = policy_registry.make_policy(case.network, case.layout, case.action, "slim", case.algo, **case.options)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return network


def rows_for(case: Case, steps: int, batch: int) -> torch.Tensor:
    if case.layout.dtype == np.uint8:
        return torch.randint(0, 256, (steps, batch, case.layout.size), dtype=torch.uint8)
    return rows_of(steps, batch, frames=1)[:, :, 0]


@torch.no_grad()
def decisions(network: Network, case: Case, rows: torch.Tensor, starts: torch.Tensor) -> list[dict[str, np.ndarray]]:
    """As learners and players of a run make them: histories from the ring, states handed on."""
    history = History(rows.shape[1], network, case.layout)
    state, decided = torch.zeros(rows.shape[1], network.state_size), []
    for row, start in zip(rows, starts, strict=True):
        shown = history.push(row, start)
        if isinstance(network, QNetwork):
            q, state = network.step(network.encode(row, shown), state, start)
            outputs, actions = {"q": q}, q.argmax(-1)
        elif isinstance(network, SoftActorCritic):
            drawn = network.act(network.encode(shown))
            outputs, actions = {"mean": drawn.mean, "log_std": drawn.log_std}, drawn.mode()
        else:
            drawn, value, state = network.step(shown, state, start)
            outputs, actions = {"value": value}, drawn.mode()
            outputs |= {
                name: getattr(drawn, name).expand(len(row), -1) for name in case.outputs if hasattr(drawn, name)
            }
        decided.append({name: output.numpy() for name, output in outputs.items()})
        decided[-1] |= {"action": case.action.to_env(actions.numpy()), "next_state": state.numpy()}
    return decided


class Session:
    """A reader who has numpy, onnxruntime and the file."""

    def __init__(self, model: bytes) -> None:
        self.session = onnxruntime.InferenceSession(model)
        told = self.session.get_modelmeta().custom_metadata_map
        self.memory, self.inputs = json.loads(told["memory"]), json.loads(told["inputs"])

    def begin(self, batch: int) -> None:
        inputs = {name: self.inputs[name] for name in self.memory}
        self.kept = {name: np.zeros((batch, *each["shape"][1:]), each["dtype"]) for name, each in inputs.items()}

    def step(self, rows: np.ndarray, start: np.ndarray) -> dict[str, np.ndarray]:
        names = [output.name for output in self.session.get_outputs()]
        answers = self.session.run(names, {"observation": rows, "episode_start": start, **self.kept})
        outputs = dict(zip(names, answers, strict=True))
        self.kept = {name: outputs[following] for name, following in self.memory.items()}
        return outputs


def model_of(case: Case, network: Network) -> bytes:
    traced = trace(Exported(network, case.layout, case.action))
    described = {"inputs": export.described(traced.inputs), "memory": {name: f"next_{name}" for name in case.memory}}
    return export.to_onnx(traced, described | {"version": "1"})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_file_decides_as_the_network(case):
    network = network_of(case)
    session = Session(model_of(case, network))
    for batch in (1, 5):
        rows = rows_for(case, 6, batch)
        starts = torch.rand(6, batch) < 0.3
        starts[0], starts[3] = True, torch.arange(batch) % 2 == 0
        session.begin(batch)
        for row, start, wanted in zip(rows, starts, decisions(network, case, rows, starts), strict=True):
            outputs = session.step(row.numpy(), start.numpy())
            assert {*outputs} == {*case.outputs, *(f"next_{name}" for name in case.memory)}
            for name in {*outputs} - {"next_history"}:
                assert outputs[name].dtype == wanted[name].dtype
                np.testing.assert_allclose(outputs[name], wanted[name], rtol=1e-4, atol=2e-5, err_msg=name)
            if case.action.kind != "box":
                np.testing.assert_array_equal(outputs["action"], wanted["action"])
    assert len(np.unique(outputs[case.outputs[0]])) > 1, "all numbers are the same"


# -- the command -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A run of a few updates, and its policy as a file."""
    folder = tmp_path_factory.mktemp("export")
    where = ["--runs-dir", str(folder / "runs"), "--savestates-dir", str(folder / "savestates")]
    size = ["--num-envs", "2", "--model-size", "slim", "--learner.num-steps", "8", "--learner.learning-rate", "5e-3"]
    steps = ["--total-steps", "1600", "--log-interval", "800", "--save-interval", "800", "--evaluation.interval", "0"]
    flags = ["--env", "voxel_swarm", "--run-name", "one", *where, *size, *steps, "--torch-threads", "1"]
    assert train_big.main(flags) == 0
    out = folder / "policy.onnx"
    assert export.main(["--run", "one", "--runs-dir", str(folder / "runs"), "--out", str(out)]) == 0
    return folder


def test_the_file_plays_as_the_runs_own_player(small_run):
    session = Session((small_run / "policy.onnx").read_bytes())
    parser = evaluate._parser()
    config = evaluate.load_settings(small_run / "runs" / "one", ["--env.max-steps", "12"], parser)
    path = evaluate.find_checkpoint(small_run / "runs" / "one", "newest", config)
    env = registry.make("voxel_swarm", 2, config.game, seed=3)
    env.reset(3)
    player = evaluate.load_player(config, path, True, CPU)(env, 0)
    assert isinstance(player, ActorCriticPlayer)
    session.begin(env.num_agents)
    ended, taken = 0, set()
    for _ in range(40):
        start = player.acting.episode_start.copy()
        wanted = session.step(env.observations.copy(), start)["action"]
        player.advance()
        np.testing.assert_array_equal(env.actions, wanted)
        ended += int(start.sum())
        taken |= {*wanted.tolist()}
    env.close()
    assert ended >= 2 * env.num_agents
    assert len(taken) > 1


def test_the_readmes_example_plays(small_run, monkeypatch):
    env = registry.make("voxel_swarm", 1, seed=3)
    played = []

    def play(actions: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        if actions is None:
            env.reset(3)
            return env.observations.copy(), np.ones(env.num_agents, np.bool_)
        played.append(actions)
        env.step(actions)
        return env.observations.copy(), env.terminals | env.truncations

    monkeypatch.chdir(small_run)
    text = (ROOT / "README.md").read_text().split("## A trained policy as one file", 1)[1]
    exec(text.split("```python", 1)[1].split("```", 1)[0], {"play": play})
    env.close()
    assert len(played) == 100


def test_what_the_file_says_of_itself(small_run):
    told = onnxruntime.InferenceSession(small_run / "policy.onnx").get_modelmeta().custom_metadata_map
    spec = registry.resolve("voxel_swarm").spec(registry.configure("voxel_swarm"))
    assert (told["game"], told["run"], told["step"], told["algorithm"]) == ("voxel_swarm", "one", "1600", "ppo")
    observation, action = json.loads(told["observation"]), json.loads(told["action"])
    assert (observation["dtype"], observation["size"]) == ("uint8", spec.layout.size)
    for field, wanted in zip(observation["fields"], spec.layout, strict=True):
        assert type(wanted)(**field | {"shape": tuple(field["shape"])}) == wanted
    assert (action["kind"], action["parts"]) == ("discrete", [*spec.action.parts])
    assert action["distribution"] == "Categorical"
    assert "frames" not in action  # of a game that says of no setting how long a step lasts
    assert tuple(json.loads(told["texts"])) == spec.texts
    assert json.loads(told["outputs"])["logits"]["shape"] == ["batch", *spec.action.parts]


def test_the_file_says_how_long_an_action_is_held(tmp_path):
    config = cli.parse(["--env", "platform_fighter", "--env.frame-skip", "4"])
    spec = registry.resolve("platform_fighter").spec(config.game)
    policy = policy_registry.build("platform_fighter", spec.layout, spec.action, config.policy)
    path = checkpoint.save(tmp_path, 7, {"learner": {"policy": policy.state_dict()}})
    assert export.load(config, "one", path)[1]["action"]["frames"] == 4


def test_a_q_learners_program_plays_as_it_does(tmp_path, capsys):
    """From a checkpoint of drawn weights, as the target and the acting network have others."""
    runs = ["--runs-dir", str(tmp_path)]
    config = cli.parse(["--model-size", "slim", "--run-name", "one", "--env.patience-steps", "5", *runs])
    case = CASES["pokemon_red"]
    networks = {name: network_of(case).state_dict() for name in ("policy", "target", "acting")}
    path = checkpoint.save(tmp_path / "one" / "checkpoints", 7, {"learner": {"algorithm": networks}})
    (tmp_path / "one" / "config.toml").write_text(cli.to_toml(config))
    out = tmp_path / "policy.pt2"
    assert export.main(["--run", "one", *runs, "--checkpoint", "7", "--out", str(out)]) == 0
    assert "next_state: float32 [batch, 512]" in capsys.readouterr().out
    files = {export.METADATA: ""}
    program = torch.export.load(out, extra_files=files).module()
    told = json.loads(files[export.METADATA])
    assert (told["step"], told["algorithm"], told["action"]["distribution"]) == (7, "dqn", "")
    assert told["history"] == {"length": 4, "field": "screen"}

    env = registry.make(config.env, 3, config.game, seed=1, num_workers=0)
    env.reset(1)
    player = evaluate.load_player(config, path, True, CPU)(env, 0)
    inputs = {name: told["inputs"][name] for name in told["memory"]}
    kept = {
        name: torch.zeros(3, *each["shape"][1:], dtype=getattr(torch, each["dtype"])) for name, each in inputs.items()
    }
    starts = 0
    for _ in range(14):
        start = torch.from_numpy(player.acting.episode_start.copy())
        outputs = program(torch.from_numpy(env.observations.copy()), start, kept)
        kept = {name: outputs[following] for name, following in told["memory"].items()}
        player.advance()
        np.testing.assert_array_equal(env.actions, outputs["action"].numpy())
        torch.testing.assert_close(player.acting.state, outputs["next_state"], rtol=1e-4, atol=1e-5)
        starts += int(start.sum())
    env.close()
    assert starts > 3


SAYS = {
    "ppo": ("Gaussian", ["mean", "log_std", "action", "value"]),
    "dqn": ("", ["q", "action"]),
    "sac": ("SquashedGaussian", ["mean", "log_std", "action"]),
}


@pytest.mark.parametrize("algo", SAYS)
def test_the_file_of_each_learner_plays_from_pictures_as_its_player(tmp_path, algo):
    """From a checkpoint of drawn weights, the command, and episodes of a game of pictures."""
    runs = ["--runs-dir", str(tmp_path)]
    env = ["--env", "dodge", "--env.observation", "image", "--env.image-size", "24"]
    fast = ["--env.frame-skip", "6", "--env.max-steps", "60"]
    config = cli.parse([*env, *fast, "--algo", algo, "--model-size", "slim", "--run-name", "one", *runs])
    spec = registry.resolve("dodge").spec(config.game)
    sizes = {"hidden": config.policy.hidden}
    weights = network_of(Case("generic", spec.layout, spec.action, sizes, algo=algo)).state_dict()
    saved = {"policy": weights} if algo == "ppo" else {"algorithm": {"acting": weights}}
    path = checkpoint.save(tmp_path / "one" / "checkpoints", 7, {"learner": saved})
    (tmp_path / "one" / "config.toml").write_text(cli.to_toml(config))
    out = tmp_path / "policy.onnx"
    assert export.main(["--run", "one", *runs, "--out", str(out)]) == 0
    session = Session(out.read_bytes())
    told = session.session.get_modelmeta().custom_metadata_map
    distribution, outputs = SAYS[algo]
    assert (told["algorithm"], json.loads(told["action"])["distribution"]) == (algo, distribution)
    assert [*json.loads(told["outputs"])] == [*outputs, "next_history"]
    assert json.loads(told["history"]) == {"length": 4, "field": ""}

    env = registry.make("dodge", 3, config.game, seed=2, num_workers=0)
    env.reset(2)
    player = evaluate.load_player(config, path, True, CPU)(env, 0)
    session.begin(3)
    starts, said = 0, []
    for _ in range(30):
        start = player.acting.episode_start.copy()
        said.append(session.step(env.observations.copy(), start))
        player.advance()
        assert said[-1]["action"].dtype == env.actions.dtype
        np.testing.assert_allclose(said[-1]["action"], env.actions, rtol=1e-4, atol=1e-5)
        starts += int(start.sum())
    env.close()
    assert starts > 6
    assert len(np.unique([each[outputs[0]] for each in said], axis=0)) > 5


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--run", "one", "--out", "policy.txt"], "--out ends in .onnx or .pt2, not '.txt'"),
        (["--run", "none", "--out", "policy.onnx"], "there is no run"),
        (["--run", "one", "--out", "policy.onnx", "--checkpoint", "5"], "has no checkpoint '5'"),
        (["--run", "one", "--out", "policy.onnx", "--policy.hidden", "32"], "do not fit"),
        (["--run", "one", "--out", "nowhere/policy.pt2"], "nowhere"),
    ],
)
def test_mistakes_are_one_sentence(small_run, tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    assert export.main([*flags, "--runs-dir", str(small_run / "runs")]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_packages_that_are_not_there_are_named(monkeypatch, capsys):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    assert export.main(["--run", "one", "--out", "policy.onnx"]) == 2
    assert "pip install onnxscript" in capsys.readouterr().err
