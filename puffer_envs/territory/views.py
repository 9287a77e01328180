"""A map seen at one scale: n x n blocks of tiles, pooled exactly, and followed tile by tile.

A plane's byte is the share of a block that is so, in 255ths. Of each block the tiles of every player are counted; a
tile that changes hands changes two counts and the bytes of its block. All is pooled anew only where the window moves.
Troops belong to players, not to tiles: the troop planes are the share times the density of the block's owner (of the
enemies, the one with most tiles), a byte of which 16 make a doubling.
"""

import math
from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import kernel, lowest_bit, wide
from puffer_envs.territory.rules import front, land
from puffer_envs.territory.state import (
    CHANGES,
    CITY,
    ENEMIES,
    ENEMY_TROOPS,
    MAX_CHANGES,
    NEUTRAL,
    NO_BUILDING,
    OWN,
    OWN_TROOPS,
    PLANES,
    STRUCTURES,
    TERRAIN,
    Game,
    Rules,
)

HEIGHT = 60  # of a class of terrain, in the plane's bytes: plains 60, highland 120, mountain 180, mean over the block
POST_SEEN, CITY_SEEN = 220, 255  # a block with a structure
_ONE = np.uint64(1)


class View(NamedTuple):
    """One scale, of R = E x A rows; B = n x n blocks."""

    blocks: int  # n
    size: int  # tiles along the edge of a block
    a_tile: float  # 1 / size
    offset: int  # where its planes begin in an observation
    shares: np.ndarray  # uint8 [tiles of a block + 1], byte of a count
    counts: np.ndarray  # uint16 [R, B, P1], tiles of each player; of nobody, the land
    strongest: np.ndarray  # uint8 [R, B], the enemy with most tiles
    stale: np.ndarray  # uint64 [R, B / 64], bits of blocks whose bytes are to be written; zeros between uses
    levels: np.ndarray  # uint8 [R, P1], densities of troops that are in the planes
    origin: np.ndarray  # int64 [R, 2], x and y of the first tile
    structures: np.ndarray  # int64 [R], how many are in the planes; -1: nothing is


class Row(NamedTuple):
    """One row of a `View`, and its part of the observation."""

    blocks: int
    size: int
    a_tile: float
    shares: np.ndarray
    counts: np.ndarray
    strongest: np.ndarray
    stale: np.ndarray
    levels: np.ndarray
    x: int
    y: int
    out: np.ndarray  # uint8 [6 B]


