"""Attacks: a pool of troops that takes tiles along a front, the cheapest to reach first."""

import math

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel, wide
from puffer_envs.kit.rng import next_u64, randint
from puffer_envs.territory.config import (
    ABSORB_BELOW,
    AGAINST_BOT,
    BIG_ATTACKER,
    BIG_DEFENDER,
    BIG_DEFENDER_WIDTH,
    BIG_LOSS_POWER,
    BIG_SPEED_POWER,
    IMMUNE_TICKS,
    MAGNITUDE,
    POST_MAGNITUDE,
    POST_RANGE,
    POST_SPEED,
    SPEED,
)
from puffer_envs.territory.rules import front, land
from puffer_envs.territory.state import ATTACKER, BORDER, BUCKET_BASE, POST, TARGET, TICK, Game, Rules

_LOW_16 = np.uint64(0xFFFF)


@kernel
def launch(game: Game, rules: Rules, player: int, target: int, amount: float, seeds: np.ndarray) -> bool:
    """Send troops against the neighbours of some border tiles that are the target's; False: nothing came of it.

    Two attacks on each other cancel troop for troop. One on the same target joins the other, whose front begins anew
    from these border tiles.
    """
    if amount < 1 or (target and game.numbers[TICK] < IMMUNE_TICKS) or not _touch(game, rules, seeds, target):
        return False
    game.troops[player] -= amount
    counter = front.find(game, target, player) if target else -1
    if counter >= 0:
        if amount < game.force[counter]:
            game.force[counter] -= amount
            return True
        amount -= game.force[counter]
        front.close(game, counter)
        if amount == 0:
            return True
    slot = front.find(game, player, target)
    if slot >= 0:
        front.clear(game, slot)
    else:
        slot = front.find(game, 0, 0)
        if slot < 0:
            game.troops[player] += math.floor(amount)
            return False
        game.attacks[slot, ATTACKER], game.attacks[slot, TARGET] = player, target
    game.force[slot] += amount
    for i in range(seeds.size):
        _add_neighbours(game, rules, slot, wide(seeds[i]), True)
    return True


@kernel
def _touch(game: Game, rules: Rules, tiles: np.ndarray, target: int) -> bool:
    """Whether one of some tiles is next to the target's land."""
    i = 0
    while i < tiles.size and land.beside(game, rules, wide(tiles[i]), target) == 0:
        i += 1
    return i < tiles.size


@inlined_kernel
def _add_neighbours(game: Game, rules: Rules, slot: int, tile: int, seeding: bool) -> None:
    """Queue the target's tiles beside a tile, those of little resistance and with many neighbours won first."""
    player, target = game.attacks[slot, ATTACKER], game.attacks[slot, TARGET]
    sides, luck = game.ground[tile], next_u64(game.rng)  # sixteen bits of luck for each side
    for side in range(4):
        if (sides >> side) & 1 == 0:
            continue
        near = tile + rules.ways[side]
        if game.owner[near] != target or (seeding and front.test(game.queued[slot], near)):
            continue
        won = land.beside(game, rules, near, player)
        # (10 + r) (1 - won / 2 + m / 2) + tick in quarters, with m = 1, 1.5, 2 for plains, highland, mountain
        resistance = 4 - 2 * won + 1 + land.class_of(game.ground, near)
        chance = wide(int((luck >> np.uint64(16 * side)) & _LOW_16)) * 7 >> 16
        priority = (10 + chance) * resistance + 4 * game.numbers[TICK] + BUCKET_BASE
        front.put(game, slot, priority, near)


@inlined_kernel
def advance(game: Game, rules: Rules, slot: int) -> None:
    """A tick of one attack: tiles are taken until its budget is used up."""
    player, target = game.attacks[slot, ATTACKER], game.attacks[slot, TARGET]
    budget = _budget(game, rules, slot)
    factors = _fixed_factors(game, player, target)
    while budget > 0:
        if game.force[slot] < 1:
            front.close(game, slot)
            return
        tile = front.take(game, slot)
        if tile < 0:
            game.troops[player] += math.floor(game.force[slot])
            front.close(game, slot)
            return
        if game.owner[tile] != target or land.beside(game, rules, tile, player) == 0:
            continue
        _add_neighbours(game, rules, slot, tile, False)
        loss, defender_loss, used = _cost(game, rules, slot, tile, factors)
        budget -= used
        game.force[slot] = max(0.0, game.force[slot] - loss)
        if target:
            game.troops[target] = max(0.0, game.troops[target] - math.floor(defender_loss))
        land.conquer(game, rules, tile, player)
        if target and 0 < game.tiles[target] < ABSORB_BELOW:
            land.absorb(game, rules, player, target)


@inlined_kernel
def _budget(game: Game, rules: Rules, slot: int) -> float:
    target, force = game.attacks[slot, TARGET], game.force[slot]
    length = game.attacks[slot, BORDER] + randint(game.rng, 5)
    if rules.constant:
        return 1.0
    if target == 0:
        return length * 2.0
    troops = game.troops[target]
    strength = 0.5 if troops <= 0 else min(max(10 * force / troops, 0.01), 0.5)
    return strength * length * 3


@inlined_kernel
def _fixed_factors(game: Game, player: int, target: int) -> tuple[float, float, float]:
    """Factors that hold for a tick: a great defender's, of loss and budget, and a great attacker's of each."""
    if target == 0:
        return 1.0, 1.0, 1.0
    sig = 1 - 1 / (1 + math.exp(-(math.log(2.0) / BIG_DEFENDER_WIDTH) * (game.tiles[target] - BIG_DEFENDER)))
    share = min(1.0, BIG_ATTACKER / max(1, game.tiles[player]))
    return 0.7 + 0.3 * sig, share**BIG_LOSS_POWER, share**BIG_SPEED_POWER


@inlined_kernel
def _cost(
    game: Game, rules: Rules, slot: int, tile: int, factors: tuple[float, float, float]
) -> tuple[float, float, float]:
    """What a tile costs: troops of the attacker, troops of the defender, budget."""
    player, target, force = game.attacks[slot, ATTACKER], game.attacks[slot, TARGET], game.force[slot]
    if rules.constant:
        return 1.0, 1.0 if target else 0.0, 1.0
    kind = land.class_of(game.ground, tile)
    magnitude, speed = MAGNITUDE[kind], SPEED[kind]
    is_bot = player > rules.learners
    if target == 0:
        used = min(max(2000 * max(10.0, speed) / force, 5.0), 100.0)
        return magnitude / (10 if is_bot else 5), 0.0, used
    if game.built[target, POST] and _is_guarded(game, rules, tile, target):
        magnitude, speed = magnitude * POST_MAGNITUDE, speed * POST_SPEED
    if not is_bot and target > rules.learners:
        magnitude *= AGAINST_BOT
    troops = game.troops[target]
    great, lossy, quick = factors
    loss = min(max(troops / force, 0.6), 2.0) * magnitude * 0.8 * great * lossy
    used = min(max(troops / (5 * force), 0.2), 1.5) * speed * great * quick
    return loss, troops / game.tiles[target], used


@inlined_kernel
def _is_guarded(game: Game, rules: Rules, tile: int, owner: int) -> bool:
    """Whether a defence post of a tile's owner is near."""
    x, y = land.place(rules, tile)
    for place in range(game.structures.shape[0]):
        at = game.structures[place, 1]
        if game.structures[place, 0] == POST and game.owner[at] == owner:
            u, v = land.place(rules, at)
            if (u - x) ** 2 + (v - y) ** 2 <= POST_RANGE * POST_RANGE:
                return True
    return False
