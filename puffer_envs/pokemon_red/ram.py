"""Where Pokemon Red (US) keeps its facts in working RAM, and how they are read.

Addresses are those of the symbol file of pret/pokered (`symbols/pokered.sym`), checked against 17 real savestates. The
built-in game keeps the same facts at the same places, so this reader serves both.

A step reads the few regions of `REGIONS` into one row of bytes ("raw row"); `decode` turns raw rows into `Facts`.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, overload

import numpy as np

from puffer_envs.kit.jit import copy, kernel, wide

# -- addresses -------------------------------------------------------------------------------------------------------
FACING = 0xC109  # wSpritePlayerStateData1FacingDirection: 0 down, 4 up, 8 left, 12 right
JOY_IGNORE = 0xCD6B  # wJoyIgnore: bits of the keys that are ignored, non-zero in cutscenes
IN_BATTLE = 0xD057  # wIsInBattle: 0 no, 1 wild, 2 trainer, 0xFF just lost
PARTY_COUNT = 0xD163  # wPartyCount: 0-6
PARTY_SPECIES = 0xD164  # wPartySpecies: 6 bytes, 0xFF ends
PARTY_MONS = 0xD16B  # wPartyMon1: 6 structs of 44 bytes
DEX_OWNED = 0xD2F7  # wPokedexOwned: 19 bytes of bits, LSB first
DEX_SEEN = 0xD30A  # wPokedexSeen: 19 bytes of bits, LSB first
BAG_COUNT = 0xD31D  # wNumBagItems: 0-20
BAG_ITEMS = 0xD31E  # wBagItems: (item, quantity) pairs, 0xFF ends
MONEY = 0xD347  # wPlayerMoney: 6 BCD digits, most significant first
BADGES = 0xD356  # wObtainedBadges: bit 0 is the first gym's
MAP_ID = 0xD35E  # wCurMap
PLAYER_Y, PLAYER_X = 0xD361, 0xD362  # wYCoord, wXCoord: cells of 16x16 pixels
BLACKOUT_MAP = 0xD719  # wLastBlackoutMap: where a defeat leads
STATUS_FLAGS_5 = 0xD730  # wStatusFlags5: bit 5 while the joypad is disabled
EVENTS = 0xD747  # wEventFlags: 320 bytes, event i is bit i % 8 of byte i // 8

# Offsets in a party struct
MON_SIZE, MON_HP, MON_STATUS, MON_LEVEL, MON_MAX_HP = 0x2C, 0x01, 0x04, 0x21, 0x22  # HP and max HP: big-endian u16

PARTY_SIZE = 6
BAG_SIZE = 20
EVENT_BYTES = 320
EVENT_WORDS = EVENT_BYTES // 8  # as uint64
NUM_EVENTS = EVENT_BYTES * 8
LOST_BATTLE = 0xFF
MAX_LEVEL, MAX_HP = 100, 999  # what the games can reach

# -- the raw row: single facts, party list, party structs, then two long regions --------------------------------------
SINGLES = (FACING, IN_BATTLE, BLACKOUT_MAP)
_PARTY = (PARTY_COUNT, PARTY_SPECIES + PARTY_SIZE)
_MON_PARTS = ((MON_HP, MON_STATUS + 1), (MON_LEVEL, MON_MAX_HP + 2))  # 4 + 3 bytes of each struct
_PLAYER = (DEX_OWNED, PLAYER_X + 1)  # dex, bag, money, badges, map and place
_EVENTS = (EVENTS, EVENTS + EVENT_BYTES)
MON_BYTES = sum(stop - start for start, stop in _MON_PARTS)

# Offsets in a raw row
AT_FACING, AT_BATTLE, AT_BLACKOUT = range(len(SINGLES))
AT_PARTY = len(SINGLES)
AT_MONS = AT_PARTY + 1 + PARTY_SIZE
AT_PLAYER = AT_MONS + PARTY_SIZE * MON_BYTES
AT_EVENTS = AT_PLAYER + _PLAYER[1] - _PLAYER[0]
RAW_SIZE = AT_EVENTS + EVENT_BYTES

AT_OWNED, AT_SEEN = AT_PLAYER, AT_PLAYER + DEX_SEEN - DEX_OWNED
AT_BAG = AT_PLAYER + BAG_COUNT - DEX_OWNED
AT_MONEY = AT_PLAYER + MONEY - DEX_OWNED
AT_BADGES = AT_PLAYER + BADGES - DEX_OWNED
AT_MAP = AT_PLAYER + MAP_ID - DEX_OWNED
AT_Y, AT_X = AT_PLAYER + PLAYER_Y - DEX_OWNED, AT_PLAYER + PLAYER_X - DEX_OWNED
DEX_BYTES = DEX_SEEN - DEX_OWNED


class AddressSpace(Protocol):
    """Anything that is indexed like a Game Boy's memory: PyBoy's view of it, or 64 KiB of bytes."""

    @overload
    def __getitem__(self, address: int) -> int: ...
    @overload
    def __getitem__(self, address: slice) -> Iterable[int]: ...


def read(memory: AddressSpace, out: np.ndarray) -> None:
    """Read one machine's facts into a raw row, ``out`` uint8 [RAW_SIZE].

    A byte read through PyBoy costs 25 ns, so party members that do not exist are not read: their bytes become 0.
    """
    values = [memory[address] for address in SINGLES]
    values += memory[slice(*_PARTY)]
    for mon in range(PARTY_SIZE):
        base = PARTY_MONS + mon * MON_SIZE
        for start, stop in _MON_PARTS:
            values += memory[base + start : base + stop] if mon < values[AT_PARTY] else bytes(stop - start)
    values += memory[slice(*_PLAYER)]
    values += memory[slice(*_EVENTS)]
    out[:] = np.frombuffer(bytes(values), np.uint8)


WRAM, WRAM_BYTES = 0xC000, 0x2000  # working RAM, where all of the above lies


@kernel
def gather(wram: np.ndarray, out: np.ndarray) -> None:
    """`read` for working RAM as an array, uint8 [8192]: 20 times faster."""
    out[AT_FACING] = wram[FACING - WRAM]
    out[AT_BATTLE] = wram[IN_BATTLE - WRAM]
    out[AT_BLACKOUT] = wram[BLACKOUT_MAP - WRAM]
    copy(wram, PARTY_COUNT - WRAM, AT_MONS - AT_PARTY, out, AT_PARTY)
    out[AT_MONS:AT_PLAYER] = 0
    for mon in range(min(wide(out[AT_PARTY]), PARTY_SIZE)):
        at, base = AT_MONS + mon * MON_BYTES, PARTY_MONS - WRAM + mon * MON_SIZE
        copy(wram, base + MON_HP, 4, out, at)
        copy(wram, base + MON_LEVEL, 3, out, at + 4)
    copy(wram, DEX_OWNED - WRAM, AT_EVENTS - AT_PLAYER, out, AT_PLAYER)
    copy(wram, EVENTS - WRAM, EVENT_BYTES, out, AT_EVENTS)


# -- facts -----------------------------------------------------------------------------------------------------------
class Facts(NamedTuple):
    """What a batch of E games says about itself, struct of arrays. Party slots beyond the count are 0."""

    map_id: np.ndarray  # uint8 [E]
    y: np.ndarray  # uint8 [E], cells
    x: np.ndarray  # uint8 [E], cells
    facing: np.ndarray  # uint8 [E], 0 down, 1 up, 2 left, 3 right
    battle: np.ndarray  # uint8 [E], 0 none, 1 wild, 2 trainer, 3 lost
    badges: np.ndarray  # uint8 [E], a bit each
    blackout_map: np.ndarray  # uint8 [E]
    party_count: np.ndarray  # uint8 [E]
    species: np.ndarray  # uint8 [E, 6]
    level: np.ndarray  # uint8 [E, 6]
    hp: np.ndarray  # uint16 [E, 6], clipped to max_hp (real savestates hold more)
    max_hp: np.ndarray  # uint16 [E, 6]
    status: np.ndarray  # uint8 [E, 6]
    bag: np.ndarray  # uint8 [E, 20, 2], item and quantity, 0 beyond the end
    money: np.ndarray  # int32 [E]
    seen: np.ndarray  # uint8 [E], species seen
    caught: np.ndarray  # uint8 [E], species owned
    events: np.ndarray  # uint8 [E, 320], bits LSB first
    event_words: np.ndarray  # uint64 [E, 40], the same bytes


def allocate_facts(num_envs: int) -> Facts:
    """Zeroed facts of a batch."""
    e, byte = num_envs, np.uint8
    flat: dict[str, np.ndarray] = {name: np.zeros(e, byte) for name in Facts._fields}
    shaped: dict[str, np.ndarray] = {
        "species": np.zeros((e, PARTY_SIZE), byte),
        "level": np.zeros((e, PARTY_SIZE), byte),
        "hp": np.zeros((e, PARTY_SIZE), np.uint16),
        "max_hp": np.zeros((e, PARTY_SIZE), np.uint16),
        "status": np.zeros((e, PARTY_SIZE), byte),
        "bag": np.zeros((e, BAG_SIZE, 2), byte),
        "money": np.zeros(e, np.int32),
        "event_words": np.zeros((e, EVENT_WORDS), np.uint64),
    }
    shaped["events"] = shaped["event_words"].view(np.uint8)
    return Facts(**(flat | shaped))


@kernel
def decode(raw: np.ndarray, facts: Facts, row: int) -> None:
    """A row of raw rows uint8 [E, RAW_SIZE] into the facts."""
    facts.map_id[row] = raw[row, AT_MAP]
    facts.y[row] = raw[row, AT_Y]
    facts.x[row] = raw[row, AT_X]
    facts.facing[row] = (raw[row, AT_FACING] >> 2) & 3
    facts.battle[row] = min(wide(raw[row, AT_BATTLE]), 3)
    facts.badges[row] = raw[row, AT_BADGES]
    facts.blackout_map[row] = raw[row, AT_BLACKOUT]
    facts.money[row] = _bcd(raw, row)
    facts.caught[row] = _count_dex(raw, row, AT_OWNED)
    facts.seen[row] = _count_dex(raw, row, AT_SEEN)
    copy(raw[row], AT_EVENTS, EVENT_BYTES, facts.events[row], 0)
    _decode_party(raw, facts, row)
    _decode_bag(raw, facts, row)


@kernel
def _bcd(raw: np.ndarray, row: int) -> int:
    value = 0
    for i in range(3):
        byte = wide(raw[row, AT_MONEY + i])
        value = value * 100 + (byte >> 4) * 10 + (byte & 15)
    return value


@kernel
def count_bits(byte: int) -> int:
    """Bits set in a byte (int64)."""
    count = 0
    for bit in range(8):
        count += (byte >> bit) & 1
    return count


@kernel
def _count_dex(raw: np.ndarray, row: int, start: int) -> int:
    count = 0
    for i in range(start, start + DEX_BYTES):
        count += count_bits(wide(raw[row, i]))
    return count


@kernel
def _decode_party(raw: np.ndarray, facts: Facts, row: int) -> None:
    count = min(wide(raw[row, AT_PARTY]), PARTY_SIZE)
    facts.party_count[row] = count
    for mon in range(PARTY_SIZE):
        here = mon < count
        at = AT_MONS + mon * MON_BYTES
        hp = wide(raw[row, at]) << 8 | wide(raw[row, at + 1])
        max_hp = wide(raw[row, at + 5]) << 8 | wide(raw[row, at + 6])
        facts.species[row, mon] = raw[row, AT_PARTY + 1 + mon] if here else 0
        facts.status[row, mon] = raw[row, at + 3] if here else 0
        facts.level[row, mon] = raw[row, at + 4] if here else 0
        facts.hp[row, mon] = min(hp, max_hp) if here else 0
        facts.max_hp[row, mon] = max_hp if here else 0


@kernel
def _decode_bag(raw: np.ndarray, facts: Facts, row: int) -> None:
    count = min(wide(raw[row, AT_BAG]), BAG_SIZE)
    for slot in range(BAG_SIZE):
        at = AT_BAG + 1 + 2 * slot
        facts.bag[row, slot, 0] = raw[row, at] if slot < count else 0
        facts.bag[row, slot, 1] = raw[row, at + 1] if slot < count else 0


# -- sanity ----------------------------------------------------------------------------------------------------------
def find_fault(raw: np.ndarray, known_maps: frozenset[int]) -> str | None:
    """What is impossible about a raw row (uint8 [RAW_SIZE]), or None: garbage can load into an emulator silently."""
    checks = (
        (int(raw[AT_MAP]) in known_maps, f"map 0x{raw[AT_MAP]:02X} does not exist"),
        (raw[AT_PARTY] <= PARTY_SIZE, f"a party of {raw[AT_PARTY]}"),
        (raw[AT_BAG] <= BAG_SIZE, f"{raw[AT_BAG]} items in the bag"),
        (raw[AT_FACING] in (0, 4, 8, 12), f"facing 0x{raw[AT_FACING]:02X}"),
        (raw[AT_BATTLE] in (0, 1, 2, LOST_BATTLE), f"battle type 0x{raw[AT_BATTLE]:02X}"),
        (_is_bcd(raw[AT_MONEY : AT_MONEY + 3]), "money is no decimal number"),
    )
    for good, fault in checks:
        if not good:
            return fault
    return _find_party_fault(raw)


def _is_bcd(digits: np.ndarray) -> bool:
    return all(byte >> 4 <= 9 and byte & 15 <= 9 for byte in digits.tolist())


def _find_party_fault(raw: np.ndarray) -> str | None:
    for mon in range(raw[AT_PARTY]):
        hp_high, hp_low, _, _, level, max_high, max_low = raw[AT_MONS + mon * MON_BYTES :][:MON_BYTES].tolist()
        hp, max_hp = hp_high << 8 | hp_low, max_high << 8 | max_low
        if level == 0 and max_hp == 0:
            continue  # Red counts a new member before it asks for a nickname and writes the rest
        if not 1 <= level <= MAX_LEVEL:
            return f"party member {mon + 1} of level {level}"
        if hp > MAX_HP or not 1 <= max_hp <= MAX_HP:
            return f"party member {mon + 1} has {hp} of {max_hp} HP"
    return None
