"""Starts are counted as they are played, against a swarm that plays them and keeps its own books."""

import copy
from pathlib import Path

import numpy as np
import pytest

from curriculum import CurriculumManager, sampling
from curriculum.starts import RECENT_STARTS
from puffer_envs.contract.records import FailedStart
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, TABLE, event, fill, make_manager, world

TIERS = {milestone.name: milestone.tier for milestone in TABLE}


class Swarm:
    """Environments that do with their orders what real ones do, and the loop that stands between them and the manager.

    New games take four times as long as others. Workers are lost, and play on from what was queued.
    """

    def __init__(self, manager: CurriculumManager, num_envs: int, seed: int, losses: float = 0.0) -> None:
        self.manager, self.num_envs, self.losses = manager, num_envs, losses
        self.rng = np.random.default_rng(seed)
        self.queued: list[str | None] = [None] * num_envs
        self.left = np.zeros(num_envs, np.int64)
        self.away = np.zeros(num_envs, np.int64)  # steps until a worker is back
        self.broken: set[str] = set()  # states that cannot be loaded
        self.played: list[str] = []  # kinds of all that was played
        self.failures: list[FailedStart] = []

    def begin(self, env: int) -> None:
        state_id, self.queued[env] = self.queued[env], None
        if state_id in self.broken:
            self.failures.append(FailedStart(env, state_id, "broken"))
            state_id = None
        kind = "new" if state_id is None else TIERS[state_id.split("_")[0]]
        self.played.append(kind)
        self.left[env] = self.rng.integers(1, 40 if kind == "new" else 10)

    def start(self) -> None:
        for env in range(self.num_envs):
            self.queued[env] = self.manager.next_start(env)
        for env in range(self.num_envs):
            self.begin(env)
        self.settle(list(range(self.num_envs)))

    def step(self, now: int, reached: int | None = None) -> None:
        was_away = self.away > 0
        self.away[was_away] -= 1
        lost = ~was_away & (self.rng.random(self.num_envs) < self.losses)
        self.away[lost] = 3
        self.left -= 1
        present = self.away == 0
        began = np.flatnonzero(present & (was_away | (self.left <= 0))).tolist()
        for env in began:
            self.begin(env)
        if reached is not None:
            self.manager.on_event(event(reached, now % self.num_envs, world(now)), now)
        self.settle(began)
        for env, state_id in self.manager.pull(np.flatnonzero(present).tolist()).items():
            self.queued[env], self.left[env] = state_id, 0

    def settle(self, began: list[int]) -> None:
        """`train_big.steer`."""
        for failure in self.failures:
            self.manager.on_failure(failure)
        self.failures.clear()
        for env in began:
            self.manager.on_begin(env)
        for state_id in self.manager.drain_evicted():
            self.queued = [None if queued == state_id else queued for queued in self.queued]
        for env in began:
            self.queued[env] = self.manager.next_start(env)

    def agrees(self) -> None:
        manager = self.manager
        assert (manager.starts.played, manager.starts.new_games) == (len(self.played), self.played.count("new"))
        recent = self.played[-RECENT_STARTS:]
        mix = {kind: recent.count(kind) / len(recent) for kind in ("new", *sampling.TIERS)}
        assert manager.spawn_mix() == pytest.approx(mix)


@pytest.mark.parametrize("num_envs", [1, 8, 64])
def test_of_what_is_played_a_quarter_is_new_games_at_any_time(folder: Path, num_envs: int) -> None:
    manager = make_manager(folder)
    fill(manager, DOOR, FIELD, CAVE, CROWN)
    swarm = Swarm(manager, num_envs, seed=3)
    swarm.start()
    new, at = 0, 0
    for now in range(1000, 2000):
        swarm.step(now)
        swarm.agrees()
        for kind in swarm.played[at:]:
            at, new = at + 1, new + (kind == "new")
            assert at < num_envs or new >= at / 4  # the first ones begin together
    assert new < (0.30 if num_envs < 64 else 0.27) * at


@pytest.mark.parametrize("mode", ["mixture", "frontier"])
def test_pulls_evictions_failures_and_losses_are_counted_as_they_are_played(folder: Path, mode: str) -> None:
    manager = make_manager(folder, mode=mode, keep_per_milestone=2, refresh_steps=5)
    swarm = Swarm(manager, 16, seed=4)
    swarm.start()
    for now in range(1000, 3000):
        reached = {1100: DOOR, 1300: FIELD, 1500: CAVE, 1700: CROWN}.get(now, DOOR if now % 7 == 0 else None)
        if now == 2000:
            swarm.broken = set(manager.ids())
        swarm.step(now, reached)
        swarm.agrees()
    assert manager.starts.new_games >= 0.25 * manager.starts.played
    assert len({*swarm.played}) == 4


def test_a_pull_overrides_what_was_queued(folder: Path) -> None:
    """The issue's own case: the start that the pull overrides was counted, and never played."""
    manager = make_manager(folder)
    swarm = Swarm(manager, 8, seed=5)
    swarm.start()
    swarm.step(10, reached=CAVE)
    swarm.step(11)
    swarm.agrees()
    assert swarm.played.count("mid") == 4


def test_a_lost_worker_plays_on_from_what_was_queued(folder: Path) -> None:
    manager = make_manager(folder)
    fill(manager, DOOR, FIELD, CAVE)
    swarm = Swarm(manager, 8, seed=6, losses=0.02)
    swarm.start()
    for now in range(1000, 2000):
        swarm.step(now, {1200: CROWN}.get(now))
        swarm.agrees()


def test_what_is_queued_is_in_the_checkpoint(folder: Path) -> None:
    manager = make_manager(folder)
    fill(manager, DOOR, FIELD, CAVE)
    swarm = Swarm(manager, 8, seed=7)
    swarm.start()
    for now in range(1000, 1300):
        if now == 1100:
            checkpoint = copy.deepcopy(swarm.manager.state_dict())
            swarm.manager = make_manager(folder, seed=99)
            swarm.manager.load_state_dict(checkpoint)
        swarm.step(now)
        swarm.agrees()
