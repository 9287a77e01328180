"""Slow twin of territory, its wars: how attacks begin, meet, advance tile by tile and end."""

import math
from collections import Counter
from collections.abc import Iterable

from puffer_envs.kit import rng
from puffer_envs.territory import config as rules
from puffer_envs.territory.config import CONSTANT
from tests.reference.territory_board import POST, PRIORITY, WATER, Attack, Board, clamp


class Attacks(Board):
    """A board on which attacks go on."""

    def slot_of(self, attacker: int, target: int) -> int | None:
        """Where an attack of one on another is."""
        for slot, attack in enumerate(self.attacks):
            if attack is not None and (attack.attacker, attack.target) == (attacker, target):
                return slot
        return None

    def launch(self, p: int, q: int, amount: float, seeds: Iterable[int]) -> bool:
        """Send troops of p against q from own border tiles, ascending; whether it was of use."""
        seeds = list(seeds)
        within_reach = any(self.owner_of(there) == q for seed in seeds for there in self.neighbours[seed])
        if (q >= 1 and self.tick < rules.IMMUNE_TICKS) or amount < 1 or not within_reach:
            return False
        self.player(p).troops -= amount
        opposing = self.slot_of(q, p) if q >= 1 else None
        if opposing is not None:
            amount = self._meet(opposing, amount)
            if amount == 0:
                return True
        attack, slot = Attack(p, q, amount), self.slot_of(p, q)
        if slot is None:
            if None not in self.attacks:
                self.player(p).add_troops(amount)
                return False
            slot = self.attacks.index(None)
        else:  # the older one's troops go over to the new one, which has a queue of its own
            attack.troops += self.attacks[slot].troops
        self.attacks[slot] = attack
        for seed in seeds:
            self.add_neighbours(attack, seed, seeding=True)
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
                self.player(attack.attacker).add_troops(attack.troops)
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
            self.player(q).add_troops(-defender_loss)
        self.conquer(tile, p)
        if q >= 1 and 0 < self.player(q).tiles < rules.ABSORB_BELOW:
            self.absorb(q, p)
        return used

    def absorb(self, q: int, p: int) -> None:
        """End a player who has become small: p gets the gold and what touches its land, others what touches theirs."""
        self._hand_over_gold(q, p)
        before = None
        while before != (before := self.player(q).tiles):
            for tile in self.tiles_of(q):
                owners = [self.owner_of(there) for there in self.neighbours[tile]]
                others = [owner for owner in owners if owner not in (0, q)]
                if others:
                    self.conquer(tile, p if p in others else others[0])

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
        self._hand_over_gold(q, heir)
        for slot, attack in enumerate(self.attacks):
            if attack is not None and attack.attacker == q:
                self.attacks[slot] = None

    def _hand_over_gold(self, q: int, heir: int) -> None:
        self.player(heir).gold += self.player(q).gold
        self.player(q).gold = 0.0

    # -- surrounded clusters

    def capture_surrounded(self, q: int) -> None:
        """Give away what others have surrounded of q's land; the main cluster is the largest."""
        clusters = self.clusters(q)
        main = max(clusters, key=len, default=None)
        for cluster in clusters:
            if all(self.owner_of(tile) == q and len(self.neighbours[tile]) == 4 for tile in cluster):
                around = [there for tile in cluster for there in self.neighbours[tile] if self.owner_of(there) != q]
                p = self.captor(q, cluster, around, is_main=cluster is main)
                if p:
                    self.conquer_all(sorted(self.connected(q, cluster)), p)

    def captor(self, q: int, cluster: set[int], around: list[int], *, is_main: bool) -> int:
        """Who takes an inland cluster of q's, with what lies around it, once for each side of a tile; 0 if nobody."""
        enemies = [tile for tile in around if self.owner_of(tile) != 0]
        owners = Counter(self.owner_of(tile) for tile in enemies)
        if not enemies or (is_main and (len(owners) > 1 or len(enemies) < len(around))):
            return 0
        left, top, right, bottom = self.bounding_box(enemies)
        own_left, own_top, own_right, own_bottom = self.bounding_box(cluster)
        if left > own_left or top > own_top or right < own_right or bottom < own_bottom:
            return 0
        attacks = [attack for attack in self.attacks if attack and attack.target == q and attack.attacker in owners]
        if attacks:
            return min(attacks, key=lambda attack: (-attack.troops, attack.attacker)).attacker
        return min(owners, key=lambda owner: (-owners[owner], owner))
