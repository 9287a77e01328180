"""What tiles, cities and posts cost, and what land brings: figures worked out on paper."""

from pathlib import Path

import numpy as np
import pytest

from puffer_envs.kit import rng
from puffer_envs.territory import kernels
from puffer_envs.territory.config import CONSTANT
from puffer_envs.territory.env import Territory
from puffer_envs.territory.rules import attacks
from puffer_envs.territory.state import ATTACKER, BORDER, CITY, ENTRIES, POST, TARGET, TICK
from tests.territory.test_reference import assert_sound
from tests.territory.worlds import EAST, MOST, WAIT, at, board, inside, listed, owners, pairs, put, territory, twin_of


# -- what a tile costs -------------------------------------------------------------------------------------------------
def corridor(folder: Path, kind: int, attacker: int, target: int, force: float, **options: object) -> Territory:
    """A strip one tile wide, the attacker's up to x = 39, then the target's; its place is 0, its width 1."""
    classes = np.zeros((128, 128), np.uint8)
    classes[64, 9:120], classes[100:110] = kind, 1  # the latter for the players' beginning
    env = territory(folder, classes, num_agents=2, num_bots=2, **options)
    owner = board((attacker, 9, 64, 31, 1), (target, 40, 64, 80, 1))
    put(env, owner, **listed((attacker, target, force), slots=16, seed=at(40, 64)))
    env.state.troops[0, 1:] = 100_000
    env.state.tiles[0, 1:] = 100_000  # nobody gains by size, and nobody is absorbed
    if target:
        env.state.tiles[0, target] = 150_000  # half way: .7 + .3 / 2
    while rng.randint(env.rng[0].copy(), 5) != 4:  # the budget is that of 1 + 4 tiles
        env.rng[0, 1] += 1
    return env


def advance(env: Territory) -> tuple[int, float, float]:
    """One tick of the attack in the first place: tiles taken, and troops that it and its target lost."""
    game, rules, _ = inside(env)
    target = game.attacks[0, TARGET]
    before = owners(env).copy(), game.force[0], game.troops[target]
    attacks.advance(game, rules, 0)
    assert game.attacks[0, ATTACKER], "the attack came to an end"
    return int((owners(env) != before[0]).sum()), before[1] - game.force[0], before[2] - game.troops[target]


@pytest.mark.parametrize(("kind", "loss"), [(1, 108.8), (2, 136.0), (3, 163.2)])  # 2 x 80, 100 or 120 x .8 x .85
@pytest.mark.parametrize(("attacker", "target", "factor"), [(1, 2, 1.0), (1, 3, 0.8), (3, 2, 1.0), (3, 4, 1.0)])
@pytest.mark.parametrize(
    ("structure", "at_x", "guarded"),
    [(0, 0, 1), (POST, 70, 5), (POST, 71, 1), (POST, 39, 1), (CITY, 50, 1)],  # 30 tiles away, 31, its own, no post
)
def test_losses_of_the_weak(tmp_path, kind, loss, attacker, target, factor, structure, at_x, guarded) -> None:
    env = corridor(tmp_path, kind, attacker, target, 5_000.0)
    env.state.structures[0, 3] = structure, at(at_x, 64)
    env.state.built[0, env.state.owner[0, at(at_x, 64)], structure] += 1
    taken, lost, defender_lost = advance(env)
    assert taken == 1
    assert lost == pytest.approx(loss * factor * guarded)
    assert defender_lost == 0  # 100_000 / 150_000, and no more than whole troops go


@pytest.mark.parametrize(
    ("own", "others", "loss", "tiles"),
    [
        # .6 x 80 x .8 x .85 = 32.64 a tile, and .2 x 16.5 x .85 = 2.805 of 7.5
        (100_000, 150_000, 32.64, 3),
        (99_999, 150_000, 32.64, 3),
        (400_000, 150_000, 32.64 * 0.6155722, 7),  # .25 ** .35; 2.805 x .25 ** .6 = 1.221
        (100_000, 200_000, 38.4 * 0.8, 3),  # a third of .3 and .7; 2.64
        (100_000, 100_000, 38.4 * 0.9, 3),  # two thirds; 2.97
        (100_000, 1_000_000, 38.4 * 0.7, 4),  # 2.31
    ],
)
def test_losses_of_the_strong_and_the_great(tmp_path, own, others, loss, tiles) -> None:
    env = corridor(tmp_path, 1, 1, 2, 1_000_000.0)
    env.state.tiles[0, 1:3] = own, others
    taken, lost, _ = advance(env)
    assert taken == tiles
    assert lost / taken == pytest.approx(loss, rel=1e-4)


