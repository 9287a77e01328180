"""What the runner stores, record by record, of a scripted environment; and evaluations that disturb nothing."""

import os
import signal
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.protocol import Network
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.records import Episode, Event
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.workers.pool import WorkerPool
from tests.probes import PROBES
from tests.training.test_learning import TinyPolicy, collect, make_learner
from training.common.acting import Player, Seen
from training.common.intrinsic import IntrinsicConfig
from training.evaluation.episodes import evaluation_seed, play_episodes
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.runner import OffPolicy

ROWS = 3
THETA = np.full(8, 0.5)  # of more milestones than any probe has


class Script(VectorEnv):
    """At step 3 row 0 is truncated, row 1 ends and row 2 loses its worker, which is back at step 5."""

    def __init__(self):
        spec = EnvSpec("script", ObsLayout(np.uint8, ("clock", (1,)), ("row", (1,))), spaces.Discrete(2), {"pay": 1.0})
        super().__init__(spec, ROWS)
        self.clock = 0
        self.reset()

    def reset(self, seed=None):
        self.observations[:, 0] = 0
        self.observations[:, 1] = np.arange(ROWS)
        return self.observations, []

    def send(self, actions):
        self.clock += 1
        self.observations[:, 0] = self.clock
        self.final_observations[:, 0] = 100 + self.clock
        self.rewards[:] = self.clock
        self.terminals[:] = self.truncations[:] = False
        if self.clock == 3:
            self.truncations[[0, 2]] = True
            self.terminals[1] = True
            self.masks[2] = False
        self.masks[2] |= self.clock == 5
        self.rewards[~self.masks] = 0

    def recv(self):
        return ()

    def poll_events(self):
        return [Event(1, 0, self.clock, None)] if self.clock == 2 else []

    def poll_episodes(self):
        if self.clock != 3:
            return []
        return [Episode(row, 3, row == 0, np.ones(1), None, np.zeros(1), np.zeros(1), {}) for row in (0, 1)]

    def keep_episodes(self, keep, worlds=False):
        pass


SETTINGS = DQNConfig(replay_size=192, sequence=2, burn_in=1, n_step=1)


def make(intrinsic: IntrinsicConfig) -> OffPolicy:
    torch.manual_seed(0)
    env = Script()
    dqn = DQN(TinyPolicy(env.spec.layout, env.spec.action), SETTINGS, "cpu")
    return OffPolicy(SETTINGS, intrinsic, env, dqn, Path("unused"), seed=0, sampling=0, test_epsilon=0.0)


def test_every_record_is_where_it_belongs():
    learner = make(IntrinsicConfig(rnd=0.0, novel=0.0, bayes=0.5))
    steps = []
    for _ in range(6):
        learner.begin()
        steps.append(learner.finish(np.array([0.25])))
    replay = learner.replay
    clocks = [replay.rows[row, : replay.count[row], 0].tolist() for row in range(ROWS)]
    cut = [replay.truncated[row, : replay.count[row]].tolist() for row in range(ROWS)]
    first = [replay.episode_start[row, : replay.count[row]].tolist() for row in range(ROWS)]
    # Truncated at the third step: its final observation (103) closes the episode, the next record begins another.
    assert clocks[0] == [0, 1, 2, 103, 3, 4, 5]
    assert cut[0] == [False, False, False, True, False, False, False]
    assert first[0] == [True, False, False, False, True, False, False]
    # Terminal: nothing closes it.
    assert clocks[1] == [0, 1, 2, 3, 4, 5]
    assert replay.terminal[1, :6].tolist() == [False, False, True, False, False, False]
    # Lost at the third step: closed where it was last seen; back at the fifth, whose observation begins an episode.
    assert clocks[2] == [0, 1, 2, 5]
    assert cut[2] == [False, False, True, False]
    assert first[2][-1]
    # The milestone of row 1 in step 2 pays .5 x (1 - .25) beside the game's 2.
    assert replay.rewards[1, 1] == pytest.approx(2 + 0.375)
    assert learner.ledger.global_step == 6 * ROWS - 3
    assert [step.alive.tolist() for step in steps[2:5]] == [[True, True, False]] * 3
    assert [np.flatnonzero(step.began).tolist() for step in steps] == [[], [], [0, 1], [], [2], []]
    assert steps[4].returned.tolist() == [False, False, True]


