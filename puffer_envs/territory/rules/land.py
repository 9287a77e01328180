"""Land that changes hands, the borders that follow it, and land that is cut off."""

import numpy as np

from puffer_envs.kit.jit import inlined_kernel, kernel, lowest_bit, wide
from puffer_envs.territory.rules import front
from puffer_envs.territory.state import (
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

_ONE, _THREE = np.uint64(1), np.uint64(7)


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


@kernel
def absorb(game: Game, rules: Rules, player: int, loser: int) -> None:
    """A loser's gold becomes a player's, its tiles that of the player next to them, or of any other who is.

    Row by row, again and again: what has fallen is next to more. Land that touches nobody's stays the loser's.
    """
    game.gold[player] += game.gold[loser]
    game.gold[loser] = 0.0
    x0, y0, x1, y1 = game.box[loser, 0], game.box[loser, 1], game.box[loser, 2], game.box[loser, 3]
    falls = True
    while falls:
        falls, left, top, right, bottom = False, x1, y1, x0, y0  # the box of those that are left
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                tile = y * rules.width + x
                if game.owner[tile] == loser:
                    heir = _heir(game, rules, tile, player, loser)
                    if heir:
                        conquer(game, rules, tile, heir)
                        falls = True
                    else:
                        left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
        x0, y0, x1, y1 = left, top, right, bottom


@kernel
def _heir(game: Game, rules: Rules, tile: int, player: int, loser: int) -> int:
    """The player where it is next to a tile, else the first other one N, E, S or W of it, 0 where there is none."""
    if beside(game, rules, tile, player):
        return player
    for side in range(4):
        if (game.ground[tile] >> side) & 1:
            other = wide(game.owner[tile + rules.ways[side]])
            if other != 0 and other != loser:
                return other
    return 0


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
    """Whatever part of a player's land is surrounded, and has no water at its edge, falls to one of those around it.

    Its main part, the one with the longest edge, falls only where a single player's land is all around it.
    """
    count, main = border_of(game, rules, player, scratch.tiles), -1
    for i in range(count):
        front.set_bit(scratch.marks, scratch.tiles[i])
    for i in range(count):
        tile = wide(scratch.tiles[i])
        if front.test(scratch.marks, tile):
            cluster = scratch.cluster[: _collect(rules, tile, scratch.marks, scratch.cluster)]
            captor, is_alone = _captor(game, rules, player, cluster, scratch.counts)
            if captor and main < 0:
                main = _main(game, rules, player, scratch)
            if captor and (is_alone or tile != main):
                _capture(game, rules, player, captor, cluster, scratch.stack)


@kernel
def _collect(rules: Rules, tile: int, marks: np.ndarray, out: np.ndarray) -> int:
    """Move the marked tiles that hang together with one (over corners, too) into ``out``, int32; their number."""
    size, done = 1, 0
    front.clear_bit(marks, tile)
    out[0] = tile
    while done < size:
        x, y = place(rules, wide(out[done]))
        done += 1
        for v in range(max(0, y - 1), min(rules.height, y + 2)):
            size = _collect_row(rules, x, v, marks, out, size)
    return size


@inlined_kernel
def _collect_row(rules: Rules, x: int, y: int, marks: np.ndarray, out: np.ndarray, size: int) -> int:
    """Move a tile and those W and E of it, as far as they are marked, into ``out`` behind the first ``size``."""
    tile = y * rules.width + x
    word, bit = tile >> 6, tile & 63
    if 0 < bit < 63:  # all three lie in a word
        shift = np.uint64(bit - 1)
        bits = (marks[word] >> shift) & _THREE
        marks[word] &= ~(bits << shift)
        while bits != 0:
            out[size] = tile - 1 + lowest_bit(bits)
            bits &= bits - _ONE
            size += 1
        return size
    for u in range(max(0, x - 1), min(rules.width, x + 2)):
        if front.test(marks, y * rules.width + u):
            front.clear_bit(marks, y * rules.width + u)
            out[size] = y * rules.width + u
            size += 1
    return size


@kernel
def _main(game: Game, rules: Rules, player: int, scratch: Scratch) -> int:
    """The first tile of the largest cluster of a player's border and coast, of equals the first."""
    box, words, main, most = game.box[player], rules.width >> 6, -1, 0
    for y in range(box[1], box[3] + 1):
        for word in range(y * words + (box[0] >> 6), y * words + (box[2] >> 6) + 1):
            bits = game.border[word] | game.coast[word]
            while bits != 0:
                tile = (word << 6) + lowest_bit(bits)
                bits &= bits - _ONE
                if game.owner[tile] == player:
                    front.set_bit(scratch.edge, tile)
    for y in range(box[1], box[3] + 1):
        for word in range(y * words + (box[0] >> 6), y * words + (box[2] >> 6) + 1):
            while scratch.edge[word] != 0:
                tile = (word << 6) + lowest_bit(scratch.edge[word])
                size = _collect(rules, tile, scratch.edge, scratch.stack)
                if size > most:
                    main, most = tile, size
    return main


@kernel
def _captor(game: Game, rules: Rules, player: int, cluster: np.ndarray, counts: np.ndarray) -> tuple[int, bool]:
    """Who gets a cluster of border tiles that lies in the box of other players' tiles beside it, 0 where it does not.

    The one of them who attacks with most troops, else the one with most sides of tiles beside it. A cluster that
    reaches the coast goes on there: it is but a piece of the land's edge, and its box says nothing.

    Args:
        counts: int64 [P1], written.

    Returns:
        the player, and whether its land alone lies all around.
    """
    for i in range(cluster.size):
        if game.owner[cluster[i]] != player or _is_by_coast(game, rules, wide(cluster[i]), player):
            return 0, False
    counts[:] = 0
    is_alone = True
    x0 = y0 = u0 = v0 = 1 << 20  # boxes of the cluster, and of others' tiles beside it
    x1 = y1 = u1 = v1 = -1
    for i in range(cluster.size):
        tile = wide(cluster[i])
        x, y = place(rules, tile)
        x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        for side in range(4):
            near = tile + rules.ways[side]
            other = wide(game.owner[near])
            if other == player:
                continue
            if other == 0:
                is_alone = False
                continue
            counts[other] += 1
            u, v = place(rules, near)
            u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
    if u0 > x0 or u1 < x1 or v0 > y0 or v1 < y1:
        return 0, False
    most = int(np.argmax(counts))
    captor = front.strongest(game, player, counts)
    return captor if captor else most, is_alone and counts[most] == counts.sum()


@inlined_kernel
def _is_by_coast(game: Game, rules: Rules, tile: int, player: int) -> bool:
    """Whether a tile of a player's, or one of the eight around it that is, touches water or the map's edge."""
    if front.test(game.coast, tile):
        return True
    bit, row = tile & 63, rules.width >> 6
    if 0 < bit < 63:  # all nine lie in three words, and mostly there is no coast
        word = tile >> 6
        bits = game.coast[word - row] | game.coast[word] | game.coast[word + row]
        if (bits >> np.uint64(bit - 1)) & _THREE == 0:
            return False
    for way in range(8):
        near = tile + DX[way] + DY[way] * rules.width
        if game.owner[near] == player and front.test(game.coast, near):
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
