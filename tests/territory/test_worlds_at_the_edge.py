"""Worlds at the edge of what can be played, and what a savestate does not hold."""

import numpy as np
import pytest

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.territory.env import Territory
from puffer_envs.territory.world import KIND
from tests.territory.test_world import at_war
from tests.territory.worlds import board, field, listed, put, territory, world_of


def test_a_snapshot_knows_where_the_dead_look(tmp_path) -> None:
    """Where they looked last is in no snapshot."""
    env = territory(tmp_path, np.ones((384, 384), np.uint8), num_agents=2, num_bots=1)
    owner = np.zeros((384, 384), int)
    owner[200:300, 200:300], owner[350:359, 350:359], owner[350:359, 359:370] = 1, 2, 3
    put(env, owner, troops=[0, 10, 10, 50_000], **listed((3, 2, 30_000.0), slots=12, seed=355 * 384 + 358))
    for _ in range(5):
        env.step(np.array([40, 40]))
    assert env.state.tiles[0, 2] == 0
    fresh = Territory(env.config, 1, seed=5, num_threads=1)
    fresh.reset()
    fresh.restore(0, env.snapshot(0))
    for each in (env, fresh):
        each.step(np.array([40, 40]))
    assert np.array_equal(field(env, 1, "local"), field(fresh, 1, "local"))


def test_where_the_dead_look_does_not_depend_on_the_former_game(tmp_path) -> None:
    """The same world, loaded after two different games."""
    seen = []
    for corner in (0, 300):
        env = territory(tmp_path, np.ones((384, 384), np.uint8), num_agents=2, num_bots=1)
        owner = np.zeros((384, 384), int)
        owner[corner : corner + 9, corner : corner + 9], owner[20:29, 20:29] = 2, 1
        put(env, owner)
        put(env, np.where(owner == 1, 1, 0))
        seen.append(field(env, 1, "local").tobytes())
    assert seen[0] == seen[1]


def test_queued_tiles_without_entries_are_refused(tmp_path) -> None:
    """They would stay queued for ever: an attack's end takes entries out, and the next games would differ."""
    env, fresh = at_war(tmp_path), at_war(tmp_path)
    world = world_of(env)
    slots = np.zeros((2000, 2), int)
    slots[:, 1] = np.arange(2000) + 6000
    world["queued"] = slots.astype(np.int32)
    world["entries"] = world["entries"][:0]
    with pytest.raises(StateFileError):
        env.load_state(0, state_file.pack(KIND, world))
    for each in (env, fresh):
        each.reset(seed=3)
        assert not each.state.queued.any()


@pytest.mark.parametrize("troops", [1e9, 1e300])
def test_too_many_troops_are_refused_or_become_few(tmp_path, troops) -> None:
    env = territory(tmp_path, win_share=1.0)
    try:
        put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20)), troops=[0, troops, 100, 0])
    except StateFileError:
        return
    for _ in range(3):
        env.step(np.array([40]))
    assert np.isfinite(env.state.troops).all()
    assert (env.state.troops >= 0).all()


def test_bots_of_impossible_temper_are_refused(tmp_path) -> None:
    """A bot that keeps less than nothing back sends more troops than it has: troops below 0, then NaN."""
    env = territory(tmp_path, win_share=1.0)
    bots = np.zeros((4, 7), int)
    bots[:, 0], bots[2, 4] = 1, -1000
    try:
        put(env, board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20)), bots=bots)
    except StateFileError:
        return
    for _ in range(3):
        env.step(np.array([40]))
    assert np.isfinite(env.state.troops).all()
    assert (env.state.troops >= 0).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("tick", np.array(np.inf)), ("map", np.array(np.inf)), ("fruitless", np.array([np.nan, np.inf]))],
)
def test_arrays_of_other_kinds_are_refused(tmp_path, name, value) -> None:
    env = at_war(tmp_path)
    before, world = env.snapshot(0), world_of(env)
    world[name] = value
    with pytest.raises(StateFileError):
        env.load_state(0, state_file.pack(KIND, world))
    assert env.snapshot(0) == before
