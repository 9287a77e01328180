"""The platform fighter: matches of random keys, against scripts and beside the slow twin, and PPO."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from benchmarks.batched import DRAWS, WARM_UP, iter_forever, random_row, train_row
from benchmarks.fighter.twin import FighterTwin
from benchmarks.timing import in_turns, row, spread
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


# -- the slow twin in gymnasium's AsyncVectorEnv -----------------------------------------------------------------------
def twin_rows(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """As many matches on the very core that ours run on; then as suits it best, on all cores against our one."""
    with one_core():
        yield from beside_twin(env, args, common, args.num_envs, "the same core")
    yield from beside_twin(env, args, common, MATCHES_A_CORE * usable_cores(), "all cores")


def beside_twin(
    env: VectorEnv, args: argparse.Namespace, common: dict[str, Any], num_matches: int, where: str
) -> Iterator[dict[str, Any]]:
    """The twin and our environments in turns; both play random keys, and observe."""
    factories = [partial(FighterTwin, i, WARM_UP) for i in range(num_matches)]
    twin = AsyncVectorEnv(factories, autoreset_mode=AutoresetMode.SAME_STEP)
    try:
        twin.reset()
        draws = np.random.default_rng(0)
        keys = iter_forever(draws.integers(0, 2, (DRAWS, *env.actions.shape), np.int8))
        pairs = iter_forever(draws.integers(0, 2, (DRAWS, num_matches, 2, 10), np.int8))

        def our_step() -> int:
            env.step(next(keys))
            return env.num_agents

        def twin_step() -> int:
            twin.step(next(pairs))
            return 2 * num_matches

        theirs, ours = in_turns(twin_step, our_step, 2 / 3 * args.seconds)
    finally:
        twin.close()
    slow = row(common | {"num_envs": num_matches, "threads": usable_cores()}, "twin", theirs)
    yield slow
    reference = f"slow twin in AsyncVectorEnv, {num_matches} matches on {where}"
    yield row(common, "env", ours) | {"bound_sps": slow["sps"], **spread(theirs, ours), "reference": reference}


@contextmanager
def one_core() -> Iterator[None]:
    """This process and those that it starts share a core, where the system lets them be bound to one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
