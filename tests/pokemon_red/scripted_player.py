"""A player that finishes WAYFARER from what WRAM says: a test tool, and the measure of the game's length.

It knows the map files, finds its way by breadth-first search over all maps, talks to whom the story needs next, fights
with the cursor on FIGHT and drinks a balm when the next blow could be the last.
"""

from __future__ import annotations

import io
from collections import deque
from typing import NamedTuple, Protocol

from puffer_envs.pokemon_red.rom import ROM_PATH
from puffer_envs.pokemon_red.rom.world_data import Map, Thing, read_cells, read_events, read_foes, read_maps

HOLD_FRAMES, STEP_FRAMES = 8, 24
BOOT_FRAMES = 90
MOVES = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}
FACING = {0: "down", 4: "up", 8: "left", 12: "right"}

BALM, BALM_PRICE = 1, 300
HEAL_DETOURS = ((0.4, 20), (0.7, 5))  # below this share of HP, walk that many steps to a healer
TIRED = 0.4  # below this share of HP, drink a balm on the road

Place = tuple[int, int, int]  # map id, x, y


class Goal(NamedTuple):
    """Reach an event and, at a pedlar's, a number of balms."""

    event: str
    balms: int = 0


ACT_1 = [
    Goal("met_mother"),
    Goal("got_starter"),
    Goal("bought_balm"),
    Goal("got_town_balm"),
    Goal("beat_leader_1"),
]
ACT_2 = [
    Goal("got_parcel"),
    Goal("delivered_parcel"),
    Goal("bought_balm", balms=5),
    Goal("showed_ticket"),
    Goal("rested_in_harbour"),
    Goal("bought_balm", balms=4),
    Goal("beat_leader_2"),
]
ACT_3 = [
    Goal("got_hatchet"),
    Goal("bought_balm", balms=5),
    Goal("cut_tree"),
    Goal("passed_badge_gate"),
    Goal("found_key"),
    Goal("opened_lamp_gym"),
    Goal("bought_balm", balms=4),
    Goal("beat_leader_3"),
    Goal("passed_hall_gate"),
    Goal("signed_book"),
]
WHOLE_GAME = [*ACT_1, *ACT_2, *ACT_3]


class Memory(Protocol):
    """Byte access to WRAM."""

    def __getitem__(self, address: int) -> int: ...


