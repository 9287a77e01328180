"""The arrays of E games, and the observation rows.

A map has T = W x H tiles, W and H multiples of 128; tile (x, y), y down, is number y W + x. Players are numbered from
1: first those that learn, then bots; 0 is nobody. P1 = players + 1.
"""

from typing import NamedTuple

import numpy as np

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.territory.config import ATTACKS_PER_PLAYER, LAND_AT, MAX_STRUCTURES

WATER, PLAINS, HIGHLAND, MOUNTAIN = range(4)  # classes of tiles
# A byte of `ground`: bits 0 to 3 say which sides are land, N E S W; two bits of class; a bit for the largest land mass.
ALL_SIDES, CLASS_SHIFT, MAINLAND = 15, 4, 64

DX = np.array([0, 1, 1, 1, 0, -1, -1, -1], np.int64)  # directions N NE E SE S SW W NW
DY = np.array([-1, -1, 0, 1, 1, 1, 0, -1], np.int64)
DIRECTIONS, INTENSITIES = 9, 5  # the ninth direction is to wait
NUM_ACTIONS = DIRECTIONS * INTENSITIES
NO_BUILDING, CITY, POST = range(3)  # kinds of structures, and second parts of actions

MOST_PLAYERS = 254
RATE, OFFSET, TRIGGER, RESERVE, EXPAND, ENEMY, SINCE = range(7)  # columns of `bots`; the third to fifth in hundredths
ATTACKER, TARGET, LOWEST, BORDER, ENTRIES = range(5)  # columns of `attacks`
TILE, NEXT = range(2)  # columns of `nodes`
TICK, FREE, USED, CHANGES, STRUCTURES, END = range(6)  # of `numbers`
GOES_ON, DECIDED, LATE = range(3)  # ends of a game
MAX_CHANGES = 1 << 16  # changes that are written down; after more of them observations are pooled anew
BUCKET_BASE, BUCKETS_BEYOND = 32, 192  # the least priority of a tile, below 0, and how many there are in a tick

SIZES = (128, 128, 64)  # blocks along the edges of the global, the local and the tactical view
TACTICAL = 2
OWN, ENEMIES, NEUTRAL, OWN_TROOPS, ENEMY_TROOPS, TERRAIN = range(6)  # planes of each
PLANES = 6
SCALARS = 16

LAYOUT = ObsLayout(
    np.uint8,
    ("global", (PLANES, 128, 128), 8, 1 / 255),
    ("local", (PLANES, 128, 128), 8, 1 / 255),
    ("tactical", (PLANES, 64, 64), 8, 1 / 255),
    ("scalars", (2 * SCALARS,), 8, 1 / 255),  # high bytes, then low bytes of numbers from 0 to 1
    ("directions", (DIRECTIONS,), 1),  # which ones an attack can take; the last, to wait, always
    # Of whom it would hit in each: 1 + 253 x own / (own + its) troops; 255 nobody's land, 0 where there is none to take
    ("odds", (DIRECTIONS - 1,), 8, 1 / 255),
)


class State(NamedTuple):
    """The games; S = 4 attacks for each player."""

    map: np.ndarray  # int64 [E], which map a game is played on
    owner: np.ndarray  # uint8 [E, T]
    border: np.ndarray  # uint64 [E, T / 64], a bit for each tile of a player beside land that is not the player's
    box: np.ndarray  # int64 [E, P1, 4], x and y of the first and of the last tile, of what was ever a player's
    tiles: np.ndarray  # int64 [E, P1]
    troops: np.ndarray  # float64 [E, P1], at home
    gold: np.ndarray  # float64 [E, P1]
    built: np.ndarray  # int64 [E, P1, 3], structures by kind
    sums: np.ndarray  # int64 [E, P1, 2], of x and y of the own tiles
    bots: np.ndarray  # int64 [E, P1, 7], temper and memory of bots
    attacks: np.ndarray  # int64 [E, S, 5]; attacker 0: the place is free
    force: np.ndarray  # float64 [E, S], troops of each attack
    heads: np.ndarray  # int32 [E, S, priorities], node of the tile put in last + 1, 0 where there is none
    queued: np.ndarray  # uint64 [E, S, T / 64], tiles that an attack has in its queue
    nodes: np.ndarray  # int32 [E, N, 2], the queues' entries: tile, and the node put in before it + 1
    structures: np.ndarray  # int64 [E, 64, 2], kind and tile
    changes: (
        np.ndarray
    )  # int32 [E, 65536, 2], tiles that changed hands since the last look: x + 65536 y, former + 256 present
    numbers: np.ndarray  # int64 [E, 6]: tick, first free node + 1, nodes ever used, changes, structures, end
    fruitless: np.ndarray  # int64 [E, A], orders of this game that nothing came of
    land_at: np.ndarray  # float64 [E, A, 3], shares of the land at some ticks, or at the end before them


