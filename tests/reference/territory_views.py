"""Slow twin of territory's observation: pieces of it made afresh from a map of owners."""

import math

import numpy as np


def block(values: np.ndarray, x: int, y: int, size: int) -> np.ndarray:
    """The part on the map of the square whose upper left tile is (x, y)."""
    return values[max(0, y) : max(0, y + size), max(0, x) : max(0, x + size)]


def block_shares(
    owner: np.ndarray, x0: int, y0: int, size: int, n: int, me: int, land: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of each block in 255ths, uint8 [n, n]: own tiles, enemies', and land of nobody."""
    area = size**2
    shares = np.zeros((3, n, n), np.uint8)
    for row, column in np.ndindex(n, n):
        x, y = x0 + column * size, y0 + row * size
        owners = block(owner, x, y, size)
        masks = owners == me, (owners != me) & (owners != 0), (owners == 0) & block(land, x, y, size)
        shares[:, row, column] = [(int(mask.sum()) * 255 + area // 2) // area for mask in masks]
    return shares[0], shares[1], shares[2]


def dominant(owner: np.ndarray, x0: int, y0: int, size: int, n: int, me: int) -> np.ndarray:
    """The enemy with the most tiles in each block, the lowest number of equals, 0 where there is none; [n, n]."""
    result = np.zeros((n, n), np.uint8)
    for row, column in np.ndindex(n, n):
        owners = block(owner, x0 + column * size, y0 + row * size, size).flatten().tolist()
        enemies = set(owners) - {0, me}
        result[row, column] = min(enemies, key=lambda enemy: (-owners.count(enemy), enemy), default=0)
    return result


def level(troops: float, tiles: int) -> int:
    """Troops a tile as a byte, on a logarithmic scale."""
    if tiles == 0:
        return 0
    return min(255, max(0, math.floor(16 * math.log2(1 + troops / tiles) + 0.5)))


def troop_planes(
    own: np.ndarray, enemy: np.ndarray, dominant_enemy: np.ndarray, own_level: int, levels: dict[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the own and of the enemies' tiles times the level of the own and of the dominant enemy's troops."""
    own_plane, enemy_plane = np.zeros_like(own), np.zeros_like(enemy)
    for place in np.ndindex(own.shape):
        own_plane[place] = (int(own[place]) * own_level + 127) // 255
        enemy_level = levels.get(int(dominant_enemy[place]), 0)
        enemy_plane[place] = (int(enemy[place]) * enemy_level + 127) // 255
    return own_plane, enemy_plane
