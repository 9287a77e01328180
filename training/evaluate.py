"""Evaluation: whole episodes from a new game, on environments and random numbers of their own."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from policies.protocol import RecurrentQNetwork
from puffer_envs.base import Episode, VectorEnv
from training.collect import Actor
from training.config import EvaluationConfig


class Evaluation(NamedTuple):
    """What a batch of evaluation episodes came to."""

    episodes: list[Episode]
    mean_return: float  # of the game's own reward
    interval: float  # half width of the 95% interval of the mean
    mean_length: float
    reached: dict[str, float]  # share of the episodes that reached each milestone

    def figures(self) -> dict[str, float]:
        """Flat names and values for the log."""
        head = {"eval/return": self.mean_return, "eval/return_95": self.interval, "eval/length": self.mean_length}
        return head | {f"eval/reached/{name}": share for name, share in self.reached.items()}


def evaluate(
    policy: RecurrentQNetwork,
    env: VectorEnv,
    config: EvaluationConfig,
    seed: int,
    device: torch.device,
    stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Play one episode in each environment of `env` and no more; the policy acts with a small epsilon.

    Args:
        env: as many environments as episodes are wanted, whose own settings hold the idle frames at the start.
        stop: asked at every step whether to break off.

    Returns:
        the episodes that were played to their end, or None if there are none.
    """
    rng = np.random.default_rng(seed)
    env.reset(seed)
    env.keep_episodes(True)
    env.poll_episodes()
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    actor = Actor(env, policy, device)
    done: dict[int, Episode] = {}
    lost = np.zeros(env.num_agents, np.bool_)  # their worker died, and takes what it played with it
    for step in range(config.max_steps):
        if stop():
            return None
        actions = _epsilon_greedy(actor, config.epsilon, rng)
        if step == config.max_steps - 1:
            env.request_reset(np.ones(env.num_envs, np.bool_))  # the cap: what has not ended ends here
        env.step(actions)
        env.poll_events()
        lost |= ~env.masks
        for episode in env.poll_episodes():
            if not lost[episode.row]:
                done.setdefault(episode.row, episode)
        actor.first[:] = env.terminals | env.truncations
        if len(done.keys() | set(np.flatnonzero(lost).tolist())) == env.num_agents:
            break
    if not done:
        return None
    return summarise([done[row] for row in sorted(done)], env)


def _epsilon_greedy(actor: Actor, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    actions, _ = actor.act(actor.to_device(actor.env.observations))
    draws = rng.integers(0, actor.policy.num_actions, len(actions), dtype=np.int32)
    return np.where(rng.random(len(actions)) < epsilon, draws, actions)


def summarise(episodes: list[Episode], env: VectorEnv) -> Evaluation:
    """Means over episodes; the interval is 1.96 standard errors."""
    returns = np.array([episode.term_returns.sum() for episode in episodes], np.float64)
    reached = np.array([episode.reached >= 0 for episode in episodes]).reshape(len(episodes), -1).mean(axis=0)
    return Evaluation(
        episodes=episodes,
        mean_return=float(returns.mean()),
        interval=float(1.96 * returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else float("inf"),
        mean_length=float(np.mean([episode.length for episode in episodes])),
        reached={milestone.name: float(x) for milestone, x in zip(env.spec.milestones, reached, strict=True)},
    )


def rollout(
    policy: RecurrentQNetwork, env: VectorEnv, steps: int, epsilon: float, seed: int, device: torch.device
) -> Iterator[np.ndarray]:
    """Frames of one episode of a single environment, uint8 [H, W, 3] each, at most `steps` decisions."""
    rng = np.random.default_rng(seed)
    env.reset(seed)
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    actor = Actor(env, policy, device)
    yield env.render(0)
    for _ in range(steps):
        env.step(_epsilon_greedy(actor, epsilon, rng))
        if (env.terminals | env.truncations).any():
            return
        yield env.render(0)


def evaluation_seed(purpose: int, index: int, seed: int) -> int:
    """Seed of the n-th evaluation or video of a run: outside the training streams, the same after a resume."""
    return int(np.random.SeedSequence(seed, spawn_key=(2, purpose, index)).generate_state(1)[0])
