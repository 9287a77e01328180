"""Slow twin of territory: dicts, sets and heaps, plain Python, from the rules.

`Game` plays: time, rewards, orders, buildings and bots; `territory_attacks` has the wars, `territory_board` the ground.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from puffer_envs.territory import config as rules
from tests.reference.territory_attacks import Attacks
from tests.reference.territory_board import CITY, DIRECTIONS, POST, Player

ENEMY_TICKS = 100  # ticks after which a bot looks for another enemy

Action = int | tuple[int, int]  # where to attack, and what to build before


@dataclass
class Plan:
    """An action, and whom and with how many troops it was to hit when it was given; no direction: it waits."""

    kind: int
    direction: int | None = None
    target: int | None = None
    amount: int = 0


class Game(Attacks):
    """One game, from the beginning on; `step` plays, `rewards` has the terms of the last step."""

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
        """One tick; with the learners' actions, if it is the first one of a step: meant for what they saw before."""
        orders = (
            [] if actions is None else list(zip(self.learners, map(self.plan, self.learners, actions), strict=True))
        )
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
        for player, plan in orders:
            if player.alive:
                self.order(player, plan)
        self.tick += 1

    def grow(self) -> None:
        """The players' growth of a tick, from the second one on."""
        for player in self.players:
            if player.alive and self.tick > 0:
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

    def plan(self, player: Player, action: Action) -> Plan:
        """What a learner means by an action in the world as it is now."""
        attack, kind = action if isinstance(action, tuple) else (action, 0)
        direction, intensity = divmod(attack, len(rules.INTENSITIES))
        if not 0 <= direction < DIRECTIONS:
            return Plan(kind)
        amount = math.floor(player.troops * rules.INTENSITIES[intensity])
        return Plan(kind, direction, self.target(player, direction), amount)

    def order(self, player: Player, plan: Plan) -> None:
        """Carry out a learner's plan: what it builds, then whom it attacks. Fruitless parts are counted."""
        if self.config.build and plan.kind in (CITY, POST):
            self.fruitless[player.number - 1] += not self.build(player, plan.kind)
        if plan.direction is not None:
            self.fruitless[player.number - 1] += not self.attack_order(player, plan)

    def attack_order(self, player: Player, plan: Plan) -> bool:
        """Attack whom the plan says from where it is still faced; whether it was of use."""
        if plan.target is None:
            return False
        seeds = self.faces(player.number, plan.direction).get(plan.target, [])
        return self.launch(player.number, plan.target, min(plan.amount, player.troops), seeds)

    def target(self, player: Player, direction: int) -> int | None:
        """Whom an attack in a direction would hit, if there is anyone."""
        faced = self.faces(player.number, direction)
        if self.tick < rules.IMMUNE_TICKS:
            faced = {owner: tiles for owner, tiles in faced.items() if owner == 0}
        return min(faced, key=lambda owner: (-len(faced[owner]), owner)) if faced else None

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
        """Let a bot act, if its time has come: take free land first, then fight its enemy; choose one if strong."""
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
        if not bot.enemy and bot.troops / bot.cap >= bot.trigger:
            bot.enemy, bot.since = self._new_enemy(bot, neighbours), self.tick
        if bot.enemy in neighbours:
            self.launch(bot.number, bot.enemy, math.floor(bot.troops - bot.cap * bot.reserve), border)

    def _new_enemy(self, bot: Player, neighbours: list[int]) -> int:
        """Any neighbour; without neighbours whoever attacks, the strongest first; else nobody."""
        if neighbours:
            return neighbours[self.randint(len(neighbours))]
        attacks = (attack for attack in self.attacks if attack is not None and attack.target == bot.number)
        strongest = min(attacks, key=lambda attack: (-attack.troops, attack.attacker), default=None)
        return strongest.attacker if strongest else 0
