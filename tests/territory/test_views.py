"""What learners see: views that are followed tile by tile against views made anew, and both against the slow twin."""

import math
from typing import Any

import numpy as np
import pytest

from puffer_envs.territory.config import Config
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import (
    CITY,
    ENEMIES,
    ENEMY_TROOPS,
    LAYOUT,
    MAX_CHANGES,
    NEUTRAL,
    OWN,
    OWN_TROOPS,
    POST,
    TERRAIN,
    TICK,
)
from tests.reference import territory_views as slow
from tests.territory.worlds import (
    EAST,
    MOST,
    PLAINS,
    WAIT,
    at,
    board,
    drawn,
    field,
    lakes,
    listed,
    put,
    scattered,
    terrain,
    territory,
    twin_of,
)

VIEWS = ("global", "local", "tactical")
PARTS = (*VIEWS, "scalars", "odds", "directions")


# -- against the slow twin ---------------------------------------------------------------------------------------------
def assert_planes(env: Territory, row: int) -> None:
    """Fail unless the three views of a row are what the slow twin pools from the owners."""
    index, learner = divmod(row, env.config.num_agents)
    classes, state, me = env.maps[env.state.map[index]].classes, env.state, learner + 1
    owner = state.owner[index].reshape(classes.shape).astype(int)
    players = range(1, len(state.tiles[index]))
    levels = {player: slow.level(state.troops[index, player], state.tiles[index, player]) for player in players}
    for name, view in zip(VIEWS, env._views, strict=True):
        x, y = view.origin[row].tolist()
        where = (x, y, view.size, view.blocks)
        own, enemies, neutral = slow.block_shares(owner, *where, me, classes > 0)
        strongest = slow.dominant(owner, *where, me)
        own_troops, enemy_troops = slow.troop_planes(own, enemies, strongest, levels[me], levels)
        planes = field(env, row, name)
        expected = {OWN: own, ENEMIES: enemies, NEUTRAL: neutral, OWN_TROOPS: own_troops, ENEMY_TROOPS: enemy_troops}
        for plane, values in expected.items():
            np.testing.assert_array_equal(planes[plane], values, f"{name}, plane {plane}")
        np.testing.assert_array_equal(planes[TERRAIN], terrain_plane(env, index, *where), f"{name}, terrain")


