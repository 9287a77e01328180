"""Observations: where each learner's three views lie, what it knows in numbers, and where it can attack."""

import math
from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import kernel, wide
from puffer_envs.territory import kernels, rewards, views
from puffer_envs.territory.config import MAX_STRUCTURES
from puffer_envs.territory.rules import building, land, players
from puffer_envs.territory.state import (
    ATTACKER,
    CHANGES,
    DIRECTIONS,
    LAYOUT,
    SCALARS,
    SIZES,
    TACTICAL,
    TARGET,
    TICK,
    Game,
    Rules,
    Scratch,
    State,
)
from puffer_envs.territory.views import View

SNAPS = 8  # positions of the local view in its own width
TACTICAL_TICKS = 64  # that the tactical view stays where it is
TRAIL = 0.1  # weight of the present share in the mean that the trend is measured from
NOBODY = 255  # odds of land that is nobody's
_AT_SCALARS, _AT_DIRECTIONS, _AT_ODDS = (LAYOUT[name].offset for name in ("scalars", "directions", "odds"))


class Memory(NamedTuple):
    """What the observations of R rows remember of former ones."""

    centre: np.ndarray  # int64 [R], tile that the tactical view lies around, -1: none yet
    since: np.ndarray  # int64 [R], tick at which it was chosen
    share: np.ndarray  # float64 [R], of the land, one observation ago
    trail: np.ndarray  # float64 [R], a running mean of it


def allocate_memory(rows: int) -> Memory:
    """Of rows that have seen nothing."""
    return Memory(np.full(rows, -1, np.int64), np.zeros(rows, np.int64), np.zeros(rows), np.zeros(rows))