class Facts:
    """The few facts the player decides by."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    @property
    def place(self) -> Place:
        """Map, x, y."""
        return self.memory[0xD35E], self.memory[0xD362], self.memory[0xD361]

    def event(self, bit: int) -> bool:
        """Whether an event flag is set."""
        return bool(self.memory[0xD747 + bit // 8] >> bit % 8 & 1)

    @property
    def in_battle(self) -> int:
        """0, 1 wild, 2 trainer, 255 lost."""
        return self.memory[0xD057]

    @property
    def box_open(self) -> bool:
        """A text box or the menu is open."""
        return bool(self.memory[0xCFC4] & 1)

    @property
    def hp(self) -> int:
        """Our HP."""
        return self.memory[0xD16C] << 8 | self.memory[0xD16D]

    @property
    def max_hp(self) -> int:
        """Our full HP."""
        return self.memory[0xD18D] << 8 | self.memory[0xD18E]

    @property
    def level(self) -> int:
        """Our level."""
        return self.memory[0xD18C]

    @property
    def money(self) -> int:
        """Coins."""
        return int(bytes(self.memory[0xD347 + i] for i in range(3)).hex())

    @property
    def foe_hp(self) -> int:
        """HP of the opponent."""
        return self.memory[0xCFE6] << 8 | self.memory[0xCFE7]

    @property
    def cursor(self) -> int:
        """Row of the menu cursor."""
        return self.memory[0xCC26]

    def item(self, number: int) -> int:
        """How many of an item the bag holds."""
        pairs = ((self.memory[0xD31E + 2 * i], self.memory[0xD31F + 2 * i]) for i in range(self.memory[0xD31D]))
        return dict(pairs).get(number, 0)


class Atlas:
    """The static world: which cells can be walked, what stands where, where warps lead."""

    def __init__(self) -> None:
        self.maps: dict[int, Map] = read_maps()
        self.events = {name: bit for bit, name in enumerate(read_events())}
        self.kinds = {cell.char: cell.kind for cell in read_cells()}
        self.warps = {(m.id, w.x, w.y): (w.map_id, w.to_x, w.to_y) for m in self.maps.values() for w in m.warps}
        self.things = [(m.id, thing) for m in self.maps.values() for thing in m.things]

    def things_for(self, event: str) -> list[tuple[int, Thing]]:
        """The maps and things that set an event."""
        return [(map_id, thing) for map_id, thing in self.things if thing.options.get("event") == event]

    def healers(self) -> list[tuple[int, Thing]]:
        """Who heals, and where."""
        return [(map_id, thing) for map_id, thing in self.things if thing.role == "healer"]

    def beside(self, things: list[tuple[int, Thing]], blocked: set[Place]) -> set[Place]:
        """Free cells next to any of the things."""
        cells = {(map_id, t.x - dx, t.y - dy) for map_id, t in things for dx, dy in MOVES.values()}
        return {place for place in cells - blocked if self.kind(place) in ("walk", "wild")}

    def blocked(self, facts: Facts) -> set[Place]:
        """Cells on which something stands now."""
        return {(map_id, t.x, t.y) for map_id, t in self.things if not self._gone(t, facts)}

    def _gone(self, thing: Thing, facts: Facts) -> bool:
        gone = thing.options.get("gone")
        return gone is not None and facts.event(self.events[gone])

    def step(self, place: Place, key: str, blocked: set[Place]) -> Place:
        """Where a step leads: a warp's other end, two cells on over a ledge, or nowhere."""
        map_id, x, y = place
        dx, dy = MOVES[key]
        target = (map_id, x + dx, y + dy)
        if target in blocked:
            return place
        if target in self.warps:
            return self.warps[target]
        kind = self.kind(target)
        if kind == "ledge" and key == "down":
            return map_id, x, y + 2
        return target if kind in ("walk", "wild") else place

    def kind(self, place: Place) -> str:
        """The kind of a cell; the border is solid."""
        map_id, x, y = place
        rows = self.maps[map_id].rows
        inside = 0 <= y < len(rows) and 0 <= x < len(rows[0])
        return self.kinds[rows[y][x]] if inside else "solid"

    def route(self, start: Place, goals: set[Place], blocked: set[Place]) -> tuple[str, int] | None:
        """First key and length of a shortest way to any of `goals`; None where there is none."""
        came: dict[Place, tuple[str, int]] = {start: ("", 0)}
        queue = deque([start])
        while queue:
            place = queue.popleft()
            first, length = came[place]
            if place in goals:
                return first, length
            for key in MOVES:
                after = self.step(place, key, blocked)
                if after not in came:
                    came[after] = first or key, length + 1
                    queue.append(after)
        return None


