"""The platform fighter: matches of random keys, against scripts and beside the slow twin, and PPO."""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.batched import DRAWS, WARM_UP, random_row, train_row
from benchmarks.fighter.twin import FighterTwin
from benchmarks.twins import beside_twin, one_core
from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.kit.process import usable_cores

OPPONENTS = ("learner", "based")
MATCHES_A_CORE = 8  # of the twin on all cores: of 1, 2, 4, 8, 16 and 64 on two of them 16 were fastest
# The large network's 30 steps a decision go through its encoder with their gradients: on a CPU a segment of 128 matches
# and 32 steps takes minutes.
LARGE_ENVS, LARGE_STEPS = 8, 4


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part; a script's row is a fighter that is stepped as any other."""
    common = {"env": args.env, "num_envs": args.num_envs, "agents": 2, "threads": 1}
    for opponent in OPPONENTS:
        env = env_registry.make(args.env, args.num_envs, opponent=opponent)
        env.reset(0)
        yield random_row(env, args, common) | {"opponent": opponent}
        if opponent == "learner":
            yield from twin_rows(env, args, common)
    yield train_row(args, {**common, "model_size": "slim"})
    large = argparse.Namespace(**{**vars(args), "num_envs": LARGE_ENVS, "seconds": args.seconds / 3})
    told = {"num_envs": LARGE_ENVS, "model_size": "large", "num_steps": LARGE_STEPS}
    yield train_row(large, common | told, ["--learner.num-steps", str(LARGE_STEPS)])


def twin_rows(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """As many matches on the very core that ours run on; then as suits it best, on all cores against our one."""
    with one_core():
        yield from _beside(env, args, common, args.num_envs, "the same core")
    yield from _beside(env, args, common, MATCHES_A_CORE * usable_cores(), "all cores")


def _beside(
    env: VectorEnv, args: argparse.Namespace, common: dict[str, Any], num_matches: int, where: str
) -> Iterator[dict[str, Any]]:
    """Both play random keys, and observe."""
    draws = np.random.default_rng(0)
    keys = draws.integers(0, 2, (DRAWS, *env.actions.shape), np.int8)
    pairs = draws.integers(0, 2, (DRAWS, num_matches, 2, 10), np.int8)
    factories = [partial(FighterTwin, i, WARM_UP) for i in range(num_matches)]
    yield from beside_twin(env, args, common, factories, keys, pairs, where)
