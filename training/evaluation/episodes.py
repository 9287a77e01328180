"""Evaluation: whole episodes on environments and random numbers of their own."""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Interval

from puffer_envs.contract.records import Episode
from puffer_envs.contract.vector_env import LEARNER, VectorEnv
from training.common.acting import Player
from training.common.ledger import facts


@dataclass(frozen=True)
class EvaluationConfig:
    """Episodes from a new game, on environments and random numbers of their own."""

    interval: Annotated[int, Ge(0)] = 250_000
    """Decisions between two evaluations; 0 is off."""
    episodes: Annotated[int, Ge(1)] = 20
    """Episodes each."""
    max_steps: Annotated[int, Ge(0)] = 1_024
    """Step cap of an episode; 0: the game's own."""
    epsilon: Annotated[float, Interval(ge=0, le=1)] = 0.05
    """Share of random actions of a Q-network: a deterministic emulator would play one episode over and over."""
    idle_frames: Annotated[int, Ge(0)] = 63
    """An emulator's episodes begin after 0 to this many idle frames."""


class Evaluation(NamedTuple):
    """What a batch of evaluation episodes came to."""

    episodes: list[Episode]  # one for each environment; its first agent speaks for all
    returns: list[float]  # of each episode: the game's own reward, mean over the agents that no opponent played
    mean_return: float
    interval: float  # half width of the 95% interval of the mean
    mean_length: float
    reached: dict[str, float]  # share of the episodes that reached each milestone
    facts: dict[str, float]  # means of the game's own figures at the ends

    def figures(self, prefix: str = "eval") -> dict[str, float]:
        """Flat names and values for the log."""
        head = {"return": self.mean_return, "return_95": self.interval, "length": self.mean_length}
        figures = head | self.facts | {f"reached/{name}": share for name, share in self.reached.items()}
        return {f"{prefix}/{name}": value for name, value in figures.items()}


def play_episodes(
    make_player: Callable[[VectorEnv, int], Player],
    env: VectorEnv,
    max_steps: int,
    seed: int,
    stop: Callable[[], bool] = lambda: False,
    worlds: bool = False,
    places: Collection[str] = (),
    seats: Sequence[int] = (),
) -> Evaluation | None:
    """Play one episode in each environment of `env` and no more.

    Args:
        make_player: who plays in ``env``, from a seed.
        env: as many environments as episodes are wanted.
        max_steps: cap of an episode; 0: the game's own.
        stop: asked at every step whether to break off.
        worlds: whether the episodes shall carry their last worlds.
        places: facts of an episode that are no figures (`Game.places`).
        seats: who plays each agent (`VectorEnv.set_next_seats`), where not as the game's settings say.

    Returns:
        the episodes that were played to their end, or None if there are none.
    """
    agents = env.spec.agents_per_env
    for index in range(env.num_envs if seats else 0):
        env.set_next_seats(index, seats)
    env.reset(seed)
    env.keep_episodes(True, worlds)
    env.poll_episodes()
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    player = make_player(env, seed)
    done: dict[int, Episode] = {}
    lost = np.zeros(env.num_agents, np.bool_)  # their worker died, and takes what it played with it
    for step in range(max_steps) if max_steps else itertools.count():
        if stop():
            return None
        if step == max_steps - 1:
            env.request_reset(np.ones(env.num_envs, np.bool_))  # the cap: what has not ended ends here
        player.advance()
        env.poll_events()
        lost |= ~env.masks
        for episode in env.poll_episodes():
            if not lost[episode.row]:
                done.setdefault(episode.row, episode)
        if len(done.keys() | set(np.flatnonzero(lost).tolist())) == env.num_agents:
            break
    whole = [row for row in range(0, env.num_agents, agents) if all(row + i in done for i in range(agents))]
    if not whole:
        return None
    returns = [np.mean(_returns([done[row + i] for i in range(agents)])) for row in whole]
    return summarise([done[row] for row in whole], np.array(returns, np.float64), env, places)


def _returns(agents: list[Episode]) -> list[float]:
    """Of the agents of one environment that no opponent played, or of the first."""
    learners = [each for each in agents if each.seat == LEARNER]
    return [float(each.term_returns.sum()) for each in learners or agents[:1]]


def summarise(episodes: list[Episode], returns: np.ndarray, env: VectorEnv, places: Collection[str] = ()) -> Evaluation:
    """Means over episodes and their returns, float64 [E]; the interval is 1.96 standard errors."""
    reached = np.array([episode.reached >= 0 for episode in episodes]).reshape(len(episodes), -1).mean(axis=0)
    told = [facts(episode, places) for episode in episodes]
    return Evaluation(
        episodes=episodes,
        returns=returns.tolist(),
        mean_return=float(returns.mean()),
        interval=float(1.96 * returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else float("inf"),
        mean_length=float(np.mean([episode.length for episode in episodes])),
        reached={milestone.name: float(x) for milestone, x in zip(env.spec.milestones, reached, strict=True)},
        facts={name: float(np.mean([each[name] for each in told])) for name in told[0]},
    )


def frames_of_episode(
    make_player: Callable[[VectorEnv, int], Player],
    env: VectorEnv,
    steps: int,
    seed: int,
    seats: Sequence[int] = (),
    frame_skip: int = 1,
) -> Iterator[np.ndarray]:
    """Pictures of one episode of a single environment, uint8 [H, W, 3] each.

    Args:
        steps: at most so many decisions, 0: all.
        frame_skip: steps that a decision lasts, each of which is shown.
    """
    if seats:
        env.set_next_seats(0, seats)
    env.reset(seed)
    env.want_states(np.zeros(len(env.spec.milestones), np.bool_))
    player = make_player(env, seed)
    yield env.render(0)
    for _ in range(steps) if steps else itertools.count():
        with torch.inference_mode():
            actions = player.decide()
        for _ in range(frame_skip):
            player.step(actions)
            if (env.terminals | env.truncations).any():
                return
            yield env.render(0)


def evaluation_seed(purpose: int, index: int, seed: int) -> int:
    """Seed of the n-th evaluation or video of a run: outside the training streams, the same after a resume."""
    return int(np.random.SeedSequence(seed, spawn_key=(2, purpose, index)).generate_state(1)[0])
