"""Emulated games: the bare emulators, the environments, and Q-learning."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.bare import RAW, BarePokemonRed
from benchmarks.timing import in_turns, row, spread, timed
from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.pokemon_red.config import Config
from puffer_envs.workers.pool import WorkerPool
from training.common.intrinsic import IntrinsicConfig
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.runner import OffPolicy

# Decisions of bare emulation in one call. Of 16, the pool's own time and the waiting of one worker for another vanish
# among them; of 1, both are as they are for the environments.
FREE, LOCKSTEP = 16, 1


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part."""
    pool = make_pool(args)
    try:
        common = {"env": args.env, "num_envs": args.num_envs, "agents": 1}
        yield from emulation_rows(pool, args, common)
        for size in ("slim", "large"):
            yield from learning_rows(pool, args, {**common, "model_size": size})
    finally:
        pool.close()


def make_pool(args: argparse.Namespace) -> WorkerPool:
    """The product's own pool over environments that can also run bare."""
    config = Config(rom=args.rom)
    factory = partial(BarePokemonRed, config, num_threads=1)
    spec = env_registry.resolve(args.env).spec(config)
    return WorkerPool(
        factory, spec, args.num_envs, num_workers=min(args.num_workers, args.num_envs), preload=("pyboy",)
    )


def emulation_rows(pool: WorkerPool, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bare emulation and the environment, in turns."""
    pool.reset(0)
    draws = np.random.default_rng(0)

    def env_step() -> int:
        pool.step(draws.integers(0, 7, pool.num_agents, dtype=np.int32))
        return pool.num_agents

    def raw_steps(decisions: int) -> int:
        pool.step(np.full(pool.num_agents, RAW + 32 * draws.integers(0, 1 << 20) + decisions, np.int32))
        return pool.num_agents * decisions

    common = common | {"threads": args.num_workers}
    for part, decisions in (("raw", FREE), ("raw_lockstep", LOCKSTEP)):
        raw, env = in_turns(partial(raw_steps, decisions), env_step, args.seconds)
        speed = sum(raw["steps"]) / sum(raw["seconds"])
        yield row(common, part, raw) | {"sps_a_core": speed / args.num_workers}
        yield row(common, "env", env) | {"bound_sps": speed, **spread(raw, env), "reference": part}


def learning_rows(pool: WorkerPool, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Acting and storing, learning, and both together as the command does it."""
    learner = make_learner(pool, common["model_size"], torch.device(args.device))
    theta = np.full(len(pool.spec.milestones), 0.5)

    def collect() -> int:
        learner.begin()
        return int(learner.finish(theta).alive.sum())

    def learn() -> int:
        settings = learner.settings
        learner.updates.start(learner.replay.sample(settings.batch_size // settings.sequence, learner.sampling))
        learner.updates.take()
        return settings.batch_size

    def train() -> int:
        learner.begin()
        for _ in learner.learn():
            pass
        return int(learner.finish(theta).alive.sum())

    common = common | {"threads": args.num_workers, "torch_threads": args.torch_threads, "device": args.device}
    for _ in range(40):  # something to sample
        collect()
    for part, work in (("collect", collect), ("learner", learn), ("train", train)):
        learner.credit = 0.0
        yield row(common, part, timed(work, args.seconds))
    learner.close()


def make_learner(env: VectorEnv, size: str, device: torch.device) -> OffPolicy:
    """What train_big would build, with a replay that is small enough to be quick to make."""
    torch.manual_seed(0)
    env.reset(0)
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    network = env_registry.resolve(env.spec.name).network
    policy = policy_registry.make_policy(network, env.spec.layout, env.spec.action, size)
    settings = DQNConfig(replay_size=50_000, learning_starts=0)
    dqn = DQN(policy, settings, device)
    return OffPolicy(settings, IntrinsicConfig(), env, dqn, Path(), seed=0, sampling=0, test_epsilon=0.0)
