"""Whole games: what bots make of a map among themselves, and that those who play better do better."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from puffer_envs.territory import maps
from puffer_envs.territory.config import Config
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import DX, DY
from tests.territory.worlds import WAIT, changed, territory

SIZE, GAMES, BOTS = 256, 6, 10
ISLAND = 12  # tiles along each edge
Player = Callable[[Territory, int], int]


def games_of_bots(folder: Path) -> Territory:
    """Games at their beginning in which the learner sits on an island that nobody can reach."""
    classes = maps.continent(SIZE, 0).classes.copy()
    classes[: ISLAND + 4, : ISLAND + 4] = 0
    classes[:ISLAND, :ISLAND] = 1
    env = territory(folder, classes, GAMES, num_bots=BOTS, ticks_per_step=10)
    for game in range(GAMES):
        owner = env.state.owner[game].reshape(SIZE, SIZE).copy()
        owner[owner == 1] = 0
        owner[:ISLAND, :ISLAND] = 1
        env.load_state(game, changed(env, game, owner=owner.ravel()))
    return env


def test_bots_divide_the_land_and_then_conquer_each_other(tmp_path: Path) -> None:
    env = games_of_bots(tmp_path)
    land = env.maps[0].land - ISLAND**2
    shares = {}  # by tick: each bot's share of the land, [GAMES, BOTS]
    for step in range(1, 1000):
        env.step(np.full(GAMES, WAIT))
        shares[10 * step] = env.state.tiles[:, 2:] / land
    taken = {tick: share.sum(1) for tick, share in shares.items()}
    largest = {tick: share.max(1) for tick, share in shares.items()}
    alive = {tick: (share > 0).sum(1) for tick, share in shares.items()}

    assert ((taken[250] > 0.35) & (taken[250] < 0.75)).all(), "they spread evenly over some 450 ticks"
    assert (taken[700] > 0.97).all()
    assert (largest[700] < 0.25).all(), "nobody is far ahead by then"
    assert (alive[700] >= BOTS - 1).all()
    growth = [float(largest[tick].mean()) for tick in (1000, 2000, 4000, 6000, 9000)]
    assert growth == sorted(growth)
    assert growth[-1] > 0.4
    assert (alive[9000] < alive[2000]).all()
    assert alive[9000].mean() < 0.6 * BOTS
    assert (env.state.tiles[:, 1] == ISLAND**2).all()


def expand(env: Territory, game: int) -> int:
    """Where nobody's land is what most of the border faces in a direction, that way; else wait."""
    owner = env.state.owner[game].reshape(SIZE, SIZE)
    land = env.maps[env.state.map[game]].classes > 0
    y, x = np.nonzero(owner == 1)
    for direction in np.random.default_rng(int(env.episode_step[game])).permutation(8):
        v, u = y + DY[direction], x + DX[direction]
        inside = (v >= 0) & (v < SIZE) & (u >= 0) & (u < SIZE)
        v, u = v[inside], u[inside]
        faced = owner[v, u][land[v, u] & (owner[v, u] != 1)]
        if faced.size and np.bincount(faced).argmax() == 0:
            return int(direction * 5 + 1)
    return WAIT


def draw(env: Territory, game: int) -> int:
    """Any of the 45 actions."""
    return int(np.random.default_rng([game, int(env.episode_step[game])]).integers(45))


def wait(env: Territory, game: int) -> int:
    return WAIT


def play(player: Player) -> tuple[float, float]:
    """Means over games of the land at tick 1,000 and of the ticks that the player lived, at most 3,000."""
    env = Territory(Config(map_size=SIZE, num_maps=2), GAMES, seed=3, num_threads=1)
    env.reset()
    land, lived = np.zeros(GAMES), np.zeros(GAMES)
    plays = np.ones(GAMES, np.bool_)
    for step in range(1, 301):
        actions = [player(env, game) if plays[game] else WAIT for game in range(GAMES)]
        tiles = env.state.tiles[:, 1].copy()
        env.step(np.array(actions, np.int32))
        lived[plays] = 10 * step
        if step == 100:
            land[plays] = (tiles / [env.maps[index].land for index in env.state.map])[plays]
        plays &= ~(env.terminals | env.truncations)
    env.close()
    return float(land.mean()), float(lived.mean())


def test_who_expands_beats_who_acts_at_random_or_not_at_all() -> None:
    expanding, random, idle = play(expand), play(draw), play(wait)
    assert expanding[0] > 1.5 * random[0] > 1.5 * idle[0]
    assert expanding[1] > 1.3 * random[1] > 1.3 * idle[1]
