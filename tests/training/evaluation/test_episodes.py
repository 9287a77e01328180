"""A task that needs a memory is evaluated and filmed with one: kept inside an episode, and none is left of the last."""

import numpy as np
import pytest
import torch
from torch import Tensor

from policies.actions import Categorical, Distribution
from policies.protocol import ActorCritic, Network, QNetwork
from puffer_envs.contract.vector_env import VectorEnv
from tests.probes import PROBES, MemoryConfig
from training.common.acting import Player, Seen
from training.evaluation.episodes import frames_of_episode, play_episodes
from training.off_policy.dqn import QPlayer
from training.on_policy.runner import ActorCriticPlayer

MAKE, CONFIG, SPEC, _ = PROBES["memory"]
LENGTH = MemoryConfig().delay + 2  # decisions: the cue, the blanks, the answer


def recalled(rows: Tensor, state: Tensor, episode_start: Tensor) -> Tensor:
    """The first cue of the episode, float32 [B, 2] one-hot: later ones change nothing, so one of a former episode would
    stand in its way."""
    state = state * ~episode_start[:, None]
    return torch.where(state.any(1, keepdim=True), state, rows[:, :2].float())


class Recalling(ActorCritic):
    """Says the cue that it remembers."""

    state_size = 2

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        state = recalled(rows, state, episode_start)
        return Categorical(100 * state), state.sum(1), state


class RecallingQ(QNetwork):
    """The same in values."""

    state_size, feature_size, num_actions = 2, 3, 2

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        return rows.float()

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        state = recalled(features, state, episode_start)
        return state, state


def actor_critic(env: VectorEnv, seed: int) -> Player:
    return ActorCriticPlayer(env, Recalling(), False, seed, torch.device("cpu"))


def values(env: VectorEnv, seed: int) -> Player:
    return QPlayer(env, RecallingQ(), 0.0, seed, "cpu")


both = pytest.mark.parametrize("make_player", [actor_critic, values])


@both
def test_episodes_are_evaluated_with_memory(make_player):
    env = MAKE(CONFIG, 32)
    for seed in (1, 2):  # the environments are kept between evaluations
        result = play_episodes(make_player, env, 0, seed)
        assert result.returns == [1.0] * 32
        assert result.mean_length == LENGTH


class Still(Player):
    """Does nothing."""

    def choose(self, seen: Seen) -> np.ndarray:
        return np.zeros(self.env.num_agents, np.int32)


def still(env: VectorEnv, seed: int) -> Player:
    network = Network()
    network.state_size = 0
    return Still(env, network, "cpu")


def test_the_first_episode_of_each_environment_counts():
    """Those that end early play on while the others are at it; what they play then is cut by the cap."""
    make, config, _, _ = PROBES["dice"]
    env = make(config, 24)
    result = play_episodes(still, env, 40, 5)
    again = make(config, 24)
    again.reset(5)
    again.keep_episodes(True)
    lengths: dict[int, int] = {}
    player = still(again, 5)
    for step in range(1, 41):
        if step == 40:
            again.request_reset(np.ones(24, np.bool_))
        player.advance()
        for row in np.flatnonzero(again.terminals | again.truncations).tolist():
            lengths.setdefault(row, step)
    assert [episode.length for episode in result.episodes] == [lengths[row] for row in range(24)]
    assert len(set(lengths.values())) > 5


@both
def test_an_episode_is_filmed_with_memory(make_player):
    env = MAKE(CONFIG, 1)
    env.keep_episodes(True)
    cues = set()
    for seed in range(8):
        frames = list(frames_of_episode(make_player, env, 600, seed))
        assert len(frames) == LENGTH  # one before each decision
        (episode,) = env.poll_episodes()
        assert episode.term_returns.tolist() == [1.0]
        cues.add(int(env.actions[0]))
    assert cues == {0, 1}


@both
def test_a_player_forgets_between_episodes_and_never_inside(make_player):
    env = MAKE(CONFIG, 16)
    env.reset(3)
    env.keep_episodes(True)
    player = make_player(env, 0)
    answers = []
    for step in range(1, 4 * LENGTH + 1):
        player.advance()
        assert player.acting.episode_start.tolist() == [step % LENGTH == 0] * 16
        if step % LENGTH == 0:
            answers.append(env.actions.copy())
    returns = [episode.term_returns[0] for episode in env.poll_episodes()]
    assert returns == [1.0] * 64
    assert (np.diff(answers, axis=0) != 0).any(1).all()  # what was right once is wrong for some of the next
