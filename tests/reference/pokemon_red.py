"""Slow twins of the Game Boy environment: one machine, plain Python, from the specification and with its addresses.

`Machine` is an address space of 64 KiB with a picture; `observe` makes an observation row of it, `Episode` pays it.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

PARTY_STRUCTS = (0xD16B, 0xD197, 0xD1C3, 0xD1EF, 0xD21B, 0xD247)
HP = (0xD16C, 0xD198, 0xD1C4, 0xD1F0, 0xD21C, 0xD248)
MAX_HP = (0xD18D, 0xD1B9, 0xD1E5, 0xD211, 0xD23D, 0xD269)
LEVEL = (0xD18C, 0xD1B8, 0xD1E4, 0xD210, 0xD23C, 0xD268)
GREYS = (0x00, 0x55, 0x99, 0xFF)


@dataclass
class Machine:
    """What a step leaves behind."""

    memory: bytearray = field(default_factory=lambda: bytearray(0x10000))
    pixels: list[list[int]] = field(default_factory=lambda: [[0] * 160 for _ in range(144)])  # greys

    def set_party(self, members: Iterable[tuple[int, int, int]]) -> None:
        """(level, HP, full HP) of each member."""
        members = list(members)
        self.memory[0xD163] = len(members)
        for slot, (level, hp, full) in enumerate(members):
            self.memory[0xD164 + slot] = slot + 1
            self.memory[LEVEL[slot]] = level
            self.memory[HP[slot] : HP[slot] + 2] = hp.to_bytes(2, "big")
            self.memory[MAX_HP[slot] : MAX_HP[slot] + 2] = full.to_bytes(2, "big")

    def set_bag(self, items: Iterable[int]) -> None:
        """One of each item."""
        items = list(items)
        self.memory[0xD31D] = len(items)
        self.memory[0xD31E : 0xD31E + 2 * len(items)] = b"".join(bytes([item, 1]) for item in items)

    def set_event(self, index: int, on: bool = True) -> None:
        """Set or clear one event bit."""
        address, mask = 0xD747 + index // 8, 1 << index % 8
        self.memory[address] = self.memory[address] | mask if on else self.memory[address] & ~mask

    def stand_at(self, map_id: int, y: int, x: int) -> None:
        """Put the player on a cell."""
        self.memory[0xD35E], self.memory[0xD361], self.memory[0xD362] = map_id, y, x

    def party_size(self) -> int:
        """Members, never more than six."""
        return min(self.memory[0xD163], 6)

    def health(self, slot: int) -> tuple[int, int]:
        """HP, clipped to full HP, and full HP."""
        hp = int.from_bytes(self.memory[HP[slot] : HP[slot] + 2], "big")
        full = int.from_bytes(self.memory[MAX_HP[slot] : MAX_HP[slot] + 2], "big")
        return min(hp, full), full

    def members(self) -> int:
        """Party members with a body."""
        return sum(self.health(slot)[1] > 0 for slot in range(self.party_size()))

    def hp_sum(self) -> int:
        """HP of the whole party."""
        return sum(self.health(slot)[0] for slot in range(self.party_size()))

    def level_sum(self) -> int:
        """Levels of the whole party."""
        return sum(self.memory[LEVEL[slot]] for slot in range(self.party_size()))

    def bag(self) -> list[tuple[int, int]]:
        """(item, quantity) pairs."""
        count = min(self.memory[0xD31D], 20)
        return [(self.memory[0xD31E + 2 * slot], self.memory[0xD31F + 2 * slot]) for slot in range(count)]

    def money(self) -> int:
        """Six binary-coded digits."""
        value = 0
        for byte in self.memory[0xD347:0xD34A]:
            value = value * 100 + (byte >> 4) * 10 + (byte & 15)
        return value

    def events(self) -> set[int]:
        """Indices of the events that are set."""
        return {i for i in range(2560) if self.memory[0xD747 + i // 8] >> (i % 8) & 1}

    def place(self) -> tuple[int, int, int]:
        """Map, y, x."""
        return self.memory[0xD35E], self.memory[0xD361], self.memory[0xD362]

    def battle(self) -> int:
        """0 none, 1 wild, 2 trainer, 3 lost."""
        return min(self.memory[0xD057], 3)


def pack(values: Iterable[int], bits: int) -> list[int]:
    """Values of so many bits into bytes, the first in the lowest bits."""
    per_byte, packed = 8 // bits, []
    for i, value in enumerate(values):
        if i % per_byte == 0:
            packed.append(0)
        packed[-1] |= value << (bits * (i % per_byte))
    return packed


def observe(machine: Machine, visited: set[tuple[int, int, int]], passed: frozenset[int] = frozenset()) -> bytes:
    """The observation row: fields in the order of the contract between the parts; maps passed count as all visited."""
    memory, (map_id, y, x) = machine.memory, machine.place()
    size = machine.party_size()
    padding = [0] * (6 - size)
    bag = [byte for pair in machine.bag() for byte in pair]
    row = pack((GREYS.index(machine.pixels[i][j]) for i in range(0, 144, 2) for j in range(0, 160, 2)), 2)
    window = [(map_id, y + dy, x + dx) for dy in range(-4, 5) for dx in range(-4, 6)]
    row += pack((map_id in passed or cell in visited for cell in window), 1)
    row += memory[0xD747:0xD887]
    row += [map_id, y, x, (memory[0xC109] // 4) % 4, machine.battle(), memory[0xD356], memory[0xD719]]
    row += [*memory[0xD164 : 0xD164 + size], *padding]
    row += [*(memory[LEVEL[slot]] for slot in range(size)), *padding]
    for slot in range(size):
        hp, full = machine.health(slot)
        row.append(255 * hp // full if full else 0)
    row += padding
    row += [*(memory[PARTY_STRUCTS[slot] + 4] for slot in range(size)), *padding]
    row += bag + [0] * (40 - len(bag))
    row.append(min(machine.money().bit_length(), 20))
    return bytes(row)


@dataclass
class Rules:
    """The game's side of the rewards."""

    required_events: set[int] = field(default_factory=set)
    excluded_events: set[int] = field(default_factory=set)
    rest_maps: set[int] = field(default_factory=set)
    key_items: set[int] = field(default_factory=set)
    machines: set[int] = field(default_factory=set)