class ScriptedPlayer:
    """Chooses one key a decision."""

    def __init__(self, facts: Facts, goals: list[Goal]) -> None:
        self.facts, self.goals = facts, goals
        self.atlas = Atlas()
        self.foes = read_foes()[1]
        self.asked_for_balm = False
        self.in_menu = False
        self.reached = 0  # goals

    @property
    def goal(self) -> Goal | None:
        """The first goal that has not been reached yet; what was reached once stays so."""
        while self.reached < len(self.goals) and self._is_reached(self.goals[self.reached]):
            self.reached += 1
        return self.goals[self.reached] if self.reached < len(self.goals) else None

    def _is_reached(self, goal: Goal) -> bool:
        poor = self.facts.money < BALM_PRICE
        return self.facts.event(self.atlas.events[goal.event]) and (poor or self.facts.item(BALM) >= goal.balms)

    def key(self) -> str:
        """The next key."""
        if self.facts.in_battle:
            return self._battle_key()
        if self.facts.box_open:
            return self._menu_key() if self.in_menu else "a"
        goal = self.goal
        assert goal is not None, "the story is over"
        return self._key_to_drink() or self._key_to_heal() or self._key_towards(self.atlas.things_for(goal.event))

    @property
    def strength(self) -> float:
        """The share of HP that is left."""
        return self.facts.hp / self.facts.max_hp if self.facts.max_hp else 1.0

    def _key_to_drink(self) -> str | None:
        """Tired and carrying balm: open the menu, whose first row it is."""
        self.in_menu = self.strength < TIRED and self.facts.item(BALM) > 0
        return "start" if self.in_menu else None

    def _menu_key(self) -> str:
        again = self.strength < TIRED and self.facts.item(BALM) > 0
        self.in_menu = again
        return "a" if again else "b"

    def _key_to_heal(self) -> str | None:
        """Tired and somebody is near: go there first."""
        reach = next((steps for limit, steps in HEAL_DETOURS if self.strength < limit), 0)
        if not reach:
            return None
        healers, blocked = self.atlas.healers(), self.atlas.blocked(self.facts)
        way = self.atlas.route(self.facts.place, self.atlas.beside(healers, blocked), blocked)
        return self._key_towards(healers) if way and way[1] <= reach else None

    def _key_towards(self, things: list[tuple[int, Thing]]) -> str:
        """Walk to the nearest of the things, turn to it, press A."""
        here, blocked = self.facts.place, self.atlas.blocked(self.facts)
        way = self.atlas.route(here, self.atlas.beside(things, blocked), blocked)
        assert way, f"no way from {here}"
        if way[1]:
            return way[0]
        ahead = {key: (here[0], here[1] + dx, here[2] + dy) for key, (dx, dy) in MOVES.items()}
        targets = {(map_id, thing.x, thing.y) for map_id, thing in things}
        turn = next(key for key, place in ahead.items() if place in targets)
        return "a" if FACING[self.facts.memory[0xC109]] == turn else turn

    # ---- battles

    def _battle_key(self) -> str:
        if self.facts.in_battle == 255:
            return "a"
        if self.facts.cursor == 1 or not self._wants_balm():
            self.asked_for_balm = False
            return "a"
        self.asked_for_balm = not self.asked_for_balm  # a page may be open, which only A turns
        return "down" if self.asked_for_balm else "a"

    def _wants_balm(self) -> bool:
        facts = self.facts
        if facts.in_battle != 2 or not facts.item(BALM) or facts.foe_hp == 0:
            return False
        foe = self.foes[facts.memory[0xD059] - 200]
        finishing = facts.foe_hp <= 2 + facts.level
        return not finishing and facts.hp < foe.hit + foe.spread + 2 and facts.max_hp - facts.hp >= 12


class Recording(NamedTuple):
    """What happened: keys, the decision at which each event was first seen, and when and to whom we lost."""

    keys: list[str]
    events: dict[str, int]
    defeats: list[tuple[int, int]]


class Console:
    """The game in an emulator, one decision at a time."""

    def __init__(self, idle_frames: int = 0, rom: bytes | None = None) -> None:
        from pyboy import PyBoy

        self.pyboy = PyBoy(io.BytesIO(rom or ROM_PATH.read_bytes()), window="null", sound_emulated=False)
        self.pyboy.tick(BOOT_FRAMES + idle_frames, False)
        self.facts = Facts(self.pyboy.memory)

    def press(self, key: str, render: bool = False) -> None:
        """One decision: down for 8 frames, 24 in all."""
        self.pyboy.button_press(key)
        self.pyboy.tick(HOLD_FRAMES, False)
        self.pyboy.button_release(key)
        self.pyboy.tick(STEP_FRAMES - HOLD_FRAMES, render)

    def close(self) -> None:
        """Stop the emulator; nothing is written."""
        self.pyboy.stop(save=False)


def play(console: Console, goals: list[Goal], limit: int) -> Recording:
    """Play until every goal is reached or `limit` decisions are spent."""
    player = ScriptedPlayer(console.facts, goals)
    names = {bit: name for name, bit in player.atlas.events.items()}
    recording, seen, lost, defeats = [], {}, False, []
    while player.goal is not None and len(recording) < limit:
        recording.append(player.key())
        console.press(recording[-1])
        now_lost = console.facts.in_battle == 255
        if now_lost and not lost:
            defeats.append((len(recording), console.facts.memory[0xD059]))
        lost = now_lost
        for bit, name in names.items():
            if name not in seen and console.facts.event(bit):
                seen[name] = len(recording)
    return Recording(recording, seen, defeats)
