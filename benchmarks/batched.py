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
from puffer_envs.contract.vector_env import VectorEnv
from training.on_policy.runner import OnPolicy
from training.run import cli

DRAWS = 256  # steps of random actions that are drawn beforehand
COPIED_BYTES = 1 << 28  # to measure the memory with: more than any cache holds
WARM_UP = 300  # steps before the clock: environments that are all at the same step of their episodes are no sample
TRAINING = 3_000_000  # decisions, after which a policy finishes nearly all shapes
ORIGINAL_SPS = {"voxel_swarm": 27_000}  # agent-steps a second of the original, one process (the game's spec, A.7)


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part."""
    env = env_registry.make(args.env, args.num_envs)
    env.reset(0)
    common = {"env": args.env, "num_envs": args.num_envs, "agents": env.spec.agents_per_env}
    common |= {"grid_size": env.config.grid_size, "threads": 1} if hasattr(env, "config") else {}
    yield random_row(env, args, common)
    for size in ("slim", "large"):
        yield train_row(args, {**common, "model_size": size})
    yield trained_row(env, args, common)


def random_row(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """Random actions, observations included, beside what writing its arrays alone would take."""
    action = env.spec.action
    draws = np.random.default_rng(0).integers(0, action.parts[0], (DRAWS, *env.actions.shape), dtype=action.dtype)
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


def trained_row(env: VectorEnv, args: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """The actions of a policy that is trained here first, drawn beforehand: only the environment is on the clock."""
    learner = make_learner(args, "slim")
    while learner.ledger.global_step < TRAINING:
        segment(learner)
    env.reset(1)
    player, draws, ended = learner.player(env, 0), [], np.zeros(2, np.int64)
    for _ in range(WARM_UP + DRAWS):
        player.advance()
        draws.append(env.actions.copy())
        ended += env.terminals.sum(), env.truncations.sum()
    total: Total = {"steps": [], "seconds": []}
    begin = time.perf_counter()
    while time.perf_counter() - begin < 2 * args.seconds:
        env.reset(1)  # and the same again: the actions belong to these worlds
        for actions in draws[:WARM_UP]:
            env.step(actions)
        total["seconds"].append(seconds_of(lambda: [env.step(actions) for actions in draws[WARM_UP:]]))
        total["steps"].append(DRAWS * env.num_agents)
    episodes = ended.sum() / env.spec.agents_per_env / len(draws)
    told = {"episodes_a_step": round(episodes, 3), "finished": round(ended[0] / ended.sum(), 3)}
    return row(common, "env_trained", total) | told


def train_row(args: argparse.Namespace, common: dict[str, Any], flags: Sequence[str] = ()) -> dict[str, Any]:
    """PPO as the command does it with more ``flags``, and the shares of its time."""
    learner = make_learner(args, common["model_size"], flags)
    segment(learner)
    segment(learner)  # the first with an update
    busy, stepping, steps = learner.busy_seconds, learner.env_seconds, learner.ledger.global_step
    begin = time.perf_counter()
    while (seconds := time.perf_counter() - begin) < 2 * args.seconds:
        segment(learner)  # whole ones: an update comes once in each
    total: Total = {"steps": [learner.ledger.global_step - steps], "seconds": [seconds]}
    shares = {"update": (learner.busy_seconds - busy) / seconds, "env": (learner.env_seconds - stepping) / seconds}
    # The clock of the environments runs while an update is made: it comes between their order and their answer.
    shares["env"] = max(0.0, shares["env"] - shares["update"])
    shares["act_and_rest"] = 1 - sum(shares.values())
    common = common | {"torch_threads": args.torch_threads, "device": args.device}
    return row(common, "train", total) | {f"share_{name}": round(share, 3) for name, share in shares.items()}


def make_learner(args: argparse.Namespace, size: str, flags: Sequence[str] = ()) -> OnPolicy:
    """What train_big would build."""
    shared = ["--env", args.env, "--num-envs", str(args.num_envs), "--model-size", size]
    config = cli.parse([*shared, *flags])
    env = env_registry.make(config.env, config.num_envs, config.game)
    env.reset(0)
    torch.manual_seed(0)
    network = env_registry.resolve(config.env).network
    policy = policy_registry.build(network, env.spec.layout, env.spec.action, config.policy, config.algo)
    return OnPolicy(config.learner, config.total_steps, env, policy, 0, 0, torch.device(args.device))


def segment(learner: OnPolicy) -> None:
    """A segment of decisions, and the update of the one before."""
    theta = np.zeros(len(learner.env.spec.milestones))
    for _ in range(learner.rollout.num_steps):
        learner.begin()
        for _ in learner.learn():
            pass
        learner.finish(theta)