def test_a_post_slows(tmp_path) -> None:
    env = corridor(tmp_path, 1, 1, 2, 1_000_000.0)
    env.state.structures[0, 0], env.state.built[0, 2, POST] = (POST, at(50, 64)), 1
    assert advance(env)[0] == 1  # 3 x 2.805 = 8.415 of 7.5


@pytest.mark.parametrize(
    ("kind", "attacker", "force", "taken", "lost"),
    [
        (1, 1, 10_000.0, 2, 32.0),  # 5 of 10 each, as the least
        (1, 3, 10_000.0, 2, 16.0),
        (1, 1, 3_000.0, 1, 16.0),  # 2000 x 16.5 / 3000 = 11
        (2, 1, 4_500.0, 2, 40.0),  # 2000 x 20 / 4500 = 8.9
        (3, 1, 5_500.0, 2, 48.0),  # 2000 x 25 / 5500 = 9.1
        (3, 1, 4_500.0, 1, 24.0),  # 11.1
    ],
)
def test_land_of_nobody(tmp_path, kind, attacker, force, taken, lost) -> None:
    env = corridor(tmp_path, kind, attacker, 0, force)
    assert advance(env) == (taken, pytest.approx(lost), 0)


@pytest.mark.parametrize("kind", [1, 3])
@pytest.mark.parametrize("target", [0, 3])
def test_constant_rules(tmp_path, kind, target) -> None:
    env = corridor(tmp_path, kind, 1, target, 500.0, rules=CONSTANT)
    env.state.structures[0, 0], env.state.built[0, 3, POST] = (POST, at(50, 64)), 1
    for _ in range(3):
        assert advance(env) == (1, 1, 1 if target else 0)


@pytest.mark.parametrize("rules", ["real", CONSTANT])
def test_attacks_end_without_troops_or_tiles(tmp_path, rules) -> None:
    env = corridor(tmp_path, 1, 1, 2, 0.5, rules=rules)
    game, settings, _ = inside(env)
    attacks.advance(game, settings, 0)
    assert (pairs(env), game.force[0], game.troops[1]) == ([], 0, 100_000)  # less than one is gone
    env = corridor(tmp_path, 1, 1, 2, 70.5, rules=rules)
    game, settings, _ = inside(env)
    game.owner[at(40, 64)] = 3  # somebody else's in the meantime
    attacks.advance(game, settings, 0)
    assert (pairs(env), game.force[0], game.troops[1]) == ([], 0, 100_070)  # the half is gone
    assert not game.queued.any()
    assert not game.attacks[:, [BORDER, ENTRIES]].any()


# -- growth and structures ---------------------------------------------------------------------------------------------
def test_growth(tmp_path) -> None:
    env = territory(tmp_path, num_agents=1, num_bots=1, win_share=1.0)
    put(env, board((1, 40, 40, 40, 25), (2, 40, 80, 40, 25)), troops=[0, 10_000, 10_000], gold=[0, 7, 8])
    game, rules, scratch = inside(env)
    kernels.tick(game, rules, scratch)
    # caps 226191.47 and a third of it; 10 + 10000 ** .73 / 4 = 217.941, times 1 - 10000 / cap; a bot's times .6
    assert game.troops[1:].tolist() == [10_208, 10_113]  # of 208.306 and 113.421
    assert game.gold[1:].tolist() == [107, 58]
    game.numbers[TICK] = 0  # nobody grows in a game's first tick
    kernels.tick(game, rules, scratch)
    assert (game.troops[1:].tolist(), game.gold[1:].tolist()) == ([10_208, 10_113], [107, 58])


