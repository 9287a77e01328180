"""Dodge: vectors and pictures beside the memory's speed and the slow twin, PPO on both, and the replay of pictures."""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from benchmarks.batched import DRAWS, WARM_UP, iter_forever, memory_bound, train_row
from benchmarks.timing import in_turns, row, spread
from benchmarks.twins import beside_twin, one_core
from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.dodge.env import Dodge
from puffer_envs.kit.rng import streams, uniform
from tests.reference.dodge import WEIGHTS
from tests.reference.dodge import Dodge as Twin
from training.off_policy.replay import SequenceReplay

TWINS = 16
RECORDS, BATCH = 50_000, 256
OBSERVATIONS = ("vector", "image")


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part."""
    for observation in OBSERVATIONS:
        common = {"env": args.env, "num_envs": args.num_envs, "threads": 1, "observation": observation}
        env = env_registry.make(args.env, args.num_envs, observation=observation)
        assert isinstance(env, Dodge)
        env.reset(0)
        yield from random_rows(env, args, common)
        with one_core():
            yield from twin_rows(env, args, common)
    for observation in OBSERVATIONS:
        small = argparse.Namespace(**{**vars(args), "num_envs": 64})
        told = {"env": args.env, "num_envs": 64, "threads": 1, "observation": observation, "model_size": "slim"}
        yield train_row(small, told, ["--env.observation", observation])
    yield from replay_rows(args)


# -- the environment ---------------------------------------------------------------------------------------------------
def random_rows(env: Dodge, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Random actions, observations included, beside writing the arrays alone; and what drawing takes of it."""
    steps = iter_forever(random_actions(env))

    def step() -> int:
        env.step(next(steps))
        return env.num_agents

    def draw() -> int:
        env.observe(env.observations, env.agent_ids)
        return env.num_agents

    for _ in range(WARM_UP):
        step()
    bound = memory_bound(env)
    drawing, stepping = in_turns(draw, step, args.seconds / 2)
    ours = row(common, "env", stepping)
    share = ours["sps"] / row(common, "observe", drawing)["sps"]
    told = {"bound_sps": round(bound), "ratio": ours["sps"] / bound, "reference": "writing the outputs"}
    yield ours | told | {"share_observe": round(share, 3)}


def random_actions(env: VectorEnv) -> np.ndarray:
    """float32 [steps, N, k]."""
    low, high = env.spec.action.bounds
    return np.random.default_rng(0).uniform(low, high, (DRAWS, *env.actions.shape)).astype(np.float32)


class DodgeTwin(gymnasium.Env):
    """One slow game; its module is imported by name in the processes of `AsyncVectorEnv`."""

    def __init__(self, number: int, observation: str) -> None:
        self.game = Twin(observation=observation)
        stream = streams(0, number, 1)[0]
        self.draw = lambda: float(uniform(stream))
        self.game.reset(self.draw)
        seen = self.game.observation()
        self.observation_space = spaces.Box(
            -np.inf if seen.dtype == np.float32 else 0, 255, seen.shape, seen.dtype.type
        )
        self.action_space = spaces.Box(-1, 1, (3,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.game.reset(self.draw)
        return self.game.observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        terms, terminal, truncated = self.game.step(action.tolist())
        return self.game.observation(), float(np.dot(terms, WEIGHTS)), terminal, truncated, {}


def twin_rows(env: Dodge, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The twin on the very core that ours run on."""
    ours = random_actions(env)
    factories = [partial(DodgeTwin, i, env.config.observation) for i in range(TWINS)]
    yield from beside_twin(env, args, common, factories, ours, ours[:, :TWINS], "the same core")


# -- the replay --------------------------------------------------------------------------------------------------------
def replay_rows(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Stacks of four pictures from a full replay beside a plain gather of as many single pictures in NumPy."""
    env = env_registry.make(args.env, TWINS, observation="image")
    spec = env.spec
    network = policy_registry.make_policy(None, spec.layout, spec.action, "slim", "sac")
    replay = SequenceReplay(RECORDS, TWINS, spec, network, 2, stride=1)
    names = ("rows", "actions", "rewards", "episode_start", "terminal", "truncated", "states")
    held = sum(getattr(replay, name).nbytes for name in names)
    random = np.random.default_rng(0)
    replay.rows.copy_(torch.from_numpy(random.integers(0, 256, replay.rows.shape, np.uint8)))
    replay.count[:] = 2 * replay.length + 5  # the ring has come round
    plain = replay.rows.numpy().reshape(-1, spec.layout.size)

    def ours() -> int:
        replay.sample(BATCH, random)
        return BATCH

    def theirs() -> int:  # two stacks of four of each transition
        plain[random.integers(0, len(plain), 8 * BATCH)]
        return BATCH

    gathered, stacked = in_turns(theirs, ours, args.seconds / 2)
    common = {"env": args.env, "num_envs": TWINS, "threads": 1, "records": TWINS * replay.length, "bytes": held}
    bound = row(common, "replay", gathered)
    told = {"bound_sps": bound["sps"], **spread(gathered, stacked), "reference": "eight pictures each by NumPy's take"}
    yield row(common, "replay", stacked) | told