def test_decisions_that_are_not_stored_earn_no_updates():
    learner = make(IntrinsicConfig(rnd=0.0))
    learner.settings = replace(SETTINGS, learning_starts=0, replay_ratio=2.0)
    learner.env.active[1] = False
    learner.begin()
    learner.finish(np.array([0.25]))
    assert learner.credit == 2.0 * (ROWS - 1)


class Idle(Player):
    """Does nothing, and is asked when it thinks that episodes begin."""

    def choose(self, seen: Seen) -> np.ndarray:
        return np.zeros(ROWS, np.int32)


def test_a_player_begins_anew_where_a_worker_is_away_or_just_back():
    network = Network()
    network.state_size = 0
    player, starts = Idle(Script(), network, "cpu"), []
    for _ in range(6):
        player.advance()
        starts.append(player.acting.episode_start.tolist())
    # Rows 0 and 1 end at the third step; row 2 is lost then, away in the fourth and back with the fifth's observation.
    away = [False, False, True]
    assert starts == [[False] * 3, [False] * 3, [True] * 3, away, away, [False] * 3]


def test_finished_episodes_know_their_returns():
    learner = make(IntrinsicConfig(rnd=0.0, novel=0.0, bayes=0.5))
    episodes = []
    for _ in range(4):
        learner.begin()
        episodes += learner.finish(np.array([0.25])).episodes
    assert [finished.episode_id for finished in episodes] == [1, 2]
    assert [finished.returns["env"] for finished in episodes] == [6.0, 6.0]  # 1 + 2 + 3
    assert [finished.total for finished in episodes] == [6.0, 6.375]
    assert len(set(learner.ledger.episode_id.tolist())) == ROWS
    assert learner.ledger.episode_id.min() > 2


def test_it_resumes_exactly():
    ours, theirs = make_learner("dice"), make_learner("dice", seed=7)
    for learner in (ours, theirs):
        learner.close()
    collect(ours, 5)
    parts, rows = deepcopy(ours.state_dict()), [ours.env.snapshot(i) for i in range(ours.env.num_envs)]
    theirs.load_state_dict(parts, {})
    for i, row in enumerate(rows):
        theirs.env.restore(i, row)
    for _ in range(20):
        for learner in (ours, theirs):
            learner.begin()
        np.testing.assert_array_equal(ours.choice.actions, theirs.choice.actions)
        np.testing.assert_array_equal(ours.finish(THETA).total, theirs.finish(THETA).total)


def player_of(learner: OffPolicy) -> Callable[[VectorEnv, int], Player]:
    return lambda env, seed: learner.algorithm.player(env, seed, 0.5)


def test_an_evaluation_is_a_function_of_its_seed():
    learner = make_learner("dice")
    learner.close()
    make_env, config, _, _ = PROBES["dice"]
    play = player_of(learner)
    results = [play_episodes(play, make_env(config, 8, seed=seed), 20, 3) for seed in (0, 1)]
    assert play_episodes(play, make_env(config, 8), 20, 3, stop=lambda: True) is None
    assert results[0].mean_return == results[1].mean_return
    assert len(results[0].episodes) == 8
    assert max(episode.length for episode in results[0].episodes) <= 20
    assert len({evaluation_seed(kind, n, 1) for kind in (0, 1) for n in range(100)}) == 200


def test_an_evaluation_goes_on_without_the_rows_of_a_lost_worker():
    learner = make_learner("dice")
    learner.close()
    make_env, config, make_spec, _ = PROBES["dice"]
    pool = WorkerPool(partial(make_env, config), make_spec(config), 8, num_workers=2)
    steps = 0

    def kill_one_on_the_way() -> bool:
        nonlocal steps
        steps += 1
        if steps == 2:
            os.kill(pool.workers[1].pid, signal.SIGKILL)
        return False

    result = play_episodes(player_of(learner), pool, 20, 3, kill_one_on_the_way)
    pool.close()
    assert {episode.row for episode in result.episodes} >= set(range(4))
    assert len(result.episodes) < 8
