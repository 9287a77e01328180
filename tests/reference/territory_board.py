"""Slow twin of territory, its ground: the map, the players, what each owns, and the attacks under way.

A tile is its number y * width + x, a player its number from 1 (`Board.player` has what it owns), 0 is nobody.
"""

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from puffer_envs.kit import rng
from puffer_envs.territory import config as rules
from puffer_envs.territory.config import Config

OFFSETS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))  # dx, dy: N NE E SE S SW W NW
DIRECTIONS = len(OFFSETS)
WATER = 0
PRIORITY = (0, 2, 3, 4)  # of a class: water, plains, highland, mountain; a tile of lower priority goes first
CITY, POST = 1, 2  # kinds of structures, as in the second part of an action


def clamp(value: float, lowest: float, highest: float) -> float:
    """The nearest number in a range."""
    return min(max(value, lowest), highest)


@dataclass
class Player:
    """What a player owns; the last seven are a bot's."""

    number: int
    learns: bool
    tiles: int = 0
    troops: float = 0.0
    gold: float = 0.0
    cities: int = 0
    posts: int = 0
    rate: int = 0  # it acts when tick % rate == offset
    offset: int = 0
    trigger: float = 0.0  # share of its cap from which it attacks players
    reserve: float = 0.0  # share of its cap that stays at home then
    expand: float = 0.0  # share of its cap that stays at home when it takes free land
    enemy: int = 0
    since: int = 0  # tick at which it chose the enemy

    @property
    def alive(self) -> bool:
        """Whether it owns a tile."""
        return self.tiles > 0

    @property
    def cap(self) -> float:
        """Most troops that its land and cities feed."""
        land = rules.CAP_FACTOR * (self.tiles**rules.CAP_POWER * rules.CAP_PER_LAND + rules.CAP_BASE)
        cap = land + rules.CAP_PER_CITY * self.cities
        return cap if self.learns else cap / rules.BOT_CAP_DIVISOR

    def add_troops(self, number: float) -> None:
        """So many troops come, or go if there are less than none: whole ones, no more than there are."""
        if number >= 0:
            self.troops += math.floor(number)
        else:
            self.troops -= min(self.troops, math.floor(-number))

    def grow(self) -> None:
        """Gain a tick's troops and gold."""
        rate = rules.GROWTH_BASE + self.troops**rules.GROWTH_POWER / rules.GROWTH_DIVISOR
        gain = rate * (1 - self.troops / self.cap)
        if not self.learns:
            gain *= rules.BOT_GROWTH
        self.add_troops(min(self.troops + gain, self.cap) - self.troops)
        self.gold += rules.GOLD if self.learns else rules.BOT_GOLD


@dataclass
class Attack:
    """Troops on the way from one player to another's tiles, or to nobody's."""

    attacker: int
    target: int
    troops: float
    queue: list[tuple[int, int, int]] = field(default_factory=list)  # a heap of bucket, -sequence, tile
    queued: set[int] = field(default_factory=set)
    sequence: int = 0  # entries that were ever put in

    @property
    def border(self) -> int:
        """How wide it is, in tiles."""
        return len(self.queued)

    def put(self, bucket: int, tile: int) -> None:
        """Add an entry; of equal buckets the last one put in comes first."""
        self.queued.add(tile)
        self.sequence += 1
        heapq.heappush(self.queue, (bucket, -self.sequence, tile))

    def take(self) -> int:
        """Remove the first entry; its tile."""
        _, _, tile = heapq.heappop(self.queue)
        self.queued.discard(tile)
        return tile


