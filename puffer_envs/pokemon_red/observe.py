"""Observations: the screen, and what the game's RAM says that a player could know, packed into a row of bytes."""

import numpy as np

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.kit.jit import copy, kernel, wide
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.kernels import Memory, was_visited
from puffer_envs.pokemon_red.ram import Facts

SCREEN = (72, 80)  # rows, columns: every second pixel of the Game Boy's 144 x 160
WINDOW = (9, 10)  # rows, columns of cells on the screen
PLAYER = (4, 4)  # the player's cell in it, row and column
MONEY_BUCKETS = 20  # 999,999 has 20 bits

LAYOUT = ObsLayout(
    np.uint8,
    ("screen", SCREEN, 2, 1 / 3),  # brightness, 0 black to 3 white
    # Cells around the player, row by row, that pay no more: those that the episode has visited, and all those of the
    # maps that led to the savestate in which it began. (While these looked new, such episodes walked straight back.)
    ("visited", (WINDOW[0] * WINDOW[1],), 1),
    ("events", (ram.NUM_EVENTS,), 1),
    ("map_id", (1,)),
    ("position", (2,)),  # y, x in cells
    ("facing", (1,)),  # 0 down, 1 up, 2 left, 3 right
    ("battle", (1,)),  # 0 none, 1 wild, 2 trainer, 3 lost
    ("badges", (8,), 1),
    ("blackout_map", (1,)),  # where a defeat leads
    ("party_species", (ram.PARTY_SIZE,)),  # 0: no one
    ("party_level", (ram.PARTY_SIZE,), 8, 1 / 100),
    ("party_hp", (ram.PARTY_SIZE,), 8, 1 / 255),  # fraction of full HP
    ("party_status", (ram.PARTY_SIZE,)),
    ("bag", (ram.BAG_SIZE, 2)),  # item, quantity
    ("money", (1,), 8, 1 / MONEY_BUCKETS),  # number of binary digits
)

_AT_VISITED = LAYOUT["visited"].offset
_AT_EVENTS = LAYOUT["events"].offset
_AT_MAP = LAYOUT["map_id"].offset
_AT_POSITION = LAYOUT["position"].offset
_AT_FACING = LAYOUT["facing"].offset
_AT_BATTLE = LAYOUT["battle"].offset
_AT_BADGES = LAYOUT["badges"].offset
_AT_BLACKOUT = LAYOUT["blackout_map"].offset
_AT_SPECIES = LAYOUT["party_species"].offset
_AT_LEVEL = LAYOUT["party_level"].offset
_AT_HP = LAYOUT["party_hp"].offset
_AT_STATUS = LAYOUT["party_status"].offset
_AT_BAG = LAYOUT["bag"].offset
_AT_MONEY = LAYOUT["money"].offset
SCREEN_BYTES = LAYOUT["screen"].size
_CELLS = WINDOW[0] * WINDOW[1]


@kernel
def pack_screen(pixels: np.ndarray, out: np.ndarray, row: int) -> None:
    """Every second pixel in 2 bits.

    Args:
        pixels: uint8 [144, 160, 4], the emulator's frame; its four greys are 0x00, 0x55, 0x99, 0xFF.
        out: uint8 [E, 1440], of which ``row`` is written.
    """
    at = 0
    for y in range(0, 144, 2):
        for x in range(0, 160, 8):
            out[row, at] = (
                pixels[y, x, 0] >> 6
                | pixels[y, x + 2, 0] >> 6 << 2
                | pixels[y, x + 4, 0] >> 6 << 4
                | pixels[y, x + 6, 0] >> 6 << 6
            )
            at += 1


@kernel
def write_rows(screens: np.ndarray, facts: Facts, memory: Memory, out: np.ndarray, rows: np.ndarray) -> None:
    """The observations of ``rows`` (indices) into ``out``, uint8 [E, R]; ``screens`` as packed, uint8 [E, 1440]."""
    for i in range(rows.size):
        row = rows[i]
        copy(screens[row], 0, SCREEN_BYTES, out[row], 0)
        _write_visited(facts, memory, out, row)
        copy(facts.events[row], 0, ram.EVENT_BYTES, out[row], _AT_EVENTS)
        out[row, _AT_MAP] = facts.map_id[row]
        out[row, _AT_POSITION] = facts.y[row]
        out[row, _AT_POSITION + 1] = facts.x[row]
        out[row, _AT_FACING] = facts.facing[row]
        out[row, _AT_BATTLE] = facts.battle[row]
        out[row, _AT_BADGES] = facts.badges[row]
        out[row, _AT_BLACKOUT] = facts.blackout_map[row]
        _write_party(facts, out, row)
        for slot in range(ram.BAG_SIZE):
            out[row, _AT_BAG + 2 * slot] = facts.bag[row, slot, 0]
            out[row, _AT_BAG + 2 * slot + 1] = facts.bag[row, slot, 1]
        out[row, _AT_MONEY] = _bucket(facts.money[row])


@kernel
def _write_visited(facts: Facts, memory: Memory, out: np.ndarray, row: int) -> None:
    top, left = wide(facts.y[row]) - PLAYER[0], wide(facts.x[row]) - PLAYER[1]
    map_id = wide(facts.map_id[row])
    passed = memory.passed[row, map_id]
    for at in range(_AT_VISITED, _AT_EVENTS):
        out[row, at] = 0
    for cell in range(_CELLS):
        y, x = top + cell // WINDOW[1], left + cell % WINDOW[1]
        if passed or (0 <= y < 256 and 0 <= x < 256 and was_visited(memory, row, map_id, y, x)):
            out[row, _AT_VISITED + (cell >> 3)] |= 1 << (cell & 7)


@kernel
def _write_party(facts: Facts, out: np.ndarray, row: int) -> None:
    for mon in range(ram.PARTY_SIZE):
        full = wide(facts.max_hp[row, mon])
        out[row, _AT_SPECIES + mon] = facts.species[row, mon]
        out[row, _AT_LEVEL + mon] = facts.level[row, mon]
        out[row, _AT_HP + mon] = wide(facts.hp[row, mon]) * 255 // full if full else 0
        out[row, _AT_STATUS + mon] = facts.status[row, mon]


@kernel
def _bucket(money: int) -> int:
    digits = 0
    while money > 0:
        money >>= 1
        digits += 1
    return min(digits, MONEY_BUCKETS)