class Episode:
    """Pays each step of one episode; the world it begins in is the baseline."""

    def __init__(self, machine: Machine, rules: Rules, passed: frozenset[int] = frozenset()) -> None:
        self.rules = rules
        self.passed = set(passed)  # maps that led to where the episode begins
        self.visited: set[tuple[int, int, int]] = set()
        self.maps: set[int] = set(passed)
        self.events: set[int] = set()
        self.items: set[int] = set()
        self.badges = self.level_sum = self.seen = self.caught = 0
        self.stale = 0
        self.visit_is_paid = self.was_fallen = False
        self._remember(machine)

    def pay(self, machine: Machine) -> dict[str, float]:
        """Unweighted terms of a step."""
        new_events = machine.events() - self.events
        new_items = {item for item, _ in machine.bag()} - self.items
        required = new_events & self.rules.required_events
        terms = {
            "badge": (machine.memory[0xD356] & ~self.badges).bit_count(),
            "required_event": len(required),
            "event": len(new_events - required - self.rules.excluded_events),
            "map": machine.place()[0] not in self.maps,
            "coordinate": machine.place() not in self.visited and machine.place()[0] not in self.passed,
            "level": self._level_value(machine.level_sum()) - self._level_value(self.level_sum),
            "heal": self._heals(machine),
            "defeat": self._is_fallen(machine) and not self.was_fallen,
            "item": len(new_items & self.rules.key_items),
            "hm": len(new_items & self.rules.machines),
            "seen": max(self._species(machine, 0xD30A) - self.seen, 0),
            "caught": max(self._species(machine, 0xD2F7) - self.caught, 0),
        }
        self.stale = 0 if terms["coordinate"] else self.stale + 1
        self._remember(machine)
        return {name: float(value) for name, value in terms.items()}

    def reopen(self, machine: Machine, maps: set[int]) -> None:
        """The story leads back over maps: their cells pay once more."""
        self.passed -= maps
        self.visited = {cell for cell in self.visited if cell[0] not in maps} | {machine.place()}

    def _level_value(self, level_sum: int) -> float:
        level_sum = max(level_sum, self.level_sum)
        return level_sum if level_sum <= 15 else 15 + (level_sum - 15) / 4

    def _heals(self, machine: Machine) -> bool:
        party = [machine.health(slot) for slot in range(machine.party_size())]
        return (
            not self.visit_is_paid
            and machine.place()[0] in self.rules.rest_maps
            and machine.battle() == 0
            and machine.members() == self.members
            and machine.hp_sum() > self.hp_sum
            and all(hp == full for hp, full in party)
        )

    def _is_fallen(self, machine: Machine) -> bool:
        return machine.battle() == 3 or (machine.members() > 0 and machine.hp_sum() == 0)

    def _species(self, machine: Machine, address: int) -> int:
        return sum(byte.bit_count() for byte in machine.memory[address : address + 19])

    def _remember(self, machine: Machine) -> None:
        was_paid = self.visit_is_paid or (bool(self.maps) and self._heals(machine))
        resting = machine.place()[0] in self.rules.rest_maps
        self.was_fallen = self._is_fallen(machine)
        self.visit_is_paid = self.was_fallen or (was_paid and resting)
        self.visited.add(machine.place())
        self.maps.add(machine.place()[0])
        self.events |= machine.events()
        self.items |= {item for item, _ in machine.bag()}
        self.badges |= machine.memory[0xD356]
        self.level_sum = max(self.level_sum, machine.level_sum())
        self.seen = max(self.seen, self._species(machine, 0xD30A))
        self.caught = max(self.caught, self._species(machine, 0xD2F7))
        self.members, self.hp_sum = machine.members(), machine.hp_sum()