class Game(NamedTuple):
    """Rows of `State` that belong to one game, and its map."""

    ground: np.ndarray  # uint8 [T]
    coast: np.ndarray  # uint64 [T / 64], a bit for each tile of land beside water or the map's edge
    owner: np.ndarray
    border: np.ndarray
    box: np.ndarray
    tiles: np.ndarray
    troops: np.ndarray
    gold: np.ndarray
    built: np.ndarray
    sums: np.ndarray
    bots: np.ndarray
    attacks: np.ndarray
    force: np.ndarray
    heads: np.ndarray
    queued: np.ndarray
    nodes: np.ndarray
    structures: np.ndarray
    changes: np.ndarray
    numbers: np.ndarray
    fruitless: np.ndarray
    land_at: np.ndarray
    rng: np.ndarray  # uint64 [2]


class Rules(NamedTuple):
    """What kernels need to know of the configuration."""

    width: int
    height: int
    a_row: float  # 1 / width: a division takes as long as all else that a kernel does for a tile
    ways: np.ndarray  # int64 [4], what the number of a tile changes by: N E S W
    learners: int
    bots: int
    constant: bool  # a tile a tick at one troop, whatever the terrain
    ticks: int  # of a step
    max_ticks: int
    land: np.ndarray  # int64 [maps], tiles of land
    enough: np.ndarray  # float64 [maps], tiles that win
    builds: bool  # actions have a second part


class Scratch(NamedTuple):
    """Working space of one thread."""

    tiles: np.ndarray  # int32 [T], border tiles of a player, ascending
    cluster: np.ndarray  # int32 [T]
    stack: np.ndarray  # int32 [T]
    marks: np.ndarray  # uint64 [T / 64], zeros between uses
    edge: np.ndarray  # uint64 [T / 64], zeros between uses
    counts: np.ndarray  # int64 [P1]
    faced: np.ndarray  # int64 [8, P1], border tiles that face whose land in each direction
    before: np.ndarray  # float64 [A, 2], shares of land and troops
    orders: np.ndarray  # int64 [A, 2], whom each learner attacks and with how many troops; -1 nobody
    levels: np.ndarray  # uint8 [P1]


def allocate(num_envs: int, width: int, height: int, learners: int, bots: int, max_ticks: int) -> State:
    """Games that have not begun. Zeros, which take no memory before they are written to."""
    tiles, players = width * height, learners + bots + 1
    words, attacks = tiles // 64, ATTACKS_PER_PLAYER * (players - 1)

    def zeros(dtype: type, *shape: int) -> np.ndarray:
        return np.zeros((num_envs, *shape), dtype)

    return State(
        map=zeros(np.int64),
        owner=zeros(np.uint8, tiles),
        border=zeros(np.uint64, words),
        box=zeros(np.int64, players, 4),
        tiles=zeros(np.int64, players),
        troops=zeros(np.float64, players),
        gold=zeros(np.float64, players),
        built=zeros(np.int64, players, 3),
        sums=zeros(np.int64, players, 2),
        bots=zeros(np.int64, players, 7),
        attacks=zeros(np.int64, attacks, 5),
        force=zeros(np.float64, attacks),
        heads=zeros(np.int32, attacks, 4 * max_ticks + BUCKETS_BEYOND),
        queued=zeros(np.uint64, attacks, words),
        nodes=zeros(np.int32, tiles, 2),
        structures=zeros(np.int64, MAX_STRUCTURES, 2),
        changes=zeros(np.int32, MAX_CHANGES, 2),
        numbers=zeros(np.int64, 6),
        fruitless=zeros(np.int64, learners),
        land_at=zeros(np.float64, learners, len(LAND_AT)),
    )


def allocate_scratch(tiles: int, learners: int, bots: int) -> Scratch:
    """Working space for one thread."""
    return Scratch(
        tiles=np.zeros(tiles, np.int32),
        cluster=np.zeros(tiles, np.int32),
        stack=np.zeros(tiles, np.int32),
        marks=np.zeros(tiles // 64, np.uint64),
        edge=np.zeros(tiles // 64, np.uint64),
        counts=np.zeros(learners + bots + 1, np.int64),
        faced=np.zeros((DIRECTIONS - 1, learners + bots + 1), np.int64),
        before=np.zeros((learners, 2)),
        orders=np.zeros((learners, 2), np.int64),
        levels=np.zeros(learners + bots + 1, np.uint8),
    )
