"""Cities and defence posts: what they cost, and where they are built. Also how threatened a place is."""

import numpy as np

from puffer_envs.kit.jit import kernel, lowest_bit, wide
from puffer_envs.territory.config import CITY_COST, CITY_MAX, POST_COST, POST_MAX, STRUCTURE_DISTANCE, THREAT_RANGE
from puffer_envs.territory.rules import land
from puffer_envs.territory.state import CITY, NO_BUILDING, POST, STRUCTURES, Game, Rules, Scratch

_ONE, _ALL = np.uint64(1), ~np.uint64(0)


@kernel
def threat(game: Game, rules: Rules, player: int, tile: int) -> int:
    """How many border tiles of other players lie within 8 columns and 8 rows of a tile."""
    (x, y), count = land.place(rules, tile), 0
    left, right = max(0, x - THREAT_RANGE), min(rules.width - 1, x + THREAT_RANGE)
    words = rules.width >> 6
    for v in range(max(0, y - THREAT_RANGE), min(rules.height, y + THREAT_RANGE + 1)):
        for word in range(left >> 6, (right >> 6) + 1):
            bits = game.border[v * words + word]
            if word == left >> 6:
                bits &= _ALL << np.uint64(left & 63)
            if word == right >> 6:
                bits &= _ALL >> np.uint64(63 - (right & 63))
            while bits != 0:
                near = ((v * words + word) << 6) + lowest_bit(bits)
                bits &= bits - _ONE
                count += game.owner[near] != player
    return count


@kernel
def most_threatened(game: Game, rules: Rules, player: int, spaced: bool, scratch: Scratch) -> tuple[int, int]:
    """The border tile of a player with the greatest threat, of equals the first, and the threat; -1 without a border.

    Args:
        spaced: only tiles where a structure may be built.
    """
    best, most = -1, -1
    for i in range(land.border_of(game, rules, player, scratch.tiles)):
        tile = wide(scratch.tiles[i])
        if not spaced or _has_room(game, rules, tile):
            danger = threat(game, rules, player, tile)
            if danger > most:
                best, most = tile, danger
    return best, most


@kernel
def build(game: Game, rules: Rules, player: int, kind: int, scratch: Scratch) -> bool:
    """Build a city or a post if there are gold and room for it; False: nothing came of it."""
    if kind != CITY and kind != POST:
        return True
    cost = cost_of(game, player, kind)
    place = _free_place(game)
    if game.gold[player] < cost or place < 0:
        return False
    if kind == CITY:
        tile = _city_site(game, rules, player)
    else:
        tile, danger = most_threatened(game, rules, player, True, scratch)
        tile = tile if danger >= 1 else -1
    if tile < 0:
        return False
    game.gold[player] -= cost
    game.structures[place, 0], game.structures[place, 1] = kind, tile
    game.built[player, kind] += 1
    game.numbers[STRUCTURES] += 1
    return True


@kernel
def cost_of(game: Game, player: int, kind: int) -> float:
    """Gold for the next city or post."""
    count = game.built[player, kind]
    return min(CITY_MAX, 2.0**count * CITY_COST) if kind == CITY else min(POST_MAX, (count + 1) * POST_COST)


@kernel
def _free_place(game: Game) -> int:
    for place in range(game.structures.shape[0]):
        if game.structures[place, 0] == NO_BUILDING:
            return place
    return -1


@kernel
def _has_room(game: Game, rules: Rules, tile: int) -> bool:
    """Whether a tile is far enough from every structure."""
    x, y = land.place(rules, tile)
    for place in range(game.structures.shape[0]):
        if game.structures[place, 0] != NO_BUILDING:
            u, v = land.place(rules, game.structures[place, 1])
            if (u - x) ** 2 + (v - y) ** 2 < STRUCTURE_DISTANCE**2:
                return False
    return True


@kernel
def _city_site(game: Game, rules: Rules, player: int) -> int:
    """The own tile nearest to the middle of the land, of equals the first, that has room; -1 where there is none."""
    x, y = game.sums[player, 0] // game.tiles[player], game.sums[player, 1] // game.tiles[player]
    best, least, box = -1, 1 << 40, game.box[player]
    for v in range(box[1], box[3] + 1):
        for u in range(box[0], box[2] + 1):
            distance, tile = (u - x) ** 2 + (v - y) ** 2, v * rules.width + u
            if distance < least and game.owner[tile] == player and _has_room(game, rules, tile):
                best, least = tile, distance
    return best
