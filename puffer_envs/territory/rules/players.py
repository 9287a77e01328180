"""What players decide: the orders of those who learn, and the scripted bots."""

import math

import numpy as np

from puffer_envs.kit.jit import kernel, wide
from puffer_envs.kit.rng import randint
from puffer_envs.territory.config import (
    BOT_CAP_DIVISOR,
    BOT_GOLD,
    BOT_GROWTH,
    CAP_BASE,
    CAP_FACTOR,
    CAP_PER_CITY,
    CAP_PER_LAND,
    CAP_POWER,
    GOLD,
    GROWTH_BASE,
    GROWTH_DIVISOR,
    GROWTH_POWER,
    IMMUNE_TICKS,
    INTENSITIES,
)
from puffer_envs.territory.rules import attacks, front, land
from puffer_envs.territory.state import (
    CITY,
    DIRECTIONS,
    DX,
    DY,
    ENEMY,
    EXPAND,
    NUM_ACTIONS,
    OFFSET,
    RATE,
    RESERVE,
    SINCE,
    TICK,
    TRIGGER,
    Game,
    Rules,
    Scratch,
)
from puffer_envs.territory.state import INTENSITIES as NUM_INTENSITIES

_MEMORY_TICKS = 100  # after which a bot forgets its enemy


@kernel
def cap(game: Game, rules: Rules, player: int) -> float:
    """The troops that a player's land and cities feed."""
    most = CAP_FACTOR * (game.tiles[player] ** CAP_POWER * CAP_PER_LAND + CAP_BASE)
    most += CAP_PER_CITY * game.built[player, CITY]
    return most / BOT_CAP_DIVISOR if player > rules.learners else most


@kernel
def grow(game: Game, rules: Rules, player: int) -> None:
    """A tick of growth of troops and gold."""
    most, troops = cap(game, rules, player), game.troops[player]
    gain = (GROWTH_BASE + troops**GROWTH_POWER / GROWTH_DIVISOR) * (1 - troops / most)
    is_bot = player > rules.learners
    gain = min(gain * BOT_GROWTH if is_bot else gain, most - troops)
    game.troops[player] = max(0.0, troops + math.trunc(gain))  # whole troops come, and whole ones go
    game.gold[player] += BOT_GOLD if is_bot else GOLD


# -- learners ----------------------------------------------------------------------------------------------------------
@kernel
def _waits(action: int) -> bool:
    """Whether an action sends nobody; what is no action waits."""
    return not 0 <= action < NUM_ACTIONS or action // NUM_INTENSITIES == DIRECTIONS - 1


@kernel
def decide(game: Game, rules: Rules, player: int, action: int, scratch: Scratch) -> tuple[int, int]:
    """Whom an action attacks, the one whom most of the border faces, -1 nobody; and its share of the troops."""
    if _waits(action):
        return -1, 0
    direction = action // NUM_INTENSITIES
    count = land.border_of(game, rules, player, scratch.tiles)
    count_faced(game, rules, player, scratch.tiles[:count], direction, direction + 1, scratch.faced)
    amount = math.floor(game.troops[player] * INTENSITIES[action % NUM_INTENSITIES])
    return target_of(scratch.faced[direction]), amount


@kernel
def order(game: Game, rules: Rules, player: int, action: int, target: int, amount: int, scratch: Scratch) -> bool:
    """Carry out what was decided, from where the border faces the target; False: nothing came of it."""
    if _waits(action):
        return True
    if target < 0:
        return False
    direction, seeds = action // NUM_INTENSITIES, 0
    for i in range(land.border_of(game, rules, player, scratch.tiles)):
        if faces(game, rules, wide(scratch.tiles[i]), direction, player) == target:
            scratch.tiles[seeds] = scratch.tiles[i]
            seeds += 1
    return attacks.launch(game, rules, player, target, min(amount, game.troops[player]), scratch.tiles[:seeds])


