"""The rules against the slow twin, game by game, and what must hold of the state after any step."""

from typing import Any

import numpy as np
import pytest

from puffer_envs.contract import state_file
from puffer_envs.kit import rng
from puffer_envs.territory import rewards
from puffer_envs.territory.config import CONSTANT
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import ATTACKER, BORDER, CITY, ENTRIES, POST, STRUCTURES, TARGET
from puffer_envs.territory.world import KIND
from tests.reference import territory as slow
from tests.territory.worlds import KINDS, ONES, assert_same, drawn, lakes, scattered, territory, twin_of, world_of


# -- what holds after any step -----------------------------------------------------------------------------------------
def neighbours(values: np.ndarray, beyond: Any) -> list[np.ndarray]:
    """Of each tile of [H, W] the values N, E, S and W of it."""
    padded = np.pad(values, 1, constant_values=beyond)
    return [padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2]]


def tiles_of(bits: np.ndarray) -> np.ndarray:
    """Tiles whose bits are set in words of 64."""
    return np.flatnonzero((bits[:, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)).ravel())


def assert_sound(env: Territory, index: int = 0) -> None:
    """Fail where a part of the state says something else than the owners, the queues or the structures."""
    state, classes = env.state, env.maps[env.state.map[index]].classes
    (height, width), players = classes.shape, len(env.state.tiles[index])
    owner = state.owner[index].reshape(classes.shape)
    assert not owner[classes == 0].any()
    counts = np.bincount(owner.ravel(), minlength=players)
    assert len(counts) == players
    assert state.tiles[index, 1:].tolist() == counts[1:].tolist()
    around = zip(neighbours(owner, 0), neighbours(classes > 0, False), strict=True)
    border = (owner > 0) & np.any([is_land & (other != owner) for other, is_land in around], axis=0)
    np.testing.assert_array_equal(tiles_of(state.border[index]), np.flatnonzero(border))
    for player in range(1, players):
        y, x = np.nonzero(owner == player)
        assert state.sums[index, player].tolist() == [x.sum(), y.sum()]
        if x.size:
            left, top, right, bottom = state.box[index, player]
            assert 0 <= left <= x.min()
            assert x.max() <= right < width
            assert 0 <= top <= y.min()
            assert y.max() <= bottom < height
    assert (state.troops[index] % 1 == 0).all()
    for amounts in (state.troops, state.gold, state.force):
        assert np.isfinite(amounts[index]).all()
        assert (amounts[index] >= 0).all()
    dead = np.flatnonzero(counts[1:] == 0) + 1
    assert not state.troops[index, dead].any()
    assert not state.gold[index, dead].any()
    _assert_sound_attacks(env, index, dead)
    kinds, places = state.structures[index].T
    assert state.numbers[index, STRUCTURES] == np.count_nonzero(kinds)
    for kind in (CITY, POST):
        owners = np.bincount(owner.ravel()[places[kinds == kind]], minlength=players)
        assert state.built[index, 1:, kind].tolist() == owners[1:].tolist()


def _assert_sound_attacks(env: Territory, index: int, dead: np.ndarray) -> None:
    attacks, entries = env.state.attacks[index], world_of(env, index)["entries"]
    used = attacks[attacks[:, ATTACKER] > 0]
    assert len(set(map(tuple, used[:, [ATTACKER, TARGET]].tolist()))) == len(used)
    assert (used[:, ATTACKER] != used[:, TARGET]).all()
    assert not np.isin(used[:, ATTACKER], dead).any()
    for slot, attack in enumerate(attacks):
        mine, queued = entries[entries[:, 0] == slot], tiles_of(env.state.queued[index, slot])
        assert attack[ENTRIES] == len(mine)
        assert attack[BORDER] == len(queued)
        assert np.isin(queued, mine[:, 2]).all()
        if attack[ATTACKER] == 0:
            assert (len(mine), env.state.force[index, slot]) == (0, 0)