def allocate(rows: int, players: int, blocks: int, size: int, offset: int) -> View:
    """A view that shows nothing yet."""
    area = size * size
    return View(
        blocks=blocks,
        size=size,
        a_tile=1 / size,
        offset=offset,
        shares=((np.arange(area + 1) * 255 + area // 2) // area).astype(np.uint8),
        counts=np.zeros((rows, blocks * blocks, players + 1), np.uint16),
        strongest=np.zeros((rows, blocks * blocks), np.uint8),
        stale=np.zeros((rows, blocks * blocks // 64), np.uint64),
        levels=np.zeros((rows, players + 1), np.uint8),
        origin=np.zeros((rows, 2), np.int64),
        structures=np.full(rows, -1, np.int64),
    )


@kernel
def level(troops: float, tiles: int) -> int:
    """The density of a player's troops as a byte."""
    return 0 if tiles == 0 else min(255, max(0, math.floor(16 * math.log2(1 + troops / tiles) + 0.5)))


@kernel
def follow(
    view: View, row: int, game: Game, rules: Rules, player: int, x: int, y: int, levels: np.ndarray, rows: np.ndarray
) -> None:
    """Bring the planes of a player's view up to date.

    Args:
        x: of the first tile of the window, like ``y``.
        levels: uint8 [P1], of all players now.
        rows: uint8 [R, observation], written in place: it is as this function left it last.
    """
    size = PLANES * view.blocks * view.blocks
    out = rows[row, view.offset : view.offset + size]
    counts, strongest, stale = view.counts[row], view.strongest[row], view.stale[row]
    part = Row(view.blocks, view.size, view.a_tile, view.shares, counts, strongest, stale, view.levels[row], x, y, out)
    moved = view.origin[row, 0] != x or view.origin[row, 1] != y
    if view.structures[row] < 0 or moved or game.numbers[CHANGES] > MAX_CHANGES:
        view.origin[row, 0], view.origin[row, 1] = x, y
        for other in range(levels.size):
            part.levels[other] = levels[other]
        pool(part, game, rules, player)
        view.structures[row] = -1
    else:
        _follow_changes(part, game, rules, player)
        _follow_levels(part, game, player, levels)
    if view.structures[row] != game.numbers[STRUCTURES]:
        _draw_terrain(part, game, rules)
        view.structures[row] = game.numbers[STRUCTURES]


@kernel
def pool(part: Row, game: Game, rules: Rules, player: int) -> None:
    """All planes but the terrain from the owners of the tiles."""
    part.counts[:] = 0
    for down in range(part.blocks * part.size):
        y = part.y + down
        if not 0 <= y < rules.height:
            continue
        for across in range(part.blocks):
            block = down // part.size * part.blocks + across
            x = part.x + across * part.size
            for tile in range(y * rules.width + max(0, x), y * rules.width + min(rules.width, x + part.size)):
                if land.is_land(game.ground, tile):
                    part.counts[block, game.owner[tile]] += 1
    for block in range(part.blocks * part.blocks):
        _write_block(part, block, player)


@kernel
def _follow_changes(part: Row, game: Game, rules: Rules, player: int) -> None:
    """Count first, then write each block once: along a front several tiles of a block change together."""
    for i in range(game.numbers[CHANGES]):
        where, owners = wide(game.changes[i, 0]), wide(game.changes[i, 1])
        block = _block_of(part, (where & 65_535) - part.x, (where >> 16) - part.y)
        if block >= 0:
            part.counts[block, owners & 255] -= 1
            part.counts[block, owners >> 8] += 1
            front.set_bit(part.stale, block)
    for word in range(part.stale.size):
        bits = part.stale[word]
        part.stale[word] = 0
        while bits != 0:
            _write_block(part, (word << 6) + lowest_bit(bits), player)
            bits &= bits - _ONE


@kernel
def _block_of(part: Row, across: int, down: int) -> int:
    """The block of a tile, -1 for one outside of the window."""
    edge = part.blocks * part.size
    if not (0 <= across < edge and 0 <= down < edge):
        return -1
    return int((down + 0.5) * part.a_tile) * part.blocks + int((across + 0.5) * part.a_tile)


@kernel
def _write_block(part: Row, block: int, player: int) -> None:
    """The bytes of a block, the terrain's apart, from its counts."""
    counts, plane, out = part.counts, part.blocks * part.blocks, part.out
    enemies = most = strongest = 0
    for other in range(1, counts.shape[1]):
        count = 0 if other == player else wide(counts[block, other])
        enemies += count
        strongest = other if count > most else strongest
        most = max(most, count)
    part.strongest[block] = strongest
    own, others = wide(part.shares[counts[block, player]]), wide(part.shares[enemies])
    out[OWN * plane + block] = own
    out[ENEMIES * plane + block] = others
    out[NEUTRAL * plane + block] = part.shares[counts[block, 0]]
    out[OWN_TROOPS * plane + block] = _scaled(own, wide(part.levels[player]))
    out[ENEMY_TROOPS * plane + block] = _scaled(others, wide(part.levels[strongest]))


@kernel
def _scaled(share: int, density: int) -> int:
    """The product of two bytes in 255ths, rounded."""
    product = share * density + 127
    return (product + 1 + (product >> 8)) >> 8


@kernel
def _follow_levels(part: Row, game: Game, player: int, levels: np.ndarray) -> None:
    for other in range(1, levels.size):
        if part.levels[other] != levels[other]:
            part.levels[other] = levels[other]
            _scale(part, game, other, player)


@kernel
def _scale(part: Row, game: Game, owner: int, player: int) -> None:
    """The troop planes where an owner's troops are seen: within the blocks of the box around its land."""
    plane, density, box = part.blocks * part.blocks, wide(part.levels[owner]), game.box[owner]
    left, top = max(0, _floor(part, box[0] - part.x)), max(0, _floor(part, box[1] - part.y))
    right, bottom = (
        min(part.blocks - 1, _floor(part, box[2] - part.x)),
        min(part.blocks - 1, _floor(part, box[3] - part.y)),
    )
    for down in range(top, bottom + 1):
        for block in range(down * part.blocks + left, down * part.blocks + right + 1):
            if owner == player:
                scaled = _scaled(wide(part.out[OWN * plane + block]), density)
                part.out[OWN_TROOPS * plane + block] = scaled
            elif part.strongest[block] == owner:
                scaled = _scaled(wide(part.out[ENEMIES * plane + block]), density)
                part.out[ENEMY_TROOPS * plane + block] = scaled


@kernel
def _floor(part: Row, tiles: int) -> int:
    return math.floor((tiles + 0.5) * part.a_tile)


@kernel
def _draw_terrain(part: Row, game: Game, rules: Rules) -> None:
    plane, area = part.blocks * part.blocks, part.size * part.size
    out = part.out[TERRAIN * plane : (TERRAIN + 1) * plane]
    for block in range(plane):
        x, y = part.x + block % part.blocks * part.size, part.y + block // part.blocks * part.size
        total = 0
        for v in range(max(0, y), min(rules.height, y + part.size)):
            for u in range(max(0, x), min(rules.width, x + part.size)):
                total += land.class_of(game.ground, v * rules.width + u)
        out[block] = (total * HEIGHT + area // 2) // area
    for place in range(game.structures.shape[0]):
        kind, tile = game.structures[place, 0], game.structures[place, 1]
        x, y = land.place(rules, tile)
        block = _block_of(part, x - part.x, y - part.y)
        if kind != NO_BUILDING and block >= 0:
            seen = CITY_SEEN if kind == CITY else POST_SEEN
            out[block] = max(out[block], seen)