def terrain_plane(env: Territory, index: int, x: int, y: int, size: int, blocks: int) -> np.ndarray:
    """60 for each class above water as a mean over the tiles, none beyond the map; and what is built."""
    classes, edge, beyond = env.maps[env.state.map[index]].classes, size * blocks, 2 * size * blocks
    padded = np.pad(classes.astype(int), beyond)[y + beyond : y + beyond + edge, x + beyond : x + beyond + edge]
    total = padded.reshape(blocks, size, blocks, size).sum((1, 3)) * 60
    plane = (total + size * size // 2) // (size * size)
    for kind, tile in env.state.structures[index].tolist():
        column, row = (tile % classes.shape[1] - x) // size, (tile // classes.shape[1] - y) // size
        if kind and 0 <= column < blocks and 0 <= row < blocks:
            plane[row, column] = max(plane[row, column], {CITY: 255, POST: 220}[kind])
    return plane


def assert_followed(env: Territory, steps: int, seed: int) -> list[int]:
    """Fail unless another environment that makes all anew at each step sees the same.

    Returns:
        how often each of `PARTS`, and the terrain of the whole map, was another one.
    """
    fresh = Territory(env.config, env.num_envs, seed=77, num_threads=1)
    fresh.reset()
    random = np.random.default_rng(seed)
    seen: list[set[bytes]] = [set() for _ in range(len(PARTS) + 1)]
    for i in range(steps):
        for index in range(env.num_envs):
            fresh.restore(index, env.snapshot(index))
        fresh.observations[:] = i  # all of it is to be written
        actions = drawn(random, env)
        env.step(actions)
        fresh.step(actions)
        for part, different in zip(PARTS, seen, strict=False):
            np.testing.assert_array_equal(LAYOUT.raw(fresh.observations, part), LAYOUT.raw(env.observations, part))
            different.add(LAYOUT.raw(env.observations[0], part).tobytes())
        seen[-1].add(field(env, 0, "global")[TERRAIN].tobytes())
        ended = env.terminals | env.truncations
        assert (fresh.final_observations[ended] == env.final_observations[ended]).all()
    return [len(different) - 1 for different in seen]


@pytest.mark.parametrize("size", [128, 256, 384])
def test_what_is_followed_is_what_would_be_made_anew(tmp_path, size) -> None:
    """Blocks of the whole map are one, two and three tiles wide."""
    options = {"num_agents": 2, "num_bots": 4, "ticks_per_step": 5, "max_ticks": 200, "build": True}
    env = territory(tmp_path, np.tile(lakes(size), (size // 128, size // 128)), **options)
    scattered(env, seed=size)
    *changes, _, built = assert_followed(env, 25, seed=size)
    assert min(changes) > 15
    assert built > 2
    assert_planes(env, 1)
    assert_followed(env, 6, seed=size)  # the game ends
    assert env.state.numbers[0, TICK] < 60


def test_several_games_on_maps_that_are_no_squares(tmp_path) -> None:
    env = territory(tmp_path, terrain(1, 128, 256), num_envs=2, num_bots=3, ticks_per_step=5, max_ticks=100)
    for index in range(2):
        scattered(env, seed=index, index=index)
    assert_followed(env, 6, seed=3)
    assert not field(env, 1, "global")[:, 64:].any()  # blocks of 2 x 2 tiles: 64 rows
    for row in range(2):
        assert_planes(env, row)
    assert_followed(env, 10, seed=4)
    assert (env.state.numbers[:, TICK] < 60).all()


def test_more_changes_than_are_written_down(tmp_path) -> None:
    """A bot loses 270 x 270 tiles that another has surrounded, at tick 60 - 3."""
    env = territory(tmp_path, np.ones((384, 384), np.uint8), num_bots=2)
    owner = np.full((384, 384), 2)
    owner[50:320, 50:320], owner[:20, :20] = 3, 1
    put(env, owner, tick=55, troops=[0, 1e3, 3e5, 1e3])
    seen = []
    for _ in range(3):
        assert_followed(env, 1, seed=0)
        seen.append(field(env, 0, "global")[ENEMY_TROOPS].copy())
    assert (env.state.owner[0] == 3).sum() == 0
    assert MAX_CHANGES < 270 * 270
    assert (seen[2] != seen[1])[17:106, 17:106].all()
    assert_planes(env, 0)


# -- where the views lie -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "y", "origin"),
    [
        # The middle less 64, to the nearest 16; within 0 to 256
        (0, 0, (0, 0)),
        (71, 100, (0, 32)),  # 71.5, rounded down, less 64: 7; 36
        (72, 103, (16, 32)),
        (72, 104, (16, 48)),
        (327, 328, (256, 256)),
        (381, 200, (256, 144)),
    ],
)
def test_the_local_view_moves_in_steps(tmp_path, x, y, origin) -> None:
    env = territory(tmp_path, np.ones((384, 384), np.uint8))
    owner = np.zeros((384, 384), int)
    owner[y : y + 2, x : x + 2] = 1
    put(env, owner)
    expected = np.zeros((128, 128), int)
    left, top = x - origin[0], y - origin[1]
    expected[top : top + 2, left : left + 2] = 255
    np.testing.assert_array_equal(field(env, 0, "local")[OWN], expected)


@pytest.mark.parametrize("options", [{"local_view_size": 256}, {}])
def test_the_local_view_of_small_maps_is_the_whole(tmp_path, options) -> None:
    env = territory(tmp_path, terrain(3), **options)
    scattered(env, seed=4)
    assert_planes(env, 0)
    if options:  # blocks of 2 x 2 tiles, and nothing beyond the map
        assert not field(env, 0, "local")[:, 64:].any()
        assert not field(env, 0, "local")[:, :, 64:].any()
        assert field(env, 0, "local")[NEUTRAL].any()
    else:
        np.testing.assert_array_equal(field(env, 0, "local"), field(env, 0, "global"))


@pytest.mark.parametrize("corner", [(0, 0), (127, 0), (0, 127), (127, 127), (64, 127)])
def test_views_at_the_edge_see_nothing_beyond(tmp_path, corner) -> None:
    env = territory(tmp_path, terrain(2))
    x, y = corner
    structures = np.zeros((64, 2), int)
    structures[:2] = (POST, at(x, y)), (CITY, at(60, 60))
    put(env, board((2, 0, 0, 128, 128), (1, max(0, x - 5), max(0, y - 5), 10, 10)), structures=structures)
    centre = env.memory.centre[0] = at(x, y)
    env.observe(env.observations, env.agent_ids)
    inside = np.zeros((64, 64), bool)
    rows, columns = np.arange(64) + centre // 128 - 32, np.arange(64) + centre % 128 - 32
    inside[:] = ((rows >= 0) & (rows < 128))[:, None] & ((columns >= 0) & (columns < 128))
    planes = field(env, 0, "tactical")
    assert not planes[:, ~inside].any()
    assert (planes[OWN].astype(int) + planes[ENEMIES] + planes[NEUTRAL])[inside].tolist() == [255] * inside.sum()
    assert planes[TERRAIN].max() == 220
    assert_planes(env, 0)


def test_the_tactical_view_stays_for_64_ticks_or_until_its_middle_is_lost(tmp_path) -> None:
    env = territory(tmp_path, lakes(7), num_agents=2, num_bots=3)
    scattered(env, seed=2)
    random, twin, kept, lost, centres = np.random.default_rng(0), twin_of(env), 0, 0, set()
    expected: dict[int, tuple[int, int]] = {}
    for _ in range(200):
        for row, learner in enumerate(twin.learners):
            centre, since = expected.get(row, (-1, 0))
            is_lost = centre < 0 or twin.owner_of(centre) != learner.number
            if learner.alive and (is_lost or twin.tick - since >= 64):
                lost += is_lost
                threats = {tile: twin.threat(learner.number, tile) for tile in twin.border_tiles(learner.number)}
                expected[row] = min(threats, key=lambda tile: (-threats[tile], tile)), twin.tick
            kept += expected[row][1] < twin.tick
            assert env.memory.centre[row] == expected[row][0]
            x, y = twin.position(expected[row][0])
            tactical = slow.block(twin.owner, x - 32, y - 32, 64) == learner.number
            assert np.count_nonzero(field(env, row, "tactical")[OWN]) == np.count_nonzero(tactical)
            centres.add(expected[row][0])
        actions = drawn(random, env)
        env.step(actions)
        twin.step(actions.tolist())
    assert kept > 300
    assert lost > 2
    assert len(centres) > 6


def test_land_without_a_border_is_seen_at_its_middle(tmp_path) -> None:
    classes = PLAINS.copy()
    classes[40:60, 40:60] = 0
    classes[44:49, 44:51] = 1
    env = territory(tmp_path, classes)
    put(env, board((1, 44, 44, 7, 5), (2, 0, 0, 20, 20)))
    assert env.memory.centre[0] == at(47, 46)
    assert field(env, 0, "directions").tolist() == [0] * 8 + [1]


# -- numbers and directions --------------------------------------------------------------------------------------------
def scalars(env: Territory, row: int = 0) -> list[float]:
    high, low = field(env, row, "scalars").astype(int).reshape(2, 16)
    return ((high * 256 + low) / 65_535).tolist()


def test_scalars(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=2, max_ticks=1000, build=True)
    structures = np.zeros((64, 2), int)
    structures[:4] = (CITY, at(45, 45)), (POST, at(65, 45)), (POST, at(100, 100)), (CITY, at(20, 20))
    wars = listed((1, 0, 300.0), (1, 2, 200.0), (2, 1, 1_000.0), (3, 1, 499.0), (2, 3, 70.0), slots=16)
    owner = board((1, 40, 40, 32, 32), (2, 90, 90, 32, 32), (3, 0, 0, 64, 32))  # 1024, 1024 and 2048 of 16384 tiles
    put(env, owner, tick=250, troops=[0, 8191, 100, 4095, 0], gold=[0, 249_999, 0, 0, 0], structures=structures, **wars)
    cap = 2 * (1024**0.6 * 1000 + 50_000) + 250_000
    expected = [
        8191 / cap,
        13 / 24,  # 2 ** 13 - 1 troops
        1 / 16,
        1 / 4,
        0.5,  # nothing gained
        0.5,
        2 / 4,  # before its equal of a higher number
        3 / 4,  # players alive
        51 / 255,  # 16 x log2(1 + 7.999), rounded: 50.7
        0.25,
        1499 / (1 + 1499 + 8191),
        500 / (1 + 500 + 8191),
        2048 / 16384,
        8191 / (1 + 8191 + 4095),
        249_999 / (1 + 249_999 + 250_000),
        2 / 64,
    ]
    assert scalars(env) == pytest.approx(expected, abs=0.51 / 65_535)
    assert scalars(env, 1)[6] == pytest.approx(3 / 4, abs=1e-5)
    assert scalars(env, 1)[10] == pytest.approx(200 / 301, abs=1e-5)
    env.step(np.array([[EAST + MOST, 0], [WAIT, 0]]))
    env.step(np.array([[WAIT, 0], [WAIT, 0]]))
    gained = (env.state.tiles[0, 1] - 1024) / 16384
    assert gained > 0
    assert scalars(env)[4:6] == pytest.approx([0.5 + 50 * gained, 0.5 + 10 * gained], abs=1e-5)
    trail = 1024 / 16384 + 0.1 * gained
    share = env.state.tiles[0, 1] / 16384
    env.step(np.array([[WAIT, 0], [WAIT, 0]]))
    now = env.state.tiles[0, 1] / 16384
    assert scalars(env)[4:6] == pytest.approx([0.5 + 50 * (now - share), 0.5 + 10 * (now - trail)], abs=1e-5)


def test_scalars_of_the_dead_and_of_the_only_one(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=0)
    put(env, board((1, 0, 0, 64, 64)))
    # no troops, land or rivals: half way between loss and gain, last of two, one alive, tick 60 of 10000
    alone = [0, 0, 0, 0, 0.5, 0.5, 1, 0.5, 0, 0.006, 0, 0, 0.25, 0, 0, 0]
    assert scalars(env, 1) == pytest.approx(alone, abs=1e-5)
    assert field(env, 1, "directions").tolist() == [0] * 8 + [1]
    env = territory(tmp_path, num_agents=1, num_bots=0)
    put(env, board((1, 0, 0, 64, 64)))
    assert scalars(env)[6:8] == [1, 1]
    assert scalars(env)[12] == 0


@pytest.mark.parametrize("tick", [49, 50])
def test_directions_are_those_that_the_slow_twin_faces(tmp_path, tick) -> None:
    seen = set()
    for seed in range(7):
        env = territory(tmp_path, lakes(seed), num_agents=2, num_bots=2)
        x, y = np.random.default_rng(seed).integers(0, 120, 2)
        owner = board((3, 0, 0, 128, 128), (0, x, 0, 4, 128), (1, x, y, 3, 3), (2, 120, y, 8, 2))
        put(env, np.where(env.maps[0].classes > 0, owner, 0), tick=tick, troops=[0, 1000, 300, 70_000.5, 9])
        twin = twin_of(env)
        for row, learner in enumerate(twin.learners):
            targets = [twin.target(learner, direction) for direction in range(8)]
            can = [target is not None for target in targets]
            assert field(env, row, "directions").tolist() == [*can, True]
            assert field(env, row, "odds").tolist() == [odds_against(env, learner.number, q) for q in targets]
            seen.add(tuple(targets))
    assert len(seen) > 4


def odds_against(env: Territory, player: int, target: int | None) -> int:
    if not target:
        return 0 if target is None else 255
    own, other = env.state.troops[0, player], env.state.troops[0, target]
    return 1 + math.floor(253 * own / (own + other) + 0.5)


def test_who_has_no_troops_can_only_wait(tmp_path) -> None:
    env = territory(tmp_path)
    for troops, can in ((0.5, 0), (1.0, 1)):
        put(env, board((1, 40, 40, 10, 10)), troops=[0, troops, 0, 0])
        assert field(env, 0, "directions").tolist() == [can] * 8 + [1]


def test_local_view_sizes() -> None:
    from puffer_envs.territory.config import local_view_size

    sizes: dict[tuple[int, int], Any] = {(128, 512): 128, (640, 128): 256, (1024, 1024): 256, (1152, 128): 512}
    for (width, height), size in sizes.items():
        assert local_view_size(Config(), width, height) == size
        assert local_view_size(Config(local_view_size=384), width, height) == 384
