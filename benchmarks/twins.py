"""Our environments beside their slow twins in Gymnasium's `AsyncVectorEnv`, in turns, doing the same work."""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from benchmarks.batched import iter_forever
from benchmarks.timing import in_turns, row, spread
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.kit.process import usable_cores


def beside_twin(
    env: VectorEnv,
    args: argparse.Namespace,
    common: dict[str, Any],
    factories: Sequence[Callable[[], gymnasium.Env]],
    ours: np.ndarray,
    theirs: np.ndarray,
    where: str,
) -> Iterator[dict[str, Any]]:
    """A row of the twins and one of our environments.

    Args:
        factories: of each twin, for its worker process.
        ours: actions of our steps, [steps, N, ...], which are played again and again; theirs: those of the twins.
        where: the twins run, in words.
    """
    twins = AsyncVectorEnv(factories, autoreset_mode=AutoresetMode.SAME_STEP)
    agents = env.spec.agents_per_env
    try:
        twins.reset()
        our_actions, their_actions = iter_forever(ours), iter_forever(theirs)

        def our_step() -> int:
            env.step(next(our_actions))
            return env.num_agents

        def twin_step() -> int:
            twins.step(next(their_actions))
            return agents * len(factories)

        slow, fast = in_turns(twin_step, our_step, 2 / 3 * args.seconds)
    finally:
        twins.close()
    twin = row(common | {"num_envs": len(factories), "threads": usable_cores()}, "twin", slow)
    yield twin
    reference = f"slow twin in AsyncVectorEnv, {len(factories)} environments on {where}"
    yield row(common, "env", fast) | {"bound_sps": twin["sps"], **spread(slow, fast), "reference": reference}


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
