"""Games that step all rows in one process: the environment beside the memory's speed, and PPO."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.timing import Total, row, timed
from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.base import VectorEnv
from training import cli
from training.on_policy import OnPolicy

DRAWS = 256  # steps of random actions that are drawn beforehand
COPIED_BYTES = 1 << 28  # to measure the memory with: more than any cache holds
WARM_UP = 300  # steps before the clock: environments that are all at the same step of their episodes are no sample
ORIGINAL_SPS = {"voxel_swarm": 27_000}  # agent-steps a second of the original, one process (the game's spec, A.7)


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part."""
    env = env_registry.make(args.env, args.num_envs)
    env.reset(0)
    common = {"env": args.env, "num_envs": args.num_envs, "agents": env.spec.agents_per_env}
    common |= {"grid_size": env.config.grid_size, "threads": 1} if hasattr(env, "config") else {}
    yield random_row(env, args, common)
    yield building_row(env, args, common)
    for size in ("slim", "large"):
        yield from learning_rows(args, {**common, "model_size": size})


def random_row(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """Random actions, observations included, beside what writing its arrays alone would take."""
    draws = np.random.default_rng(0).integers(0, env.spec.action_space.n, (DRAWS, env.num_agents), dtype=np.int32)
    steps = iter_forever(draws)

    def step() -> int:
        env.step(next(steps))
        return env.num_agents

    for _ in range(WARM_UP):
        step()
    bound = memory_bound(env)
    ours = row(common, "env", timed(step, args.seconds))
    told = {"bound_sps": round(bound), "ratio": ours["sps"] / bound, "reference": "writing the outputs"}
    original = ORIGINAL_SPS.get(args.env)
    return ours | told | ({"over_original": ours["sps"] / original} if original else {})


def memory_bound(env: VectorEnv) -> float:
    """Agent-steps a second if nothing was done but to write observations, rewards, terms and ends."""
    # Ones: zeros that nobody has written yet are all one page, which stays in the cache.
    source, target = np.ones(COPIED_BYTES, np.uint8), np.ones(COPIED_BYTES, np.uint8)
    best = min(seconds_of(lambda: np.copyto(target, source)) for _ in range(5))
    arrays = (env.observations, env.rewards, env.reward_terms, env.terminals, env.truncations)
    return COPIED_BYTES / best / (sum(array.nbytes for array in arrays) / env.num_agents)


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def iter_forever(draws: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of an array, again and again."""
    while True:
        yield from draws


def building_row(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """Actions of one who builds; only the environment's steps are on the clock."""
    total: Total = {"steps": [], "seconds": []}
    follow = follower(env)
    begin = time.perf_counter()
    while time.perf_counter() - begin < 2 * args.seconds:
        actions = follow(env.observations)
        total["seconds"].append(seconds_of(lambda actions=actions: env.step(actions)))  # type: ignore[misc]
        total["steps"].append(env.num_agents)
    return row(common, "env_building", total)


def follower(env: VectorEnv) -> Callable[[np.ndarray], np.ndarray]:
    """Follows the scent, places where it ends, picks up with empty hands; 6 actions in 80 are random moves."""
    layout, rng = env.spec.layout, np.random.default_rng(1)
    faces = [4, 14, 22, 12, 16, 10]  # places in the patch of the cells that actions 0 to 5 lead to
    place, pick = 6, 7

    def choose(rows: np.ndarray) -> np.ndarray:
        scent = layout.raw(rows, "scent")[:, faces].astype(np.int32) * 8 + rng.integers(0, 8, (len(rows), 6))
        carrying, distance = layout.raw(rows, "carrying")[:, 0] > 0, layout.raw(rows, "distance")[:, 0]
        actions = np.where(carrying, np.where(distance == 0, place, scent.argmax(axis=1)), pick)
        noise = rng.integers(0, 80, len(rows))
        return np.where(noise < place, noise, actions).astype(np.int32)

    return choose


def learning_rows(
    args: argparse.Namespace, common: dict[str, Any], flags: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Collecting, updating, and both as the command does it with more ``flags``."""
    shared = ["--env", args.env, "--num-envs", str(args.num_envs), "--model-size", common["model_size"]]
    config = cli.parse([*shared, *flags])
    device = torch.device(args.device)
    env = env_registry.make(config.env, config.num_envs, config.game)
    env.reset(0)
    torch.manual_seed(0)
    network = env_registry.entry(config.env).policy
    policy = policy_registry.build(network, env.spec.layout, int(env.spec.action_space.n), config.policy)
    learner, theta = OnPolicy(config, env, policy, 0, 0, device), np.zeros(len(env.spec.milestones))
    common = common | {"torch_threads": args.torch_threads, "device": args.device}

    def segment() -> None:
        for _ in range(config.learner.num_steps):
            learner.begin()
            for _ in learner.learn():
                pass
            learner.finish(theta)

    segment()
    segment()  # the first with an update
    busy, stepping, steps = learner.busy_seconds, learner.env_seconds, learner.ledger.global_step
    begin = time.perf_counter()
    while (seconds := time.perf_counter() - begin) < 2 * args.seconds:
        segment()  # whole ones: an update comes once in each
    total: Total = {"steps": [learner.ledger.global_step - steps], "seconds": [seconds]}
    shares = {"update": (learner.busy_seconds - busy) / seconds, "env": (learner.env_seconds - stepping) / seconds}
    # The clock of the environments runs while an update is made: it comes between their order and their answer.
    shares["env"] = max(0.0, shares["env"] - shares["update"])
    shares["act_and_rest"] = 1 - sum(shares.values())
    yield row(common, "train", total) | {f"share_{name}": round(share, 3) for name, share in shares.items()}
