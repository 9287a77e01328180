"""Land that changes hands, the borders that follow it, and land that is cut off."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel, lowest_bit, wide
from puffer_envs.territory.rules import front
from puffer_envs.territory.state import (
    ALL_SIDES,
    ATTACKER,
    CHANGES,
    CLASS_SHIFT,
    DX,
    DY,
    MAX_CHANGES,
    NO_BUILDING,
    STRUCTURES,
    WATER,
    Game,
    Rules,
    Scratch,
)

_ONE = np.uint64(1)


@kernel
def place(rules: Rules, tile: int) -> tuple[int, int]:
    """x and y of a tile."""
    y = int((tile + 0.5) * rules.a_row)  # exact: a half is far more than the product can be off
    return tile - y * rules.width, y


@kernel
def class_of(ground: np.ndarray, tile: int) -> int:
    """Water, plains, highland or mountain."""
    return (wide(ground[tile]) >> CLASS_SHIFT) & 3


@kernel
def is_land(ground: np.ndarray, tile: int) -> bool:
    """Whether a tile is no water."""
    return class_of(ground, tile) != WATER


@inlined_kernel
def beside(game: Game, rules: Rules, tile: int, player: int) -> int:
    """How many of the four neighbours of a tile are a player's."""
    sides, count = game.ground[tile], 0
    for side in range(4):
        if (sides >> side) & 1 and game.owner[tile + rules.ways[side]] == player:
            count += 1
    return count


@inlined_kernel
def touches_others(game: Game, rules: Rules, tile: int, player: int) -> bool:
    """Whether a neighbour of a tile is land that is not a player's."""
    sides = game.ground[tile]
    for side in range(4):
        near = tile + rules.ways[side]
        if (sides >> side) & 1 and game.owner[near] != player:
            return True
    return False


@inlined_kernel
def conquer(game: Game, rules: Rules, tile: int, player: int) -> None:
    """A tile becomes a player's (not its own before), and all that is counted follows."""
    owner, (x, y) = game.owner, place(rules, tile)
    former = wide(owner[tile])
    owner[tile] = player
    _count(game, former, -1, x, y)
    _count(game, player, 1, x, y)
    box = game.box
    box[player, 0], box[player, 1] = min(box[player, 0], x), min(box[player, 1], y)
    box[player, 2], box[player, 3] = max(box[player, 2], x), max(box[player, 3], y)
    _note(game, x, y, former, player)
    if game.numbers[STRUCTURES]:
        _hand_over(game, tile, former, player)
    _follow_border(game, rules, tile, player)
    if former and game.tiles[former] == 0:
        _die(game, former, player)


@inlined_kernel
def _count(game: Game, player: int, sign: int, x: int, y: int) -> None:
    game.tiles[player] += sign
    game.sums[player, 0] += sign * x
    game.sums[player, 1] += sign * y


@inlined_kernel
def _note(game: Game, x: int, y: int, former: int, player: int) -> None:
    at = game.numbers[CHANGES]
    if at < MAX_CHANGES:
        game.changes[at, 0] = x + (y << 16)
        game.changes[at, 1] = former + 256 * player
    game.numbers[CHANGES] += 1


@inlined_kernel
def _hand_over(game: Game, tile: int, former: int, player: int) -> None:
    for place in range(game.structures.shape[0]):
        kind = game.structures[place, 0]
        if kind != NO_BUILDING and game.structures[place, 1] == tile:
            game.built[former, kind] -= 1
            game.built[player, kind] += 1


@inlined_kernel
def _follow_border(game: Game, rules: Rules, tile: int, player: int) -> None:
    """The border's bits of a tile that has become a player's, and of its neighbours."""
    sides, alone = game.ground[tile], True
    for side in range(4):
        if (sides >> side) & 1:
            near = tile + rules.ways[side]
            other = game.owner[near]
            if other != player:
                alone = False
                if other != 0:
                    front.set_bit(game.border, near)
            elif not touches_others(game, rules, near, player):
                front.clear_bit(game.border, near)
    if alone:
        front.clear_bit(game.border, tile)
    else:
        front.set_bit(game.border, tile)


@kernel
def _die(game: Game, player: int, heir: int) -> None:
    """The last tile is gone: so are the troops, at home and abroad; the gold is the conqueror's."""
    game.troops[player] = 0.0
    game.gold[heir] += game.gold[player]
    game.gold[player] = 0.0
    for slot in range(game.attacks.shape[0]):
        if game.attacks[slot, ATTACKER] == player:
            front.close(game, slot)