@kernel
def faces(game: Game, rules: Rules, tile: int, direction: int, player: int) -> int:
    """Whose the land next to a player's tile in a direction is, -1 where it is none that can be attacked."""
    x, y = land.place(rules, tile)
    x, y = x + DX[direction], y + DY[direction]
    if not (0 <= x < rules.width and 0 <= y < rules.height):
        return -1
    near = y * rules.width + x
    owner = wide(game.owner[near])
    if owner == player or not land.is_land(game.ground, near) or (owner and game.numbers[TICK] < IMMUNE_TICKS):
        return -1
    return owner


@kernel
def count_faced(
    game: Game, rules: Rules, player: int, border: np.ndarray, first: int, last: int, counts: np.ndarray
) -> None:
    """How many border tiles face whose land in the directions from ``first`` to before ``last``.

    Args:
        counts: int64 [8, P1], the rows of these directions are written.
    """
    counts[first:last] = 0
    for i in range(border.size):
        for direction in range(first, last):
            owner = faces(game, rules, wide(border[i]), direction, player)
            if owner >= 0:
                counts[direction, owner] += 1


@kernel
def target_of(counts: np.ndarray) -> int:
    """Whom most border tiles face (int64 [P1]), the lowest number of equals; -1 where they face nobody."""
    target = int(np.argmax(counts))
    return target if counts[target] else -1


# -- bots --------------------------------------------------------------------------------------------------------------
@kernel
def draw_temper(game: Game, player: int) -> None:
    """How often a bot attacks, when, and with what it keeps back."""
    bot = game.bots[player]
    bot[RATE] = 40 + randint(game.rng, 40)
    bot[OFFSET] = randint(game.rng, bot[RATE])
    bot[TRIGGER] = 60 + randint(game.rng, 30)
    bot[RESERVE] = 20 + randint(game.rng, 10)
    bot[EXPAND] = 10 + randint(game.rng, 10)
    bot[ENEMY] = bot[SINCE] = 0


@kernel
def play_bot(game: Game, rules: Rules, player: int, scratch: Scratch) -> None:
    """Land of nobody first; else its enemy for a while, whatever that costs; else a new one, once strong enough."""
    bot, tick = game.bots[player], game.numbers[TICK]
    if tick % bot[RATE] != bot[OFFSET]:
        return
    most, troops = cap(game, rules, player), game.troops[player]
    count = land.border_of(game, rules, player, scratch.tiles)
    border = scratch.tiles[:count]
    _find_neighbours(game, rules, player, border, scratch.counts)
    if scratch.counts[0]:
        attacks.launch(game, rules, player, 0, math.floor(troops - most * (bot[EXPAND] / 100)), border)
        return
    if bot[ENEMY] and (tick - bot[SINCE] > _MEMORY_TICKS or game.tiles[bot[ENEMY]] == 0):
        bot[ENEMY] = 0
    if bot[ENEMY] == 0 and troops / most >= bot[TRIGGER] / 100:
        bot[ENEMY], bot[SINCE] = _choose_enemy(game, player, scratch.counts), tick
    if bot[ENEMY] and scratch.counts[bot[ENEMY]]:
        attacks.launch(game, rules, player, bot[ENEMY], math.floor(troops - most * (bot[RESERVE] / 100)), border)


@kernel
def _find_neighbours(game: Game, rules: Rules, player: int, border: np.ndarray, counts: np.ndarray) -> None:
    """1 in ``counts`` for each owner of land beside a player's border."""
    counts[:] = 0
    for i in range(border.size):
        sides = game.ground[border[i]]
        for side in range(4):
            if (sides >> side) & 1:
                counts[game.owner[border[i] + rules.ways[side]]] = 1
    counts[player] = 0


@kernel
def _choose_enemy(game: Game, player: int, neighbours: np.ndarray) -> int:
    """Any neighbour (the last of them shuffled); else who attacks a player with most troops; 0 where nobody does."""
    count = neighbours.sum()
    if count == 0:
        neighbours[:] = 1  # whoever it is
        return front.strongest(game, player, neighbours)
    left = randint(game.rng, count)
    for other in range(neighbours.size):
        left -= neighbours[other]
        if left < 0:
            return other
    return 0
