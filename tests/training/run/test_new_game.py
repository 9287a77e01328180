"""A game of a few lines that says only what it must runs like those of the house."""

import csv
import json
from typing import NamedTuple

import numpy as np
import pytest
from gymnasium import spaces

import train_big
from puffer_envs import registry
from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.game import Game
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from training import evaluate
from training.telemetry.records import read_jsonl

LENGTH = 8  # decisions of an episode


class Config(NamedTuple):
    edge: float = 0.5


def spec(config: Config) -> EnvSpec:
    return EnvSpec("toy", ObsLayout(np.float32, ("number", (1,))), spaces.Discrete(2), {"right": 1.0})


class Toy(BatchedEnv):
    """Say whether a number is above the edge: 1 for a right answer, eight times."""

    def __init__(self, config: Config, num_envs: int, **options) -> None:
        super().__init__(spec(config), num_envs, **options)
        self.config = config
        self.numbers = np.zeros((num_envs, 1), np.float32)

    def act(self) -> None:
        self.right = self.actions == (self.numbers[:, 0] > self.config.edge)
        for env in range(self.num_envs):
            self.numbers[env] = rng.uniform(self.rng[env])

    def score(self) -> None:
        self.reward_terms[:, 0] = self.right

    def finish(self) -> None:
        self.terminals[:] = self.episode_step + 1 >= LENGTH

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = self.numbers[rows]

    def begin(self, env: int, state: bytes | None) -> None:
        rng.fresh_key(self.rng[env])
        self.numbers[env] = rng.uniform(self.rng[env])

    def write_world(self, env: int) -> bytes:
        return self.numbers[env].tobytes()

    def read_world(self, env: int, world: bytes) -> None:
        self.numbers[env] = np.frombuffer(world, np.float32)


GAME = Game(name="toy", Config=Config, spec=spec, make=Toy)


@pytest.fixture
def flags(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.setitem(registry.TABLE, "toy", f"{__name__}:GAME")
    where = ["--runs-dir", str(tmp_path / "runs"), "--savestates-dir", str(tmp_path / "savestates")]
    intervals = ["--log-interval", "2048", "--save-interval", "8192", "--evaluation.interval", "8192"]
    size = ["--num-envs", "16", "--model-size", "slim", "--torch-threads", "1", "--evaluation.episodes", "8"]
    learner = ["--learner.num-steps", "16", "--learner.learning-rate", "5e-3", "--learner.gamma", "0.5"]
    return ["--env", "toy", "--run-name", "one", *where, *intervals, *size, *learner]


def test_a_game_without_milestones_columns_or_network_is_learned(flags, tmp_path, capsys):
    assert train_big.main([*flags, "--total-steps", "16384"]) == 0
    folder = tmp_path / "runs" / "one"
    lines = read_jsonl(folder / "metrics.jsonl")
    first, last = (line for line in lines if "eval/return" in line)
    assert first["eval/length"] == last["eval/length"] == LENGTH
    assert last["eval/return"] > 7  # by chance 4
    header, *rows = csv.reader((folder / "episodes.csv").open())
    assert header[header.index("savestate_tag") + 1] == "start_step_global"  # no column of its own
    assert len(rows) == 16384 // LENGTH
    assert not (folder / "positions.csv").exists()
    assert "reached" not in (folder / "train.log").read_text()

    assert train_big.main([*flags, "--total-steps", "18432", "--resume"]) == 0
    assert read_jsonl(folder / "metrics.jsonl")[-1]["step"] == 18432
    capsys.readouterr()
    assert evaluate.main(["--run", "one", "--runs-dir", str(tmp_path / "runs"), "--episodes", "4", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["actions"] for row in rows] == ["drawn", "likeliest"]
    for row in rows:
        assert (row["test"], row["episodes"], row["length"]) == ("", 4, LENGTH)
        assert row["return_95"] == pytest.approx(1.96 * row["return_std"] / 2)


def test_what_it_cannot_do_is_one_sentence(flags, tmp_path, capsys):
    assert train_big.main([*flags, "--preset", "document"]) == 2
    assert "there is no preset 'document' for toy" in capsys.readouterr().err
    assert train_big.main([*flags, "--algo", "dqn"]) == 2
    assert "toy learns with --algo ppo, not with dqn" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
