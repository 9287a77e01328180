"""The queue of an attack: tiles by priority, the lowest first, and of equals the one put in last.

Priorities are whole numbers that grow with the tick, so each has a list of its own, and a tile comes and goes without
the comparisons of a heap.
"""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel, wide
from puffer_envs.territory.state import ATTACKER, BORDER, ENTRIES, FREE, LOWEST, NEXT, TARGET, TILE, USED, Game

_ONE, _SIX, _LOW_6 = np.uint64(1), np.uint64(6), np.uint64(63)


@kernel
def test(bits: np.ndarray, tile: int) -> bool:
    """Whether the bit of a tile is set in words of 64."""
    return (bits[tile >> 6] >> (np.uint64(tile) & _LOW_6)) & _ONE != 0


@kernel
def set_bit(bits: np.ndarray, tile: int) -> None:
    """Set the bit of a tile."""
    bits[tile >> 6] |= _ONE << (np.uint64(tile) & _LOW_6)


@kernel
def clear_bit(bits: np.ndarray, tile: int) -> None:
    """Clear the bit of a tile."""
    bits[tile >> 6] &= ~(_ONE << (np.uint64(tile) & _LOW_6))


@inlined_kernel
def put(game: Game, slot: int, priority: int, tile: int) -> None:
    """Put a tile into the queue of an attack. Where all nodes are in use, it is left out: its neighbours come back."""
    nodes, numbers, attacks = game.nodes, game.numbers, game.attacks
    node = numbers[FREE]
    if node:
        numbers[FREE] = nodes[node - 1, NEXT]
    elif numbers[USED] < nodes.shape[0]:
        numbers[USED] += 1
        node = numbers[USED]
    else:
        return
    nodes[node - 1, TILE] = tile
    nodes[node - 1, NEXT] = game.heads[slot, priority]
    game.heads[slot, priority] = node
    if attacks[slot, ENTRIES] == 0 or priority < attacks[slot, LOWEST]:
        attacks[slot, LOWEST] = priority
    attacks[slot, ENTRIES] += 1
    if not test(game.queued[slot], tile):
        set_bit(game.queued[slot], tile)
        attacks[slot, BORDER] += 1


@inlined_kernel
def take(game: Game, slot: int) -> int:
    """The next tile of an attack, -1 where there is none."""
    nodes, numbers, attacks = game.nodes, game.numbers, game.attacks
    if attacks[slot, ENTRIES] == 0:
        return -1
    priority = attacks[slot, LOWEST]
    while game.heads[slot, priority] == 0:
        priority += 1
    attacks[slot, LOWEST] = priority
    attacks[slot, ENTRIES] -= 1
    node = wide(game.heads[slot, priority])
    game.heads[slot, priority] = nodes[node - 1, NEXT]
    nodes[node - 1, NEXT] = numbers[FREE]
    numbers[FREE] = node
    tile = wide(nodes[node - 1, TILE])
    if test(game.queued[slot], tile):
        clear_bit(game.queued[slot], tile)
        attacks[slot, BORDER] -= 1
    return tile


@kernel
def clear(game: Game, slot: int) -> None:
    """Take all tiles out of the queue of an attack."""
    while take(game, slot) >= 0:
        pass


@kernel
def close(game: Game, slot: int) -> None:
    """End an attack: its place is free."""
    clear(game, slot)
    game.attacks[slot, ATTACKER] = 0
    game.force[slot] = 0.0


@kernel
def find(game: Game, attacker: int, target: int) -> int:
    """The place of an attack, -1 where there is none; of attacker 0 the first free place."""
    for slot in range(game.attacks.shape[0]):
        if game.attacks[slot, ATTACKER] == attacker and (attacker == 0 or game.attacks[slot, TARGET] == target):
            return slot
    return -1


@kernel
def strongest(game: Game, target: int, among: np.ndarray) -> int:
    """Who attacks a player with most troops, of equals the lowest number; 0 where nobody does.

    Args:
        among: int64 [P1], not 0 for those who are asked for.
    """
    best, most = 0, 0.0
    for slot in range(game.attacks.shape[0]):
        attacker, force = game.attacks[slot, ATTACKER], game.force[slot]
        stronger = best == 0 or force > most or (force == most and attacker < best)
        if attacker and game.attacks[slot, TARGET] == target and among[attacker] and stronger:
            best, most = attacker, force
    return best