def test_defenders_lose_whole_troops(tmp_path) -> None:
    env = corridor(tmp_path, 1, 1, 2, 1_000_000.0)
    env.state.troops[0, 2] = 150_000 * 3.5
    taken, _, lost = advance(env)
    # 3.5 a tile of 150000, then a little less of 149999: 3 each
    assert (taken, lost) == (3, 9)


def test_a_city_feeds_whoever_owns_it(tmp_path) -> None:
    env = territory(tmp_path, num_agents=1, num_bots=1, win_share=1.0)
    structures = np.zeros((64, 2), int)
    structures[5:7] = (CITY, at(45, 45)), (CITY, at(70, 45))
    put(env, board((1, 40, 40, 40, 25), (2, 40, 80, 40, 25)), troops=[0, 1e6, 1e6], structures=structures)
    game, rules, scratch = inside(env)
    kernels.tick(game, rules, scratch)
    assert game.troops[1:].tolist() == [726_192, 75_398]  # caps of 726191.47 and 75397.16; whole troops go
    env.state.owner[0, at(79, 80)] = 1  # so that the bot's attack on the city's tile has neighbours
    owner = board((1, 40, 40, 40, 25), (2, 40, 65, 40, 25), (2, 70, 45, 1, 20))
    put(env, owner, structures=structures, troops=[0, 1e6, 1e6])
    kernels.tick(game, rules, scratch)
    caps = [2 * (tiles**0.6 * 1000 + 50_000) + 250_000 for tiles in (980, 1020)]
    assert game.troops[1:].tolist() == [np.ceil(caps[0]), np.ceil(caps[1] / 3)]


def test_a_conquered_city_changes_sides(tmp_path) -> None:
    env = territory(tmp_path, num_agents=2, num_bots=0, win_share=1.0, build=True)
    structures = np.zeros((64, 2), int)
    structures[9] = CITY, at(62, 45)
    owner = board((1, 40, 40, 20, 20), (2, 60, 40, 20, 20))
    put(env, owner, structures=structures, troops=[0, 50_000, 100])
    assert env.state.built[0, 1:, CITY].tolist() == [0, 1]
    while env.state.owner[0, at(62, 45)] == 2:
        env.step(np.array([[EAST + MOST, 0], [WAIT, 0]]))
        assert_sound(env)
    assert env.state.built[0, 1:, CITY].tolist() == [1, 0]


def test_building(tmp_path) -> None:
    env = territory(tmp_path, num_bots=1, build=True, win_share=1.0)
    put(env, board((1, 40, 40, 30, 30), (2, 70, 40, 30, 5)), gold=[0, 124_899, 0])

    def build(kind: int) -> list[list[int]]:
        env.step(np.array([[WAIT, kind]]))
        return [each for each in env.state.structures[0].tolist() if each[0]]

    assert build(CITY) == []  # one short of 125000, with the gold of this tick
    assert build(CITY) == [[CITY, at(54, 54)]]  # the middle of 40 to 69 is 54.5, rounded down
    assert env.state.gold[0, 1] == 124_899 + 200 - 125_000
    assert env.state.fruitless[0, 0] == 1
    env.state.gold[0, 1] = 249_899
    assert len(build(CITY)) == 1  # the second costs 250000
    # 8 columns and rows around the tile: 2's border is its column x = 70, y 40 to 44, its north and south rows
    env.state.gold[0, 1] = 49_900
    _, post = build(POST)
    twin = twin_of(env)
    twin.structures.pop()
    assert post == [POST, twin.post_site(1)]
    assert env.state.gold[0, 1] == 0
    env.state.gold[0, 1] = 99_900
    assert len(build(POST)) == 2  # the second costs 100000
    env.state.gold[0, 1] = 1e9
    env.state.structures[0, 2:] = POST, at(10, 10)
    before = env.state.fruitless[0, 0]
    assert len(build(CITY)) == 64  # all places are taken
    assert env.state.fruitless[0, 0] == before + 1
    assert build(3) == build(-1) == build(0)
    assert env.state.fruitless[0, 0] == before + 1
