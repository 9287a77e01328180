"""The environment around the rules: settings, rewards, ends, threads, pictures and figures."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.territory import env as module
from puffer_envs.territory import rewards
from puffer_envs.territory.config import PRESETS, Config
from puffer_envs.territory.env import HELD, Territory, check, memory_bytes, spec
from puffer_envs.territory.state import LAYOUT
from tests.territory.worlds import (
    EAST,
    ONES,
    PLAINS,
    SOUTH,
    WAIT,
    at,
    board,
    drawn,
    inside,
    lakes,
    listed,
    put,
    scattered,
    term,
    territory,
)

SMALL = Config(map_size=128, num_maps=1, num_bots=2)
WAR = {"num_agents": 2, "num_bots": 3, "build": True, "ticks_per_step": 3}


# -- settings ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": "hard"}, "rules is 'hard'; it can be real or constant"),
        ({"num_agents": 0}, "num_agents is 0; it must be at least 1"),
        ({"num_bots": -1}, "num_bots is -1; it must be at least 0"),
        ({"ticks_per_step": 0}, "ticks_per_step is 0; it must be at least 1"),
        ({"max_ticks": 0}, "max_ticks is 0; it must be at least 1"),
        ({"num_agents": 5, "num_bots": 250}, "num_agents and num_bots make 255 players; they can be at most 254"),
        ({"local_view_size": 64}, "local_view_size is 64; it must be a multiple of 128 up to 2048, or 0"),
        ({"local_view_size": -128}, "local_view_size is -128; it must be a multiple of 128 up to 2048, or 0"),
        ({"win_share": 0.0}, "win_share is 0.0; it must be above 0 and at most 1"),
        ({"win_share": 1.01}, "win_share is 1.01; it must be above 0 and at most 1"),
        ({"win_share": float("nan")}, "win_share is nan; it must be above 0 and at most 1"),
        ({"num_bots": 239}, r"240 players need 12480 tiles of land; the map has \d+ in one"),
        ({"num_maps": 0}, "the number of maps is 0; it must be a whole number from 1 on"),
        ({"map_size": 100}, "a continent cannot have 100 tiles a side"),
        ({"land_share": 1.0}, "the share of land is 1.0; it must lie between 0.05 and 0.95"),
        ({"map_seed": -1}, "the seed is -1; it must be a whole number from 0 on"),
        ({"map": "/nowhere"}, "there is no map /nowhere; give a folder with map.bin and manifest.json"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(options, message) -> None:
    for refuse in (check, Territory):
        with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
            refuse(SMALL._replace(**options))


def test_the_largest_and_least_settings_can_be() -> None:
    check(SMALL._replace(num_agents=54, num_bots=200, land_share=0.95, local_view_size=128, win_share=1.0))
    env = Territory(SMALL._replace(num_bots=0, ticks_per_step=1, max_ticks=1), 2, num_threads=1)
    env.reset(seed=0)
    env.step(np.full(2, WAIT))
    assert env.truncations.all()


def test_presets() -> None:
    assert set(PRESETS) == {"default", "bridge"}
    assert PRESETS["default"] == Config()
    for name, config in PRESETS.items():
        config = config._replace(map_size=128, num_maps=1, num_bots=2)
        check(config)
        env = Territory(config, 1, num_threads=1)
        env.reset(seed=0)
        env.step(np.array([EAST]))
        assert env.state.numbers[0, 0] == config.ticks_per_step
        assert (config.rules, config.ticks_per_step) == (("constant", 1) if name == "bridge" else ("real", 10))
        env.close()


def test_spec() -> None:
    env = Territory(SMALL._replace(num_agents=3, max_ticks=95), 2)
    assert env.spec == spec(env.config)
    assert env.spec.name == module.NAME == "territory"
    assert env.spec.layout is LAYOUT
    assert tuple(env.spec.reward_weights) == rewards.TERMS
    assert env.spec.agents_per_env == 3
    assert [milestone.name for milestone in env.spec.milestones] == list(HELD)
    assert {milestone.deadline for milestone in env.spec.milestones} == {10}  # 95 ticks in steps of 10
    assert (spec(SMALL).action_space.n, spec(SMALL._replace(build=True)).action_space.nvec.tolist()) == (45, [45, 3])
    assert memory_bytes(SMALL, 4) - memory_bytes(SMALL, 3) == memory_bytes(SMALL, 2) - memory_bytes(SMALL, 1) > 1 << 18


# -- rewards and ends --------------------------------------------------------------------------------------------------
def test_rewards_are_weighted(tmp_path) -> None:
    weights = {name: i - 1.5 for i, name in enumerate(ONES)}
    envs = [territory(tmp_path, num_agents=2, ticks_per_step=5, max_ticks=110, **each) for each in (ONES, weights)]
    for env in envs:
        scattered(env, seed=1)
    random, seen = np.random.default_rng(0), 0
    for _ in range(10):
        actions = drawn(random, envs[0])
        for env in envs:
            env.step(actions)
        expected = envs[0].reward_terms * np.array(list(weights.values()))
        np.testing.assert_allclose(envs[1].reward_terms, expected, rtol=1e-6)
        np.testing.assert_allclose(envs[1].rewards, expected.sum(1), rtol=1e-5)
        seen |= expected.any(0)
    assert seen[[0, 1, -1]].all()


@pytest.mark.parametrize(
    ("tick", "factors"),
    [(60, 5), (995, 5), (998, 2 + 3 * 2), (2497, 3 * 2 + 2 * 4), (4999, 4 + 4 * 8), (9000, 5 * 8)],
)
def test_the_rank_is_worth_more_with_time(tmp_path, tick, factors) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=2, ticks_per_step=5, **ONES)
    put(env, board((1, 0, 0, 20, 20), (2, 40, 0, 20, 20), (3, 0, 40, 30, 20)), tick=tick)
    env.step(np.array([WAIT, WAIT]))
    assert term(env, "rank") == pytest.approx([factors * (1 - 2 / 3), 0])  # second and last of three


def test_shares_of_the_armies(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1)
    owner = board((1, 0, 0, 20, 20), (2, 40, 0, 20, 20), (3, 0, 40, 30, 20))
    wars = listed((1, 0, 250.0), (2, 1, 500.0), (1, 3, 250.0), slots=12)
    put(env, owner, troops=[0, 500, 1500, 2000], **wars)
    game, _, _ = inside(env)
    assert [rewards.army(game, player) for player in (1, 2, 3)] == [0.2, 0.4, 0.4]
    put(env, np.zeros((128, 128)))
    assert rewards.army(game, 1) == 0


@pytest.mark.parametrize(
    ("tiles", "options", "is_won"),
    [
        (64 * 90, {}, True),  # 90% of half the map
        (64 * 89, {}, False),
        (64 * 90, {"win_of_land": False}, False),
        (64 * 128, {"win_of_land": False, "win_share": 0.5}, True),
        (64 * 128 - 1, {"win_of_land": False, "win_share": 0.5}, False),
        (64 * 128, {"win_share": 1.0}, True),
    ],
)
def test_enough_land_wins(tmp_path, tiles, options, is_won) -> None:
    classes = PLAINS.copy()
    classes[:, 64:] = 0
    env = territory(tmp_path, classes, num_agents=2, num_bots=1, **({"win_share": 90 / 128} | options))
    env.keep_episodes(True)
    owner = board((1, 0, 0, 64, 128))
    owner[classes > 0] = np.where(np.arange(64 * 128) < tiles, 1, 2)
    put(env, owner)
    env.step(np.array([WAIT, WAIT]))
    assert env.terminals.tolist() == [is_won, is_won]
    assert not env.truncations.any()
    assert term(env, "win") == ([10, 0] if is_won else [0, 0])
    episodes = env.poll_episodes()
    assert [episode.summary["won"] for episode in episodes] == ([True, False] if is_won else [])
    assert [episode.truncated for episode in episodes] == [False] * len(episodes)


def test_the_game_goes_on_for_those_who_are_left_and_ends_with_the_last(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, reward_timeout=-3.0)
    env.keep_episodes(True)
    owner = board((3, 0, 0, 60, 60), (1, 60, 10, 9, 9), (2, 60, 40, 9, 9))
    put(env, owner, troops=[0, 10, 10, 90_000], **listed((3, 1, 30_000.0), slots=12, seed=at(60, 15)))
    eliminated = []
    for _ in range(3):
        env.step(np.array([WAIT, WAIT]))
        eliminated.append(term(env, "eliminated"))
        assert not env.terminals.any()
    assert eliminated == [[-10, 0], [0, 0], [0, 0]]
    assert env.rewards[0] == 0  # nothing of any kind
    owner = np.where(owner == 1, 3, owner)
    put(env, owner, troops=[0, 0, 10, 90_000], **listed((3, 2, 30_000.0), slots=12, seed=at(60, 45)))
    env.step(np.array([WAIT, EAST]))
    assert env.terminals.tolist() == [True, True]
    assert not env.truncations.any()
    assert (term(env, "eliminated"), term(env, "timeout")) == ([0, -10], [0, 0])
    assert [episode.summary["eliminated"] for episode in env.poll_episodes()] == [True, True]


def test_an_eliminated_learner_is_inactive_until_the_next_game(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, max_ticks=64)
    owner = board((3, 0, 0, 60, 60), (1, 60, 10, 9, 9), (2, 60, 40, 9, 9))
    put(env, owner, troops=[0, 10, 10, 90_000], **listed((3, 1, 30_000.0), slots=12, seed=at(60, 15)))
    assert env.active.tolist() == [True, True]
    course = []
    for _ in range(5):
        env.step(np.array([EAST, WAIT]))
        course.append((env.truncations.tolist(), env.active.tolist()))
    assert not env.terminals.any()
    waits = ([False, False], [False, True])  # it plays on, and is asked for actions
    assert course == [waits] * 3 + [([True, True], [True, True]), ([False, False], [True, True])]


def test_a_world_in_which_a_learner_is_eliminated_begins_with_it_inactive(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1)
    put(env, board((3, 0, 0, 60, 60), (2, 60, 40, 9, 9)))
    assert env.active.tolist() == [False, True]
    with pytest.raises(StateFileError):
        env.load_state(0, b"nothing")
    assert env.active.tolist() == [False, True]  # as it was
    put(env, board((1, 0, 0, 60, 60), (2, 60, 40, 9, 9)))
    assert env.active.tolist() == [True, True]


def test_time_runs_out(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, ticks_per_step=5, max_ticks=67, **ONES)
    owner = board((1, 0, 0, 30, 30), (2, 50, 50, 20, 20))
    put(env, owner, tick=60)
    env.step(np.array([WAIT, WAIT]))
    assert not (env.terminals | env.truncations).any()
    assert term(env, "timeout") == [0, 0]
    env.step(np.array([WAIT, WAIT]))  # two ticks are left
    assert env.truncations.tolist() == [True, True]
    assert not env.terminals.any()
    assert (term(env, "rank"), term(env, "timeout")) == ([1, 0], [1, 1])  # twice a half
    put(env, np.full((128, 128), 2), tick=66)  # won at the last moment
    env.step(np.array([WAIT, WAIT]))
    assert env.terminals.tolist() == [True, True]
    assert not env.truncations.any()
    assert (term(env, "win"), term(env, "timeout")) == ([0, 1], [0, 0])


def test_milestones_are_shares_of_the_land(tmp_path) -> None:
    classes = PLAINS.copy()
    classes[:, 100:] = 0  # 12800 tiles
    env = territory(tmp_path, classes, num_agents=2, num_bots=1, win_share=1.0)
    env.want_states(np.ones(5, np.bool_))
    put(env, board((1, 0, 0, 64, 20), (2, 0, 60, 64, 9)), troops=[0, 90_000, 90_000, 0])
    assert env.held_at_start.tolist() == [[True, True, False, False, False], [False] * 5]  # 10% and 4.5%
    events = []
    while env.state.tiles[0, 2] < 700:
        env.step(np.array([WAIT, SOUTH]))
        events += env.poll_events()
    assert [(event.row, event.milestone) for event in events] == [(1, 0)]
    env.load_state(0, events[0].state)
    assert env.state.tiles[0, 2] / 12_800 == pytest.approx(0.05, abs=0.005)
    assert env.held_at_start[1].tolist() == [True, False, False, False, False]


# -- the rest ----------------------------------------------------------------------------------------------------------
def test_threads_change_nothing() -> None:
    config = SMALL._replace(num_agents=2, num_maps=2, max_ticks=40, ticks_per_step=5)
    runs = []
    for threads in (1, 3):
        env = Territory(config, 7, seed=4, num_threads=threads)
        env.reset()
        random, seen = np.random.default_rng(0), []
        for _ in range(20):
            env.step(drawn(random, env))
            names = ("observations", "final_observations", "reward_terms", "terminals", "truncations", "rng")
            seen.append([getattr(env, name).tobytes() for name in names])
        env.close()
        env.close()
        runs.append(seen)
    assert runs[0] == runs[1]


def fingerprint(folder: str | Path) -> str:
    """A hash of all that some steps of a war show."""
    env, random, digest = territory(Path(folder), lakes(4), **WAR), np.random.default_rng(0), hashlib.sha256()
    scattered(env, seed=3)
    for _ in range(2):
        env.step(drawn(random, env))
        digest.update(env.observations.tobytes() + env.reward_terms.tobytes() + env.write_world(0))
    return digest.hexdigest()


def test_same_bytes_compiled_and_plain(tmp_path) -> None:
    (tmp_path / "plain").mkdir()
    program = f"from tests.territory.test_env import fingerprint; print(fingerprint({str(tmp_path / 'plain')!r}))"
    variables = {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.getcwd(), "PYTHONWARNINGS": "error::RuntimeWarning"}
    command = [sys.executable, "-c", program]
    plain = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.strip() == fingerprint(tmp_path)


@pytest.mark.parametrize(("width", "shape"), [(128, (768 + 52, 768, 3)), (256, (384 + 52, 768, 3))])
def test_pictures(tmp_path, width, shape) -> None:
    env = territory(tmp_path, np.ones((128, width), np.uint8), num_envs=2, num_agents=2, build=True)
    owner = np.zeros((128, width), int)
    owner[90:120, 90:120], owner[:20, 100:], owner[90:120, 40:60] = 1, 2, 3
    structures = np.zeros((64, 2), int)
    structures[5] = 1, 100 * width + 100
    before = env.render(1)
    put(env, owner, index=1, structures=structures)
    world = env.write_world(1)
    picture = env.render(1)
    assert (picture.dtype, picture.shape, before.shape) == (np.uint8, shape, shape)
    assert env.write_world(1) == world
    scale = 768 // width
    middles = [picture[y * scale, x * scale].astype(int) for y, x in ((110, 95), (10, 115), (110, 50), (60, 20))]
    assert len({tuple(middle) for middle in middles}) == 4
    assert all(middle[0] > middle[1:].max() + 20 for middle in middles[:2])  # learners are red
    assert picture[100 * scale, 100 * scale].tolist() == [255, 255, 255]  # the city
    assert (picture[: 128 * scale] != before[: 128 * scale]).any()
    assert not np.array_equal(picture[128 * scale :], before[128 * scale :])
    assert env.render(0).tobytes() != picture.tobytes()


def test_summary_and_metrics(tmp_path) -> None:
    env = territory(tmp_path, num_envs=2, num_agents=2, num_bots=1, ticks_per_step=2)
    env.report_interval = 1
    put(env, board((1, 0, 0, 64, 32), (2, 0, 64, 64, 32), (3, 64, 0, 64, 64)), tick=100)
    put(env, board((2, 0, 0, 64, 64)), index=1)
    env.state.fruitless[0, 1] = 7
    told = {"map": env.maps[0].name, "won": False, "eliminated": False, "ticks": 100}
    expected = [
        told | {"land": 0.125, "rank": 2, "fruitless": 0},
        told | {"land": 0.125, "rank": 3, "fruitless": 7},
        told | {"ticks": 60, "eliminated": True, "land": 0, "rank": 2, "fruitless": 0},
    ]
    for row, summary in enumerate(expected):
        assert summary.items() <= env.summary(row).items()
    assert {"land": 0.125, "alive": 2.0, "tick": 80.0, "fruitless": 1.75}.items() <= env.metrics().items()
    env.step(np.full(4, WAIT))
    assert env.infos[0]["tick"] == 82


def test_the_land_at_some_ticks_is_noted(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=1, ticks_per_step=5)
    put(env, board((1, 20, 20, 32, 32), (2, 90, 90, 20, 20)), tick=995, troops=[0, 20_000, 0, 0])
    env.step(np.array([EAST, WAIT]))
    noted = env.state.tiles[0, 1] / 128**2
    assert noted > 1 / 16
    env.restore(0, env.snapshot(0))
    env.step(np.array([EAST, WAIT]))
    summary = env.summary(0)
    assert summary["land_1000"] == noted < summary["land"]
    assert summary["land_2500"] == summary["land_5000"] == summary["land"]
    assert env.summary(1)["land_1000"] == 400 / 128**2


def test_games_are_played_on_all_maps() -> None:
    env = Territory(SMALL._replace(num_maps=3), 24, num_threads=1)
    env.reset(seed=2)
    assert set(env.state.map.tolist()) == {0, 1, 2}
    for index in range(24):
        assert not env.state.owner[index][env.maps[env.state.map[index]].classes.ravel() == 0].any()


def test_worlds_of_lakes_are_no_other_maps(tmp_path) -> None:
    """The size and the land of a map of a file are what its files say."""
    env = territory(tmp_path, lakes(3))
    assert env.rules.land.tolist() == [np.count_nonzero(lakes(3))]
    assert env.rules.enough.tolist() == [pytest.approx(0.8 * np.count_nonzero(lakes(3)))]