class Board:
    """A map, who owns what of it, and those who play; `_begin` gives each player a first piece of land."""

    def __init__(self, classes: np.ndarray, config: Config, rng_row: np.ndarray) -> None:
        self.config, self.rng_row = config, rng_row
        self.height, self.width = classes.shape
        self.classes: list[int] = classes.flatten().tolist()
        self.neighbours = [self._land_neighbours(tile) for tile in range(len(self.classes))]
        self.land = sum(kind != WATER for kind in self.classes)
        self.mainland = self._mainland()
        self.owner = np.zeros(classes.shape, np.int64)
        learners, bots = config.num_agents, config.num_bots
        self.players = [Player(i + 1, learns=i < learners) for i in range(learners + bots)]
        self.attacks: list[Attack | None] = [None] * (rules.ATTACKS_PER_PLAYER * len(self.players))
        self.structures: list[tuple[int, int]] = []  # tile, kind
        self.fruitless = [0] * learners
        self.tick = 0
        self._rewards: list[dict[str, float]] = []
        self._begin()

    # -- the map

    def player(self, number: int) -> Player:
        """The player of a number, 1 or more."""
        assert number >= 1
        return self.players[number - 1]

    @property
    def learners(self) -> list[Player]:
        """Players that are given actions."""
        return self.players[: self.config.num_agents]

    def position(self, tile: int) -> tuple[int, int]:
        """x and y of a tile."""
        return tile % self.width, tile // self.width

    def squared_distance(self, tile: int, x: int, y: int) -> int:
        """From a tile to a place, in tiles."""
        own_x, own_y = self.position(tile)
        return (own_x - x) ** 2 + (own_y - y) ** 2

    def next_tile(self, tile: int, direction: int) -> int | None:
        """The land tile in a direction 0..7, None where there is water or the map ends."""
        (x, y), (dx, dy) = self.position(tile), OFFSETS[direction]
        if not (0 <= x + dx < self.width and 0 <= y + dy < self.height):
            return None
        there = (y + dy) * self.width + x + dx
        return None if self.classes[there] == WATER else there

    def _land_neighbours(self, tile: int) -> list[int]:
        """Land tiles N, E, S and W of a tile, in this order."""
        around = (self.next_tile(tile, direction) for direction in (0, 2, 4, 6))
        return [there for there in around if there is not None]

    def owner_of(self, tile: int) -> int:
        """Number of the player that owns a tile."""
        return self.owner.item(tile)

    def tiles_of(self, owner: int) -> list[int]:
        """Land tiles of a player, or nobody's, ascending."""
        return [tile for tile in np.flatnonzero(self.owner == owner).tolist() if self.classes[tile] != WATER]

    def is_border(self, tile: int) -> bool:
        """Whether a tile is a player's and has a land neighbour that is not."""
        own = self.owner_of(tile)
        return own != 0 and any(self.owner_of(there) != own for there in self.neighbours[tile])

    def border_tiles(self, number: int) -> list[int]:
        """Border tiles of a player, ascending."""
        return [tile for tile in self.tiles_of(number) if self.is_border(tile)]

    def randint(self, n: int) -> int:
        """The next random number in 0..n-1."""
        return int(rng.randint(self.rng_row, n))

    # -- the beginning

    def _mainland(self) -> set[int]:
        """The largest mass of land, of equals the one with the lowest tile."""
        left, largest = {tile for tile, kind in enumerate(self.classes) if kind != WATER}, set()
        while left:
            mass, stack = set(), [min(left)]
            while stack:
                tile = stack.pop()
                if tile in left:
                    left.remove(tile)
                    mass.add(tile)
                    stack.extend(self.neighbours[tile])
            largest = mass if len(mass) > len(largest) else largest
        return largest

    def _begin(self) -> None:
        """Place the players, one after the other, and draw what kinds of bots there are."""
        start = float(rng.uniform(self.rng_row)) * 2 * math.pi
        for player in self.players:
            self._place(player, start + 2 * math.pi * (player.number - 1) / len(self.players))
            player.troops = rules.START_TROOPS if player.learns else rules.BOT_START_TROOPS
        for bot in self.players[self.config.num_agents :]:
            bot.rate = 40 + self.randint(40)
            bot.offset = self.randint(bot.rate)
            bot.trigger = (60 + self.randint(30)) / 100
            bot.reserve = (20 + self.randint(10)) / 100
            bot.expand = (10 + self.randint(10)) / 100

    def _place(self, player: Player, angle: float) -> None:
        """Give a player the disc about the free tile that is nearest to its place on the circle, on the mainland."""
        radius = rules.SPAWN_CIRCLE * min(self.width, self.height)
        x = math.floor(self.width / 2 + radius * math.cos(angle))
        y = math.floor(self.height / 2 + radius * math.sin(angle))
        free = [tile for tile in self.tiles_of(0) if tile in self.mainland]
        if not free:
            return
        centre_x, centre_y = self.position(min(free, key=lambda tile: (self.squared_distance(tile, x, y), tile)))
        for tile in free:
            tile_x, tile_y = self.position(tile)
            if (tile_x - centre_x + 0.5) ** 2 + (tile_y - centre_y + 0.5) ** 2 <= rules.SPAWN_RADIUS**2:
                self.owner.flat[tile] = player.number
                player.tiles += 1

    # -- what hangs together

    def clusters(self, q: int) -> list[set[int]]:
        """Border and coast tiles of a player that hang together, diagonals too, in the order of their lowest tiles."""
        coast = {tile for tile in self.tiles_of(q) if len(self.neighbours[tile]) < 4}
        left, result = coast | set(self.border_tiles(q)), []
        while left:
            cluster, stack = set(), [min(left)]
            left.remove(stack[0])
            while stack:
                tile = stack.pop()
                cluster.add(tile)
                around = {self.next_tile(tile, direction) for direction in range(DIRECTIONS)} & left
                left -= around
                stack.extend(there for there in around if there is not None)
            result.append(cluster)
        return result

    def bounding_box(self, tiles: Iterable[int]) -> tuple[int, int, int, int]:
        """Smallest x, smallest y, largest x and largest y."""
        xs, ys = zip(*map(self.position, tiles), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def connected(self, q: int, tiles: Iterable[int]) -> set[int]:
        """Tiles of q that can be walked to from some of them, without diagonals."""
        stack = list(tiles)
        result = set(stack)
        while stack:
            for there in self.neighbours[stack.pop()]:
                if self.owner_of(there) == q and there not in result:
                    result.add(there)
                    stack.append(there)
        return result