@inlined_kernel
def absorb(game: Game, rules: Rules, player: int, loser: int) -> None:
    """All that a player owns becomes another's."""
    box = game.box[loser]
    for y in range(box[1], box[3] + 1):
        for x in range(box[0], box[2] + 1):
            if game.owner[y * rules.width + x] == loser:
                conquer(game, rules, y * rules.width + x, player)


# -- borders -----------------------------------------------------------------------------------------------------------
@kernel
def border_of(game: Game, rules: Rules, player: int, out: np.ndarray) -> int:
    """The border tiles of a player into ``out`` (int32), ascending; how many they are."""
    box, count, words = game.box[player], 0, rules.width >> 6
    for y in range(box[1], box[3] + 1):
        for word in range(y * words + (box[0] >> 6), y * words + (box[2] >> 6) + 1):
            bits = game.border[word]
            while bits != 0:
                tile = (word << 6) + lowest_bit(bits)
                bits &= bits - _ONE
                if game.owner[tile] == player:
                    out[count] = tile
                    count += 1
    return count


# -- land that is cut off ----------------------------------------------------------------------------------------------
@kernel
def capture_surrounded(game: Game, rules: Rules, player: int, scratch: Scratch) -> None:
    """Whatever part of a player's land lies within another's, and has no water at its edge, goes to that other."""
    count = border_of(game, rules, player, scratch.tiles)
    for i in range(count):
        front.set_bit(scratch.marks, scratch.tiles[i])
    for i in range(count):
        if front.test(scratch.marks, scratch.tiles[i]):
            size = _collect(rules, wide(scratch.tiles[i]), scratch)
            captor = _captor(game, rules, player, scratch.cluster[:size])
            if captor:
                _capture(game, rules, player, captor, scratch.cluster[:size], scratch.stack)


@kernel
def _collect(rules: Rules, tile: int, scratch: Scratch) -> int:
    """Move the marked tiles that hang together with one (over corners, too) into ``scratch.cluster``; their number."""
    cluster, size, done = scratch.cluster, 1, 0
    front.clear_bit(scratch.marks, tile)
    cluster[0] = tile
    while done < size:
        x, y = place(rules, wide(cluster[done]))
        done += 1
        for way in range(8):
            u, v = x + DX[way], y + DY[way]
            if 0 <= u < rules.width and 0 <= v < rules.height:
                near = v * rules.width + u
                if front.test(scratch.marks, near):
                    front.clear_bit(scratch.marks, near)
                    cluster[size] = near
                    size += 1
    return size


@kernel
def _captor(game: Game, rules: Rules, player: int, cluster: np.ndarray) -> int:
    """The one player whose land lies all around a cluster of border tiles, 0 where there is none.

    A cluster that reaches the coast goes on there: it is but a piece of the land's edge, and its box says nothing.
    """
    captor = 0
    x0 = y0 = u0 = v0 = 1 << 20  # boxes of the cluster, and of the captor's tiles beside it
    x1 = y1 = u1 = v1 = -1
    for i in range(cluster.size):
        tile = wide(cluster[i])
        if game.owner[tile] != player or game.ground[tile] & ALL_SIDES != ALL_SIDES:
            return 0
        x, y = place(rules, tile)
        x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        for side in range(4):
            near = tile + rules.ways[side]
            other = wide(game.owner[near])
            if other == player:
                continue
            if other == 0 or (captor != 0 and other != captor):
                return 0
            captor = other
            u, v = place(rules, near)
            u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
        if _is_by_coast(game, rules, tile, player):
            return 0
    return captor if u0 < x0 and u1 > x1 and v0 < y0 and v1 > y1 else 0


@inlined_kernel
def _is_by_coast(game: Game, rules: Rules, tile: int, player: int) -> bool:
    """Whether one of the eight tiles around, all of them on the map, is the player's and touches water or the edge."""
    for way in range(8):
        near = tile + DX[way] + DY[way] * rules.width
        if game.owner[near] == player and game.ground[near] & ALL_SIDES != ALL_SIDES:
            return True
    return False


@kernel
def _capture(game: Game, rules: Rules, player: int, captor: int, cluster: np.ndarray, stack: np.ndarray) -> None:
    for i in range(cluster.size):
        if game.owner[cluster[i]] != player:
            continue
        conquer(game, rules, wide(cluster[i]), captor)
        stack[0], size = cluster[i], 1
        while size:
            size -= 1
            tile = wide(stack[size])
            for side in range(4):
                near = tile + rules.ways[side]
                if (game.ground[tile] >> side) & 1 and game.owner[near] == player:
                    conquer(game, rules, near, captor)
                    stack[size] = near
                    size += 1
