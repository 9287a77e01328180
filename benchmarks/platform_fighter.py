"""The platform fighter: matches of random keys and against scripts, and PPO."""

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks.batched import random_row, train_row
from puffer_envs import registry as env_registry

OPPONENTS = ("learner", "based")


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part; a script's row is a fighter that is stepped as any other."""
    common = {"env": args.env, "num_envs": args.num_envs, "agents": 2, "threads": 1}
    for opponent in OPPONENTS:
        env = env_registry.make(args.env, args.num_envs, opponent=opponent)
        env.reset(0)
        yield random_row(env, args, common) | {"opponent": opponent}
    for size in ("slim", "large"):
        yield train_row(args, {**common, "model_size": size})
