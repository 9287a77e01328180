"""Slow twin of territory: dicts, sets and heaps, plain Python, from the rules.

`Game` plays; the functions after it make pieces of the observation afresh from a map of owners. A tile is its number
y * width + x, a player its number from 1 (`Game.player` has what it owns), 0 is nobody.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from puffer_envs import rng
from puffer_envs.territory import config as rules
from puffer_envs.territory.config import CONSTANT, Config

Action = int | tuple[int, int]  # where to attack, and what to build before

OFFSETS = ((0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1))  # dx, dy: N NE E SE S SW W NW
DIRECTIONS = len(OFFSETS)
WATER = 0
PRIORITY = (0, 2, 3, 4)  # of a class: water, plains, highland, mountain; a tile of lower priority goes first
CITY, POST = 1, 2  # kinds of structures, as in the second part of an action
ENEMY_TICKS = 100  # ticks after which a bot looks for another enemy


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

    def grow(self) -> None:
        """Gain a tick's troops and gold."""
        rate = rules.GROWTH_BASE + self.troops**rules.GROWTH_POWER / rules.GROWTH_DIVISOR
        gain = rate * (1 - self.troops / self.cap)
        if not self.learns:
            gain *= rules.BOT_GROWTH
        self.troops = max(0.0, min(self.troops + gain, self.cap))
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