@kernel
def write_rows(
    state: State,
    grounds: np.ndarray,
    coasts: np.ndarray,
    streams: np.ndarray,
    seen: tuple[View, View, View],
    memory: Memory,
    rules: Rules,
    scratch: Scratch,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """The observations of the environments from ``first`` to before ``last`` into ``out``, uint8 [R, bytes].

    Args:
        seen: the views of the whole map, around the own land, and around the most threatened place.
        out: written in place: it is as this function left it last.
    """
    whole, local, tactical = seen
    levels = scratch.levels
    for env in range(first, last):
        game = kernels.game_of(state, grounds, coasts, streams, env)
        for player in range(1, levels.size):
            levels[player] = views.level(game.troops[player], game.tiles[player])
        for learner in range(rules.learners):
            row, player = env * rules.learners + learner, learner + 1
            views.follow(whole, row, game, rules, player, 0, 0, levels, out)
            x, y = local_origin(game, rules, player, local)
            views.follow(local, row, game, rules, player, x, y, levels, out)
            x, y = _tactical_origin(game, rules, player, memory, row, scratch)
            views.follow(tactical, row, game, rules, player, x, y, levels, out)
            _write_scalars(game, rules, player, rules.land[state.map[env]], memory, row, out[row])
            _write_directions(game, rules, player, scratch, out[row])
        game.numbers[CHANGES] = 0


# -- where the views lie -----------------------------------------------------------------------------------------------
@kernel
def local_origin(game: Game, rules: Rules, player: int, view: View) -> tuple[int, int]:
    """The first tile of the window around the middle of the own land, in steps of an eighth of it; within the map.

    Who has no land looks at the corner: where it looked last is in no savestate.
    """
    if game.tiles[player] == 0:
        return 0, 0
    edge = view.blocks * view.size
    x = _snapped(game.sums[player, 0] // game.tiles[player], edge, rules.width)
    return x, _snapped(game.sums[player, 1] // game.tiles[player], edge, rules.height)


@kernel
def _snapped(middle: int, edge: int, length: int) -> int:
    step = edge // SNAPS
    nearest = (middle - edge // 2 + step // 2) // step * step
    return max(0, min(nearest, length - edge))


@kernel
def _tactical_origin(
    game: Game, rules: Rules, player: int, memory: Memory, row: int, scratch: Scratch
) -> tuple[int, int]:
    """The first tile of the window around the most threatened place, kept until it is lost or has been long enough."""
    centre, tick = memory.centre[row], game.numbers[TICK]
    lost = centre < 0 or game.owner[centre] != player or tick - memory.since[row] >= TACTICAL_TICKS
    if game.tiles[player] and lost:
        centre, _ = building.most_threatened(game, rules, player, False, scratch)
        if centre < 0:  # land without a border: its middle
            x, y = game.sums[player, 0] // game.tiles[player], game.sums[player, 1] // game.tiles[player]
            centre = y * rules.width + x
        memory.centre[row], memory.since[row] = centre, tick
    half = SIZES[TACTICAL] // 2
    x, y = land.place(rules, centre)
    return x - half, y - half


# -- numbers -----------------------------------------------------------------------------------------------------------
@kernel
def _write_scalars(game: Game, rules: Rules, player: int, area: int, memory: Memory, row: int, out: np.ndarray) -> None:
    """Sixteen numbers from 0 to 1, two bytes each: all high bytes, then all low bytes."""
    most, troops = players.cap(game, rules, player), game.troops[player]
    share, tiles = game.tiles[player] / area, max(1, game.tiles[player])
    against = abroad = 0.0
    for slot in range(game.attacks.shape[0]):
        if game.attacks[slot, ATTACKER]:
            against += game.force[slot] if game.attacks[slot, TARGET] == player else 0.0
            abroad += game.force[slot] if game.attacks[slot, ATTACKER] == player else 0.0
    rival = 0
    for other in range(1, game.tiles.size):
        if other != player and (rival == 0 or game.tiles[other] > game.tiles[rival]):
            rival = other
    numbers = (
        troops / most,
        math.log2(1 + troops) / 24,
        share,
        math.sqrt(share),
        0.5 + 50 * (share - memory.share[row]),
        0.5 + 10 * (share - memory.trail[row]),
        rewards.rank_of(game, player) / (game.tiles.size - 1),
        rewards.alive(game) / (game.tiles.size - 1),
        views.level(troops, tiles) / 255,
        game.numbers[TICK] / rules.max_ticks,
        against / (1 + against + troops),
        abroad / (1 + abroad + troops),
        game.tiles[rival] / area,
        troops / (1 + troops + game.troops[rival]),
        game.gold[player] / (1 + game.gold[player] + building.cost_of(game, player, 1)),
        (game.built[player, 1] + game.built[player, 2]) / MAX_STRUCTURES,
    )
    for i in range(SCALARS):
        value = wide(min(65_535, max(0, math.floor(numbers[i] * 65_535 + 0.5))))
        out[_AT_SCALARS + i] = value >> 8
        out[_AT_SCALARS + SCALARS + i] = value & 255
    memory.share[row] = share
    memory.trail[row] += TRAIL * (share - memory.trail[row])


@kernel
def _write_directions(game: Game, rules: Rules, player: int, scratch: Scratch, out: np.ndarray) -> None:
    """A bit for each direction that an attack can take, the last is to wait; and the odds of each."""
    out[_AT_DIRECTIONS], out[_AT_DIRECTIONS + 1] = 0, 1
    out[_AT_ODDS : _AT_ODDS + DIRECTIONS - 1] = 0
    own = game.troops[player]
    if game.tiles[player] == 0 or own < 1:
        return
    count = land.border_of(game, rules, player, scratch.tiles)
    players.count_faced(game, rules, player, scratch.tiles[:count], 0, DIRECTIONS - 1, scratch.faced)
    for direction in range(DIRECTIONS - 1):
        target = players.target_of(scratch.faced[direction])
        if target >= 0:
            out[_AT_DIRECTIONS] |= 1 << direction
            odds = 1 + math.floor(253 * own / (own + game.troops[target]) + 0.5)
            out[_AT_ODDS + direction] = odds if target else NOBODY
