"""A map seen at one scale: n x n blocks of tiles, pooled exactly, and followed tile by tile.

A plane's byte is the share of a block that is so, in 255ths. Of each block the tiles of every player are counted; a
tile that changes hands changes two counts and the bytes of its block. All is pooled anew only where the window moves.
Troops belong to players, not to tiles: the troop planes are the share times the density of the block's owner (of the
enemies, the one with most tiles), a byte of which 16 make a doubling.
"""

import math
from typing import NamedTuple

import numpy as np

from puffer_envs.jit import borrowed, kernel, wide
from puffer_envs.territory import land
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


class View(NamedTuple):
    """One scale, of R = E x A rows; B = n x n blocks."""

    blocks: int  # n
    size: int  # tiles along the edge of a block
    offset: int  # where its planes begin in an observation
    shares: np.ndarray  # uint8 [tiles of a block + 1], byte of a count
    counts: np.ndarray  # uint16 [R, B, P1], tiles of each player; of nobody, the land
    strongest: np.ndarray  # uint8 [R, B], the enemy with most tiles
    levels: np.ndarray  # uint8 [R, P1], densities of troops that are in the planes
    origin: np.ndarray  # int64 [R, 2], x and y of the first tile
    structures: np.ndarray  # int64 [R], how many are in the planes; -1: nothing is


class Row(NamedTuple):
    """One row of a `View`, and its part of the observation."""

    blocks: int
    size: int
    shares: np.ndarray
    counts: np.ndarray
    strongest: np.ndarray
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
        offset=offset,
        shares=((np.arange(area + 1) * 255 + area // 2) // area).astype(np.uint8),
        counts=np.zeros((rows, blocks * blocks, players + 1), np.uint16),
        strongest=np.zeros((rows, blocks * blocks), np.uint8),
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
    part = borrowed(
        Row(
            view.blocks,
            view.size,
            view.shares,
            view.counts[row],
            view.strongest[row],
            view.levels[row],
            x,
            y,
            out,
        )
    )
    moved = view.origin[row, 0] != x or view.origin[row, 1] != y
    if view.structures[row] < 0 or moved or game.numbers[CHANGES] > MAX_CHANGES:
        view.origin[row, 0], view.origin[row, 1] = x, y
        part.levels[:] = levels
        pool(part, game, rules, player)
        view.structures[row] = -1
    else:
        _follow_changes(part, game, rules, player)
        _follow_levels(part, player, levels)
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
    for i in range(game.numbers[CHANGES]):
        tile, owners = wide(game.changes[i, 0]), wide(game.changes[i, 1])
        across, down = tile % rules.width - part.x, tile // rules.width - part.y
        edge = part.blocks * part.size
        if 0 <= across < edge and 0 <= down < edge:
            block = down // part.size * part.blocks + across // part.size
            part.counts[block, owners & 255] -= 1
            part.counts[block, owners >> 8] += 1
            _write_block(part, block, player)


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
def _follow_levels(part: Row, player: int, levels: np.ndarray) -> None:
    plane = part.blocks * part.blocks
    for other in range(1, levels.size):
        if part.levels[other] == levels[other]:
            continue
        part.levels[other] = levels[other]
        if other == player:
            own = part.out[OWN * plane : (OWN + 1) * plane]
            _scale(own, wide(levels[other]), part.out[OWN_TROOPS * plane : (OWN_TROOPS + 1) * plane])
        else:
            enemies = part.out[ENEMIES * plane : (ENEMIES + 1) * plane]
            troops = part.out[ENEMY_TROOPS * plane : (ENEMY_TROOPS + 1) * plane]
            _scale_where(part.strongest, other, enemies, wide(levels[other]), troops)


@kernel
def _scale(shares: np.ndarray, density: int, out: np.ndarray) -> None:
    for i in range(shares.size):
        out[i] = _scaled(wide(shares[i]), density)


@kernel
def _scale_where(strongest: np.ndarray, player: int, shares: np.ndarray, density: int, out: np.ndarray) -> None:
    for i in range(shares.size):
        scaled = np.uint8(_scaled(wide(shares[i]), density))
        out[i] = scaled if strongest[i] == player else out[i]


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
        across, down = tile % rules.width - part.x, tile // rules.width - part.y
        edge = part.blocks * part.size
        if kind != NO_BUILDING and 0 <= across < edge and 0 <= down < edge:
            block = down // part.size * part.blocks + across // part.size
            seen = CITY_SEEN if kind == CITY else POST_SEEN
            out[block] = max(out[block], seen)
