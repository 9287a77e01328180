"""Steps a second: the bare emulators, the environments, acting, learning, and all of it together.

    python -m benchmarks.sps --env pokemon_red --json

Everything that is compared runs in one process tree in turns (A B B A ...), so that a machine whose speed drifts drifts
for both sides. One JSON object a line, a table without `--json`.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.bare import RAW, BarePokemonRed
from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.base import VectorEnv
from puffer_envs.pokemon_red.config import Config
from puffer_envs.workers import WorkerPool
from training import machine
from training.background import BackgroundLearner
from training.collect import Collector
from training.config import DQNConfig, IntrinsicConfig
from training.dqn import DQN
from training.intrinsic import RND
from training.replay import SequenceReplay

TURN_S = 0.5
# Decisions of bare emulation in one call. Of 16, the pool's own time and the waiting of one worker for another vanish
# among them; of 1, both are as they are for the environments.
FREE, LOCKSTEP = 16, 1


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="pokemon_red", choices=sorted(env_registry.TABLE))
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-workers", type=int, default=env_registry.usable_cores())
    parser.add_argument("--seconds", type=float, default=3.0, help="for each part")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--torch-threads", type=int, default=max(1, min(env_registry.usable_cores() // 2, 4)))
    parser.add_argument("--rom", default=None, help="a ROM of your own")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    machine.prepare(args.torch_threads)
    if not args.json:
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    for row in measure(args):
        print(json.dumps(row) if args.json else as_text(row), flush=True)


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
    spec = env_registry.module(args.env).spec(config)
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


def spread(reference: dict[str, list[float]], ours: dict[str, list[float]]) -> dict[str, float]:
    """Our speed over the reference's, turn by turn: median, least and most."""
    turns = zip(reference["steps"], reference["seconds"], ours["steps"], ours["seconds"], strict=True)
    ratios = [(our_steps / our_time) / (steps / seconds) for steps, seconds, our_steps, our_time in turns]
    return {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def learning_rows(pool: WorkerPool, args: argparse.Namespace, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Acting and storing, learning, and both together as the command does it."""
    collector, learner, replay = make_learner(pool, common["model_size"], torch.device(args.device))
    sampling, config = np.random.default_rng(0), learner.dqn.config
    sequences = config.batch_size // config.sequence
    theta = np.full(len(pool.spec.milestones), 0.5)

    def collect() -> int:
        collector.begin()
        return int(collector.finish(theta).alive.sum())

    def learn() -> int:
        learner.start(replay.sample(sequences, sampling))
        learner.take()
        return config.batch_size

    def train() -> int:
        collector.begin()
        nonlocal debt
        debt += pool.num_agents
        while debt >= config.batch_size:
            debt -= config.batch_size
            learner.take()
            learner.start(replay.sample(sequences, sampling))
        return int(collector.finish(theta).alive.sum())

    debt = 0
    common = common | {"threads": args.num_workers, "torch_threads": args.torch_threads, "device": args.device}
    for _ in range(40):  # something to sample
        collect()
    for part, work in (("collect", collect), ("learner", learn), ("train", train)):
        yield row(common, part, timed(work, args.seconds))
    learner.close()


def make_learner(
    env: VectorEnv, size: str, device: torch.device
) -> tuple[Collector, BackgroundLearner, SequenceReplay]:
    """What train_big would build, with a replay that is small enough to be quick to make."""
    torch.manual_seed(0)
    env.reset(0)
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    layout = env.spec.layout
    policy = policy_registry.make_policy(env_registry.entry(env.spec.name).policy, layout, 7, size)
    learner, intrinsic = DQNConfig(), IntrinsicConfig()
    dqn, rnd = DQN(policy, learner, device), RND(env.num_agents, policy.feature_size, intrinsic, device)
    length = learner.burn_in + learner.sequence + learner.n_step
    frames = layout[policy.history_field].span
    replay = SequenceReplay(
        50_000, env.num_agents, layout.size, frames, policy.history, policy.state_size, length, device=device
    )
    collector = Collector(env, dqn.acting, replay, rnd, learner, intrinsic, 0, device)
    return collector, BackgroundLearner(dqn, rnd), replay


# -- timing ----------------------------------------------------------------------------------------------------------
def timed(work: Callable[[], int], seconds: float) -> dict[str, list[float]]:
    """Steps and seconds of one long turn, after a warm-up of two."""
    work()
    work()
    return _turn({"steps": [], "seconds": []}, work, seconds)


def in_turns(first: Callable[[], int], second: Callable[[], int], seconds: float) -> tuple[dict, dict]:
    """Steps and seconds of both, in turns A B B A."""
    works = (first, second)
    totals: tuple[dict, dict] = ({"steps": [], "seconds": []}, {"steps": [], "seconds": []})
    for work in works:
        work()
    for turn in range(max(2, round(seconds / TURN_S))):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            _turn(totals[which], works[which], TURN_S)
    return totals


def _turn(total: dict[str, list[float]], work: Callable[[], int], seconds: float) -> dict[str, list[float]]:
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        steps += work()
    total["steps"].append(steps)
    total["seconds"].append(time.perf_counter() - begin)
    return total


# -- output ----------------------------------------------------------------------------------------------------------
def row(common: dict[str, Any], part: str, total: dict[str, list[float]]) -> dict[str, Any]:
    """A machine-readable row."""
    steps, seconds = sum(total["steps"]), sum(total["seconds"])
    head = {"env": common["env"], "part": part}
    return head | common | {"steps": int(steps), "seconds": round(seconds, 3), "sps": round(steps / seconds, 1)}


def as_text(row: dict[str, Any]) -> str:
    """A row for people."""
    name = f"{row['part']} {row.get('model_size', '')}".strip()
    ratio = f"   {row['ratio']:.3f} of {row['reference']}" if "ratio" in row else ""
    return f"{name:>14}  {row['sps']:>10,.0f} steps/s{ratio}"


if __name__ == "__main__":
    sys.exit(main())