class Game:
    """One game, from the beginning on; `step` plays, `rewards` has the terms of the last step."""

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

    # -- time

    def step(self, actions: Sequence[Action]) -> None:
        """Play one action of each learner: some ticks, fewer when the game ends."""
        assert len(actions) == len(self.learners)
        before = [player.tiles for player in self.learners]
        armies = [self.army(player) for player in self.learners]
        ranks = [0.0] * len(before)
        for i in range(self.config.ticks_per_step):
            factor = self.rank_factor()
            self.play_tick(actions if i == 0 else None)
            ranks = [total + term * factor for total, term in zip(ranks, self.rank_terms(), strict=True)]
            if self.over:
                break
        of_each = zip(self.learners, before, armies, ranks, strict=True)
        self._rewards = [self._reward_terms(*of_one) for of_one in of_each]

    def play_tick(self, actions: Sequence[Action] | None) -> None:
        """One tick; with the learners' actions, if it is the first one of a step."""
        if actions is not None:
            for player, action in zip(self.learners, actions, strict=True):
                if player.alive:
                    self.order(player, action)
        for bot in self.players[self.config.num_agents :]:
            if bot.alive:
                self.bot_turn(bot)
        self.grow()
        for slot in range(len(self.attacks)):
            if self.attacks[slot] is not None:
                self.attack_tick(slot)
        for player in self.players:
            if player.alive and (self.tick + player.number) % rules.CLUSTER_TICKS == 0:
                self.capture_surrounded(player.number)
        self.tick += 1

    def grow(self) -> None:
        """The players' growth of a tick."""
        for player in self.players:
            if player.alive:
                player.grow()

    def has_won(self, player: Player) -> bool:
        """Whether a learner owns enough."""
        return player.tiles >= self.config.win_share * (self.land if self.config.win_of_land else self.owner.size)

    @property
    def won(self) -> bool:
        """Whether any learner has won."""
        return any(self.has_won(player) for player in self.learners)

    @property
    def over(self) -> bool:
        """Whether the game ended: won, lost by all learners, or cut off."""
        return self.won or not any(player.alive for player in self.learners) or self.tick >= self.config.max_ticks

    # -- rewards

    def rewards(self) -> list[dict[str, float]]:
        """Unweighted terms of the last step, of each learner."""
        return self._rewards

    def rank_factor(self) -> float:
        """What the rank is worth in the tick that comes."""
        return rules.REWARD_FACTORS[sum(self.tick >= time for time in rules.REWARD_TIMES)]

    def rank_terms(self) -> list[float]:
        """1 - rank / alive of each learner as it is now, 0 of the dead."""
        alive = [player for player in self.players if player.alive]
        alive.sort(key=lambda player: (-player.tiles, player.number))
        terms = {player.number: 1 - rank / len(alive) for rank, player in enumerate(alive, start=1)}
        return [terms.get(player.number, 0.0) for player in self.learners]

    def army(self, player: Player) -> float:
        """A player's share of all troops, those of attacks included."""
        attacks = [attack for attack in self.attacks if attack is not None]
        everybody = sum(each.troops for each in self.players) + sum(attack.troops for attack in attacks)
        abroad = sum(attack.troops for attack in attacks if attack.attacker == player.number)
        return (player.troops + abroad) / everybody if everybody else 0.0

    def _reward_terms(self, player: Player, before: int, army: float, rank: float) -> dict[str, float]:
        """Terms of a learner that had so many tiles and that share of the troops before the step."""
        survivors = any(learner.alive for learner in self.learners)
        return {
            "rank": rank,
            "land": player.tiles / self.land - before / self.land,
            "army": self.army(player) - army,
            "win": float(self.has_won(player)),
            "eliminated": float(before > 0 and not player.alive),
            "timeout": float(self.tick >= self.config.max_ticks and not self.won and survivors),
        }

    # -- orders

    def order(self, player: Player, action: Action) -> None:
        """Carry out a learner's action: what it builds, then where it attacks. Fruitless parts are counted."""
        attack, kind = action if isinstance(action, tuple) else (action, 0)
        if self.config.build and kind in (CITY, POST):
            self.fruitless[player.number - 1] += not self.build(player, kind)
        direction, intensity = divmod(attack, len(rules.INTENSITIES))
        if 0 <= direction < DIRECTIONS:
            self.fruitless[player.number - 1] += not self.attack_order(player, direction, intensity)

    def attack_order(self, player: Player, direction: int, intensity: int) -> bool:
        """Attack whoever is faced most in a direction; whether it was of use."""
        faced = self.faces(player.number, direction)
        if self.tick < rules.IMMUNE_TICKS:
            faced = {owner: tiles for owner, tiles in faced.items() if owner == 0}
        if not faced:
            return False
        target = min(faced, key=lambda owner: (-len(faced[owner]), owner))
        amount = math.floor(player.troops * rules.INTENSITIES[intensity])
        return self.launch(player.number, target, amount, faced[target])

    def faces(self, number: int, direction: int) -> dict[int, list[int]]:
        """Border tiles of a player that face each other owner in a direction, ascending."""
        result = defaultdict(list)
        for tile in self.border_tiles(number):
            there = self.next_tile(tile, direction)
            if there is not None and self.owner_of(there) != number:
                result[self.owner_of(there)].append(tile)
        return dict(result)

    # -- structures

    def build(self, player: Player, kind: int) -> bool:
        """Build a city or a defence post, if there are gold and room for it; whether it was of use."""
        if kind == CITY:
            cost = min(rules.CITY_MAX, 2**player.cities * rules.CITY_COST)
        else:
            cost = min(rules.POST_MAX, (player.posts + 1) * rules.POST_COST)
        if player.gold < cost or len(self.structures) >= rules.MAX_STRUCTURES:
            return False
        tile = self.city_site(player.number) if kind == CITY else self.post_site(player.number)
        if tile is None:
            return False
        player.gold -= cost
        self.structures.append((tile, kind))
        self._count_structures()
        return True

    def _count_structures(self) -> None:
        for player in self.players:
            kinds = [kind for tile, kind in self.structures if self.owner_of(tile) == player.number]
            player.cities, player.posts = kinds.count(CITY), kinds.count(POST)

    def has_room(self, tile: int) -> bool:
        """Whether a tile is far enough from every structure."""
        places = (self.position(built) for built, _ in self.structures)
        return all(self.squared_distance(tile, x, y) >= rules.STRUCTURE_DISTANCE**2 for x, y in places)

    def city_site(self, number: int) -> int | None:
        """The tile with room that is nearest to the middle of a player's land."""
        tiles = self.tiles_of(number)
        x = sum(self.position(tile)[0] for tile in tiles) // len(tiles)
        y = sum(self.position(tile)[1] for tile in tiles) // len(tiles)
        sites = filter(self.has_room, tiles)
        return min(sites, key=lambda tile: (self.squared_distance(tile, x, y), tile), default=None)

    def post_site(self, number: int) -> int | None:
        """The border tile with room that is threatened most."""
        threats = {tile: self.threat(number, tile) for tile in self.border_tiles(number) if self.has_room(tile)}
        sites = (tile for tile, threat in threats.items() if threat >= 1)
        return min(sites, key=lambda tile: (-threats[tile], tile), default=None)

    def threat(self, number: int, tile: int) -> int:
        """Border tiles of other players in the square about a tile."""
        (x, y), reach = self.position(tile), rules.THREAT_RANGE
        rows = range(max(0, y - reach), min(self.height, y + reach + 1))
        columns = range(max(0, x - reach), min(self.width, x + reach + 1))
        around = (row * self.width + column for row in rows for column in columns)
        return sum(self.owner_of(there) != number and self.is_border(there) for there in around)

    # -- bots

    def bot_turn(self, bot: Player) -> None:
        """Let a bot act, if its time has come: take free land first, then fight whom it attacks or is attacked by."""
        if self.tick % bot.rate != bot.offset:
            return
        border = self.border_tiles(bot.number)
        around = {self.owner_of(there) for tile in border for there in self.neighbours[tile]}
        neighbours = sorted(around - {bot.number})
        if 0 in neighbours:
            self.launch(bot.number, 0, math.floor(bot.troops - bot.cap * bot.expand), border)
            return
        if bot.enemy and (self.tick - bot.since > ENEMY_TICKS or not self.player(bot.enemy).alive):
            bot.enemy = 0
        if bot.troops / bot.cap < bot.trigger:
            return
        if not bot.enemy:
            self._choose_enemy(bot, neighbours)
        if bot.enemy not in neighbours:
            bot.enemy = 0
            return
        self.launch(bot.number, bot.enemy, math.floor(bot.troops - bot.cap * bot.reserve), border)

    def _choose_enemy(self, bot: Player, neighbours: list[int]) -> None:
        """Make an enemy of the strongest attacker, else of any neighbour; of nobody if there is none."""
        attackers = [attack for attack in self.attacks if attack is not None and attack.target == bot.number]
        if attackers:
            bot.enemy = min(attackers, key=lambda attack: (-attack.troops, attack.attacker)).attacker
        elif neighbours:
            bot.enemy = neighbours[self.randint(len(neighbours))]
        else:
            return
        bot.since = self.tick

    # -- attacks

    def slot_of(self, attacker: int, target: int) -> int | None:
        """Where an attack of one on another is."""
        for slot, attack in enumerate(self.attacks):
            if attack is not None and (attack.attacker, attack.target) == (attacker, target):
                return slot
        return None

    def launch(self, p: int, q: int, amount: float, seeds: Iterable[int]) -> bool:
        """Send troops of p against q from own border tiles, ascending; whether it was of use."""
        if (q >= 1 and self.tick < rules.IMMUNE_TICKS) or amount < 1:
            return False
        self.player(p).troops -= amount
        opposing = self.slot_of(q, p) if q >= 1 else None
        if opposing is not None:
            amount = self._meet(opposing, amount)
            if amount == 0:
                return True
        slot = self.slot_of(p, q)
        is_new = slot is None
        if slot is None:
            if None not in self.attacks:
                self.player(p).troops += amount
                return False
            slot = self.attacks.index(None)
            self.attacks[slot] = Attack(p, q, 0.0)
        attack = self.attacks[slot]
        assert attack is not None
        attack.troops += amount
        for seed in seeds:
            self.add_neighbours(attack, seed, seeding=True)
        if is_new and not attack.queue:
            self.attacks[slot] = None
            self.player(p).troops += amount
            return False
        return True

    def _meet(self, slot: int, amount: float) -> float:
        """Let troops meet those of the attack that comes towards them; what is left of them."""
        opposing = self.attacks[slot]
        assert opposing is not None
        if amount >= opposing.troops:
            self.attacks[slot] = None
            return amount - opposing.troops
        opposing.troops -= amount
        return 0

    def add_neighbours(self, attack: Attack, tile: int, seeding: bool) -> None:
        """Queue the target's tiles next to a tile; each side has its sixteen bits of luck."""
        luck = int(rng.next_u64(self.rng_row))
        for side in range(4):
            there = self.next_tile(tile, 2 * side)
            if there not in self.neighbours[tile] or self.owner_of(there) != attack.target:
                continue
            if seeding and there in attack.queued:
                continue
            own = sum(self.owner_of(around) == attack.attacker for around in self.neighbours[there])
            chance = (luck >> 16 * side & 65_535) * 7 >> 16
            priority = (10 + chance) * (4 - 2 * own + PRIORITY[self.classes[there]])
            attack.put(priority + 4 * self.tick + 32, there)

    def attack_tick(self, slot: int) -> None:
        """Let an attack take tiles for a tick, until its budget is used up or it ends."""
        attack = self.attacks[slot]
        assert attack is not None
        budget = self.budget(attack, attack.border + self.randint(5))
        scale = self.scale(attack)
        while budget > 0 and self.attacks[slot] is attack:
            if attack.troops < 1:
                self.attacks[slot] = None
            elif not attack.queue:
                self.player(attack.attacker).troops += attack.troops
                self.attacks[slot] = None
            else:
                tile = attack.take()
                near = [self.owner_of(there) for there in self.neighbours[tile]]
                if self.owner_of(tile) == attack.target and attack.attacker in near:
                    budget -= self._advance(attack, tile, scale)

    def budget(self, attack: Attack, size: int) -> float:
        """What an attack of so many tiles can use up in a tick."""
        if self.config.rules == CONSTANT:
            return 1
        if attack.target == 0:
            return size * 2
        troops = self.player(attack.target).troops
        ratio = 0.5 if troops <= 0 else clamp(10 * attack.troops / troops, 0.01, 0.5)
        return ratio * size * 3

    def scale(self, attack: Attack) -> tuple[float, float, float]:
        """How the sizes of both sides change a tile's cost: sig, large_loss and large_speed."""
        sig, large_loss, large_speed = 0.0, 1.0, 1.0
        if attack.target >= 1:
            decay = math.log(2) / rules.BIG_DEFENDER_WIDTH
            excess = self.player(attack.target).tiles - rules.BIG_DEFENDER
            sig = 1 - 1 / (1 + math.exp(-decay * excess))
        tiles = self.player(attack.attacker).tiles
        if tiles > rules.BIG_ATTACKER:
            large_loss = (rules.BIG_ATTACKER / tiles) ** rules.BIG_LOSS_POWER
            large_speed = (rules.BIG_ATTACKER / tiles) ** rules.BIG_SPEED_POWER
        return sig, large_loss, large_speed

    def _advance(self, attack: Attack, tile: int, scale: tuple[float, float, float]) -> float:
        """Take a tile, and all of a target that has become small; what it uses of the budget."""
        p, q = attack.attacker, attack.target
        self.add_neighbours(attack, tile, seeding=False)
        loss, defender_loss, used = self.cost(attack, tile, scale)
        attack.troops = max(0.0, attack.troops - loss)
        if q >= 1:
            self.player(q).troops = max(0.0, self.player(q).troops - defender_loss)
        self.conquer(tile, p)
        if q >= 1 and 0 < self.player(q).tiles < rules.ABSORB_BELOW:
            self.conquer_all(self.tiles_of(q), p)
        return used

    def cost(self, attack: Attack, tile: int, scale: tuple[float, float, float]) -> tuple[float, float, float]:
        """The attacker's loss, the defender's, and the budget that a tile takes."""
        if self.config.rules == CONSTANT:
            return 1.0, float(attack.target >= 1), 1.0
        attacker, troops = self.player(attack.attacker), attack.troops
        mag, speed = rules.MAGNITUDE[self.classes[tile]], rules.SPEED[self.classes[tile]]
        if attack.target == 0:
            used = clamp(2000 * max(10, speed) / troops, 5, 100)
            return mag / (5 if attacker.learns else 10), 0.0, used
        defender = self.player(attack.target)
        sig, large_loss, large_speed = scale
        if self.is_guarded(tile, attack.target):
            mag *= rules.POST_MAGNITUDE
            speed *= rules.POST_SPEED
        if attacker.learns and not defender.learns:
            mag *= rules.AGAINST_BOT
        loss = clamp(defender.troops / troops, 0.6, 2) * mag * 0.8 * (0.7 + 0.3 * sig) * large_loss
        used = clamp(defender.troops / (5 * troops), 0.2, 1.5) * speed * (0.7 + 0.3 * sig) * large_speed
        return loss, defender.troops / defender.tiles, used

    def is_guarded(self, tile: int, number: int) -> bool:
        """Whether a player owns a defence post near a tile."""
        posts = [built for built, kind in self.structures if kind == POST and self.owner_of(built) == number]
        return any(self.squared_distance(tile, *self.position(post)) <= rules.POST_RANGE**2 for post in posts)

    def conquer(self, tile: int, p: int) -> None:
        """Give a tile to p; whoever loses the last one dies."""
        q = self.owner_of(tile)
        assert q != p
        assert self.classes[tile] != WATER
        self.owner.flat[tile] = p
        self.player(p).tiles += 1
        if any(built == tile for built, _ in self.structures):
            self._count_structures()
        if q >= 1:
            self.player(q).tiles -= 1
            if not self.player(q).alive:
                self._die(q, p)

    def conquer_all(self, tiles: Iterable[int], p: int) -> None:
        """Give tiles to p, one after the other."""
        for tile in tiles:
            self.conquer(tile, p)

    def _die(self, q: int, heir: int) -> None:
        """A dead player's troops are gone, at home and on the way; its gold goes to the conqueror."""
        self.player(q).troops = 0.0
        self.player(heir).gold += self.player(q).gold
        self.player(q).gold = 0.0
        for slot, attack in enumerate(self.attacks):
            if attack is not None and attack.attacker == q:
                self.attacks[slot] = None

    # -- surrounded clusters

    def capture_surrounded(self, q: int) -> None:
        """Give away what another player has surrounded of q's land."""
        for cluster in self.clusters(q):
            p = self.captor(q, cluster)
            if p:
                self.conquer_all(sorted(self.connected(q, cluster)), p)

    def clusters(self, q: int) -> list[set[int]]:
        """Border tiles of a player that hang together, diagonals too, in the order of their lowest tiles."""
        left, result = set(self.border_tiles(q)), []
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

    def captor(self, q: int, cluster: set[int]) -> int:
        """Who has surrounded a cluster of q's border tiles, 0 if nobody has."""
        if any(self.owner_of(tile) != q or len(self.neighbours[tile]) < 4 for tile in cluster):
            return 0
        outside = {there for tile in cluster for there in self.neighbours[tile] if self.owner_of(there) != q}
        owners = {self.owner_of(tile) for tile in outside}
        if len(owners) != 1:
            return 0
        left, top, right, bottom = self.bounding_box(outside)
        own_left, own_top, own_right, own_bottom = self.bounding_box(cluster)
        contains = left < own_left and top < own_top and right > own_right and bottom > own_bottom
        return owners.pop() if contains else 0

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


# Pieces of the observation


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