def random_machine(rng: random.Random) -> Machine:
    """A machine full of noise, in which the facts are often plausible and sometimes not."""
    machine = Machine(bytearray(rng.randbytes(0x10000)))
    machine.pixels = [rng.choices(GREYS, k=160) for _ in range(144)]
    machine.memory[0xD163] = rng.choice((0, 1, 3, 6, 6, 200))
    machine.memory[0xD31D] = rng.choice((0, 1, 7, 20, 255))
    machine.memory[0xD057] = rng.choice((0, 0, 1, 2, 0xFF))
    for slot in range(6):
        full = rng.choice((0, 1, 30, 255, 999))
        machine.memory[MAX_HP[slot] : MAX_HP[slot] + 2] = full.to_bytes(2, "big")
        machine.memory[HP[slot] : HP[slot] + 2] = rng.choice((0, full // 2, full, full + 5)).to_bytes(2, "big")
    return machine


def wander(machine: Machine, rng: random.Random, rest_maps: Iterable[int]) -> None:
    """One random step of a plausible life, in place."""
    memory, rest = machine.memory, list(rest_maps)
    if rng.random() < 0.1:
        machine.stand_at(rng.choice([*rest, 0, 1, 2]), 5, 5)
    memory[0xD361] = max(0, min(255, memory[0xD361] + rng.choice((-1, 0, 1))))
    memory[0xD362] = max(0, min(255, memory[0xD362] + rng.choice((-1, 0, 1))))
    memory[0xD057] = rng.choice((0,) * 12 + (1, 2, 0xFF))
    if rng.random() < 0.2:
        machine.set_event(rng.randrange(64), rng.random() < 0.8)
    if rng.random() < 0.1:
        memory[rng.choice((0xD2F7, 0xD30A)) + rng.randrange(19)] |= 1 << rng.randrange(8)
    if rng.random() < 0.1:
        memory[0xD356] ^= 1 << rng.randrange(8)
    if rng.random() < 0.1:
        machine.set_bag(rng.sample(range(1, 12), rng.randrange(6)))
    if rng.random() < 0.3:
        full = 20
        size = rng.choice((0, 1, 1, 2, 6))
        party = [(rng.randrange(1, 9), rng.choice((0, 7, full, full)), full) for _ in range(size)]
        if party and rng.random() < 0.2:
            party[-1] = (0, 0, 0)  # a newcomer whose nickname is asked for
        machine.set_party(party)