# -- random games ------------------------------------------------------------------------------------------------------
def play_both(env: Territory, twin: slow.Game, steps: int, seed: int) -> None:
    """Play the same random actions on both sides and compare after every step; until the game is over, at most."""
    random, names = np.random.default_rng(seed), list(env.spec.reward_weights)
    env.keep_episodes(True, worlds=True)
    for _ in range(steps):
        actions = drawn(random, env)
        env.step(actions.ravel() if actions.ndim == 1 else actions)
        twin.step([tuple(each) if env.config.build else each for each in actions.tolist()])
        terms = [[of_one[name] for name in names] for of_one in twin.rewards()]
        np.testing.assert_allclose(env.reward_terms, terms, atol=1e-6, rtol=1e-6)
        assert env.terminals.tolist() == [twin.over and (twin.won or not anybody(twin))] * len(terms)
        assert env.truncations.tolist() == [twin.over and not env.terminals[0]] * len(terms)
        if twin.over:
            assert_same(state_file.unpack(KIND, env.poll_episodes()[0].world), twin)
            return
        assert_same(world_of(env), twin)
        assert env.rng[0].tolist() == twin.rng_row.tolist()
        assert_sound(env)


def anybody(twin: slow.Game) -> bool:
    return any(learner.alive for learner in twin.learners)


CASES = {
    "one against three": {"num_bots": 3, "ticks_per_step": 3},
    "two that build": {"num_agents": 2, "num_bots": 3, "build": True},
    "constant": {"num_agents": 2, "num_bots": 3, "rules": CONSTANT, "win_of_land": False, "ticks_per_step": 3},
    "learners only": {"num_agents": 3, "num_bots": 0, "build": True, "ticks_per_step": 3},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_worlds_at_war_go_on_as_in_the_slow_twin(tmp_path, kind, options) -> None:
    env = territory(tmp_path, KINDS[kind](1), max_ticks=150, **options, **ONES)
    scattered(env, seed=len(kind))
    assert_sound(env)
    play_both(env, twin_of(env), 90, seed=len(kind))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("islands", {"num_agents": 2, "num_bots": 4, "ticks_per_step": 3}),
        ("bridges", {"num_agents": 2, "num_bots": 3, "ticks_per_step": 3, "build": True}),
        ("lakes", {"num_agents": 1, "num_bots": 5, "rules": CONSTANT}),
    ],
    ids=["islands", "bridges", "lakes"],
)
def test_games_go_on_as_in_the_slow_twin_from_their_beginning(tmp_path, kind, options) -> None:
    classes = KINDS[kind](2)
    env = territory(tmp_path, classes, seed=3, max_ticks=400, **options, **ONES)
    stream = rng.streams(3, 0, 1)[0]
    assert rng.randint(stream, 1) == 0  # which map it is
    twin = slow.Game(classes, env.config, stream)
    assert_same(world_of(env), twin)
    play_both(env, twin, 400, seed=1)


@pytest.mark.parametrize(("kind", "build"), [("islands", False), ("bridges", True)])
def test_crowds_die_as_in_the_slow_twin(tmp_path, kind, build) -> None:
    env = territory(tmp_path, KINDS[kind](1), num_agents=3, num_bots=12, ticks_per_step=3, build=build, **ONES)
    scattered(env, seed=5, troops=np.linspace(500, 90_000, 16))
    before = env.state.tiles[0] > 0
    play_both(env, twin_of(env), 110, seed=7)
    assert np.count_nonzero(before & (env.state.tiles[0] == 0)) > 2


def test_crowds_begin_where_the_slow_twin_puts_them(tmp_path) -> None:
    """Sixty on an island and its neighbours: discs overlap, and some have to look for land far from the circle."""
    classes = lakes(5) * (np.hypot(*np.mgrid[-40:88, -64:64]) < 40)
    env = territory(tmp_path, classes, num_agents=2, num_bots=50, max_ticks=10, seed=8)
    stream = rng.streams(8, 0, 1)[0]
    rng.randint(stream, 1)
    twin = slow.Game(classes, env.config, stream)
    assert_same(world_of(env), twin)
    assert env.rng[0].tolist() == twin.rng_row.tolist()
    assert_sound(env)


def test_the_names_of_the_terms_agree(tmp_path) -> None:
    twin = slow.Game(np.ones((128, 128), np.uint8), territory(tmp_path).config, rng.streams(0, 0, 1)[0])
    twin.step([40])
    assert tuple(twin.rewards()[0]) == rewards.TERMS


@pytest.mark.parametrize("action", [-1, -1000, 41, 44, 45, 1_000_000])
def test_what_is_no_direction_waits(tmp_path, action) -> None:
    worlds = []
    for each in (40, action):
        env = territory(tmp_path, num_agents=2)
        scattered(env, seed=1)
        env.step(np.array([each, 7]))
        worlds.append(env.write_world(0))
    assert worlds[0] == worlds[1]
