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
from puffer_envs.territory.rules import attacks, land
from puffer_envs.territory.state import (
    ATTACKER,
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
    TARGET,
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
    game.troops[player] = max(0.0, min(troops + (gain * BOT_GROWTH if is_bot else gain), most))
    game.gold[player] += BOT_GOLD if is_bot else GOLD


# -- learners ----------------------------------------------------------------------------------------------------------
@kernel
def order(game: Game, rules: Rules, player: int, action: int, scratch: Scratch) -> bool:
    """An attack in a direction, with a share of the troops; False: nothing came of it. What is no action waits."""
    direction = action // NUM_INTENSITIES
    if not 0 <= action < NUM_ACTIONS or direction == DIRECTIONS - 1:
        return True
    count = land.border_of(game, rules, player, scratch.tiles)
    count_faced(game, rules, player, scratch.tiles[:count], direction, direction + 1, scratch.faced)
    target = target_of(scratch.faced[direction])
    if target < 0:
        return False
    seeds = 0
    for i in range(count):
        if faces(game, rules, wide(scratch.tiles[i]), direction, player) == target:
            scratch.tiles[seeds] = scratch.tiles[i]
            seeds += 1
    amount = math.floor(game.troops[player] * INTENSITIES[action % NUM_INTENSITIES])
    return attacks.launch(game, rules, player, target, amount, scratch.tiles[:seeds])


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
    """Land of nobody first; then, once strong enough, who attacks it most, or any neighbour."""
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
    if troops / most < bot[TRIGGER] / 100:
        return
    if bot[ENEMY] == 0:
        bot[ENEMY] = _choose_enemy(game, player, scratch.counts)
        if bot[ENEMY] == 0:
            return
        bot[SINCE] = tick
    if scratch.counts[bot[ENEMY]] == 0:
        bot[ENEMY] = 0
        return
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
    """Who attacks a player with most troops, else any neighbour, 0 where there is none."""
    enemy, most = 0, 0.0
    for slot in range(game.attacks.shape[0]):
        attacker, force = game.attacks[slot, ATTACKER], game.force[slot]
        stronger = enemy == 0 or force > most or (force == most and attacker < enemy)
        if attacker and game.attacks[slot, TARGET] == player and stronger:
            enemy, most = attacker, force
    count = neighbours.sum()
    if enemy == 0 and count:
        left = randint(game.rng, count)
        for other in range(neighbours.size):
            if neighbours[other]:
                if left == 0:
                    return other
                left -= 1
    return enemy
