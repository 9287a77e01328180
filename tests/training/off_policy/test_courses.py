"""All that can happen to a row, drawn at random for hundreds of steps, against books that are kept row by row."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.scripted import Script, random_course
from tests.training.test_learning import TinyPolicy
from training.common.intrinsic import IntrinsicConfig
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.runner import OffPolicy

ROWS, STEPS, RESUMED = 5, 950, 640  # the ring of 512 comes round; a segment of 256 is left whole
BONUS = IntrinsicConfig(rnd=0.5, novel=0.25, bayes=0.75, novel_power=1.5)
THETA = np.array([0.375])
SETTINGS = DQNConfig(
    sequence=1, burn_in=0, n_step=2, replay_size=1, learning_starts=100, replay_ratio=0.5, boredom=6, epsilon_ramp=1
)


@dataclass
class Books:
    """What must be known of one row."""

    row: int
    there: bool = True
    active: bool = True
    begins: bool = True  # the next observation begins an episode
    visits: dict[int, int] = field(default_factory=dict)
    bored: int = 0
    returns: float = 0.0
    start_step: int = 0
    records: list[tuple] = field(default_factory=list)  # observation, start, action, reward, terminal, truncated

    def forget(self) -> None:
        self.visits, self.bored = {}, 0

    def decide(self, observation: list[int], env: Script, action: int, surprise: float) -> bool:
        """Enter one step of the environments; whether it is learned from."""
        row, key = self.row, int(env.novelty_keys[self.row])
        there, learned = bool(env.masks[row]), self.active
        ended = bool(env.terminals[row] or env.truncations[row])
        lost, returned = self.there and not there, there and not self.there
        alive = self.there and there
        self.visits[key] = self.visits.get(key, 0) + 1
        self.bored = 0 if self.visits[key] == 1 else self.bored + 1
        reward = float(env.rewards[row]) + 0.5 * surprise + 0.25 * self.visits[key] ** -1.5
        reward += 0.75 * (1 - 0.375) * ((env.clock, row) in env.reached)
        retired = learned and not env.active[row] and not ended
        if alive:
            self.returns += reward
        if alive and learned:
            over = bool(env.terminals[row]) or retired
            self.records.append((observation, self.begins, action, reward, over, False))
            if env.truncations[row]:
                self.records.append((env.final_observations[row].tolist(), False, 0, 0.0, False, True))
        if lost and learned and not self.begins:
            self.records.append((observation, False, 0, 0.0, False, True))
        if (alive and ended) or returned:
            self.forget()
        self.begins = (alive and ended) or not alive
        self.there, self.active = there, bool(env.active[row])
        return alive and learned


def make(course: dict, folder: Path, seed: int = 0) -> OffPolicy:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    env = Script(ROWS, **course)
    dqn = DQN(TinyPolicy(env.spec.layout, env.spec.action), SETTINGS, "cpu")
    return OffPolicy(SETTINGS, BONUS, env, dqn, folder, seed=seed, sampling=seed, test_epsilon=0.0)


def resumed(learner: OffPolicy, course: dict, folder: Path) -> OffPolicy:
    """Another, that was made with another seed and has loaded this one's checkpoint."""
    other, before = make(course, folder, seed=7), learner.env
    files = {path.name: path for path in learner.files()}
    assert files
    other.load_state_dict(deepcopy(learner.state_dict()), files)
    other.env.clock = before.clock
    other.env._draw()
    for name in ("masks", "active", "terminals", "truncations"):
        getattr(other.env, name)[:] = getattr(before, name)
    return other


def follow(learner: OffPolicy, books: list[Books]) -> tuple[int, list[int]]:
    """One step of both; how many rows are learned from, and the ids of the episodes that it ended."""
    env, seen = learner.env, learner.env.observations.tolist()
    was_there = [each.there for each in books]
    learner.begin()
    step = learner.finish(THETA)
    actions, surprise = learner.choice.actions.tolist(), learner.surprise.tolist()
    stored = sum(each.decide(seen[row], env, actions[row], surprise[row]) for row, each in enumerate(books))
    told = {each.episode.row: each for each in step.episodes}
    assert sorted(told) == [row for row, was in enumerate(was_there) if was and env.masks[row] and books[row].begins]
    for row, finished in told.items():
        assert finished.total == pytest.approx(books[row].returns, rel=1e-4, abs=1e-4)
        assert (finished.start_step, finished.end_step) == (books[row].start_step, learner.ledger.global_step)
    for each in books:
        if each.begins:
            each.returns, each.start_step = 0.0, learner.ledger.global_step
    return stored, [finished.episode_id for finished in told.values()]


def check(learner: OffPolicy, books: list[Books]) -> None:
    """What the learner knows by now."""
    explorer, ledger = learner.behaviour.explorer, learner.ledger
    for row, each in enumerate(books):
        assert bool(ledger.alive[row]) == each.there
        assert bool(learner.acting.episode_start[row]) == each.begins
        assert ledger.start_step[row] == each.start_step
        if each.there:  # of the others nothing is kept: they begin anew when they are back
            assert learner.curiosity.novelty.visits[row] == each.visits
            assert explorer.bored[row] == each.bored
            assert float(ledger.returns[row] @ ledger.weights) == pytest.approx(each.returns, rel=1e-4, abs=1e-4)
        if each.begins and each.there:
            assert explorer.left[row] == 0


def check_replay(learner: OffPolicy, books: list[Books]) -> None:
    """Every record that the ring still has."""
    replay = learner.replay
    for row, each in enumerate(books):
        assert replay.count[row] == len(each.records)
        for k in range(max(0, len(each.records) - replay.length), len(each.records)):
            observation, start, action, reward, terminal, truncated = each.records[k]
            slot = k % replay.length
            assert replay.rows[row, slot].tolist() == observation
            assert bool(replay.episode_start[row, slot]) == start
            assert int(replay.actions[row, slot]) == action
            assert float(replay.rewards[row, slot]) == pytest.approx(reward, rel=1e-4, abs=1e-5)
            assert (bool(replay.terminal[row, slot]), bool(replay.truncated[row, slot])) == (terminal, truncated)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_books_of_a_random_course(seed, tmp_path):
    course = random_course(seed, ROWS, STEPS)
    learner, books = make(course, tmp_path / "one"), [Books(row) for row in range(ROWS)]
    steps, ids = 0, []
    for clock in range(STEPS):
        if clock == RESUMED:
            learner = resumed(learner, course, tmp_path / "other")
            check_replay(learner, books)
        there, credit = learner.ledger.alive.copy(), learner.credit
        stored, ended = follow(learner, books)
        steps, ids = steps + int((there & learner.env.masks).sum()), ids + ended
        assert learner.ledger.global_step == steps
        assert learner.credit == credit + min(stored, max(0, steps - SETTINGS.learning_starts)) * SETTINGS.replay_ratio
        check(learner, books)
    check_replay(learner, books)
    assert len(set(ids)) == len(ids) == learner.ledger.episodes > 100
    assert any(len(each.records) > learner.replay.length for each in books)  # the ring came round


def test_a_bored_row_explores_more(tmp_path):
    """By the places alone: with four of them, an episode finds the last new one soon."""
    learner = make({}, tmp_path)
    learner.behaviour.explorer.config = replace(SETTINGS, epsilon_base=0.0, epsilon_bored=0.75)
    for _ in range(60):
        learner.begin()
        learner.finish(THETA)
    learner.begin()
    assert learner.behaviour.epsilon.tolist() == [0.75] * ROWS
