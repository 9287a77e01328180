"""What a row remembers of its episode, and the kernels that keep it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import kernel, wide
from puffer_envs.kit.rng import mix
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.ram import Facts

EVENT, BADGE, MAP = range(3)  # kinds of milestones
KINDS = {"event": EVENT, "badge": BADGE, "map": MAP}

_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio (Knuth's multiplicative hash)
_U = np.uint64


class Memory(NamedTuple):
    """Episode memory of E rows: what was paid already, and what the last step saw. Cleared when an episode begins."""

    visited: np.ndarray  # uint32 [E, C], open-addressed set of 1 + (map << 16 | y << 8 | x); 0 is an empty slot
    visits: np.ndarray  # int32 [E], coordinates in the set
    maps: np.ndarray  # bool [E, 256], maps entered
    passed: np.ndarray  # bool [E, 256], maps that led to the world in which the episode began: their cells do not pay
    event_words: np.ndarray  # uint64 [E, 40], bits of the events ever seen set
    items: np.ndarray  # bool [E, 256], items ever in the bag
    badges: np.ndarray  # uint8 [E], badges ever seen
    level_sum: np.ndarray  # int32 [E], highest sum of the party's levels
    seen: np.ndarray  # uint8 [E], most species seen
    caught: np.ndarray  # uint8 [E], most species owned
    party_count: np.ndarray  # uint8 [E], members with a body in the last step
    hp_sum: np.ndarray  # int32 [E], of the last step
    healed: np.ndarray  # bool [E], the heal of this rest visit is paid, or was no merit (a defeat led here)
    fallen: np.ndarray  # bool [E], the party lay defeated in the last step
    stale: np.ndarray  # int32 [E], steps since the last new coordinate or milestone
    limit: np.ndarray  # int32 [E], steps that the episode may last


def allocate_memory(num_envs: int, capacity: int) -> Memory:
    """Zeroed memory; ``capacity`` (a power of two) is the number of slots of the set of visited coordinates."""
    e = num_envs
    return Memory(
        visited=np.zeros((e, capacity), np.uint32),
        visits=np.zeros(e, np.int32),
        maps=np.zeros((e, 256), np.bool_),
        passed=np.zeros((e, 256), np.bool_),
        event_words=np.zeros((e, ram.EVENT_WORDS), np.uint64),
        items=np.zeros((e, 256), np.bool_),
        badges=np.zeros(e, np.uint8),
        level_sum=np.zeros(e, np.int32),
        seen=np.zeros(e, np.uint8),
        caught=np.zeros(e, np.uint8),
        party_count=np.zeros(e, np.uint8),
        hp_sum=np.zeros(e, np.int32),
        healed=np.zeros(e, np.bool_),
        fallen=np.zeros(e, np.bool_),
        stale=np.zeros(e, np.int32),
        limit=np.zeros(e, np.int32),
    )


# -- the set of visited coordinates ----------------------------------------------------------------------------------
@kernel
def coordinate_key(map_id: int, y: int, x: int) -> int:
    """A coordinate as a non-zero number."""
    return 1 + (wide(map_id) << 16 | wide(y) << 8 | wide(x))


@kernel
def find_slot(visited: np.ndarray, row: int, key: int) -> int:
    """Where a key is, or the empty slot where it belongs. The set is never full, so the search ends."""
    mask = visited.shape[1] - 1
    slot = ((key * _SPREAD) >> 16) & mask
    while visited[row, slot] != 0 and wide(visited[row, slot]) != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def was_visited(memory: Memory, row: int, map_id: int, y: int, x: int) -> bool:
    """Whether the episode has been at a cell."""
    return memory.visited[row, find_slot(memory.visited, row, coordinate_key(map_id, y, x))] != 0


@kernel
def visit(memory: Memory, row: int, map_id: int, y: int, x: int) -> None:
    """Add a cell. A set that is half full takes no more: an episode ends before that."""
    key = coordinate_key(map_id, y, x)
    slot = find_slot(memory.visited, row, key)
    if memory.visited[row, slot] == 0 and 2 * memory.visits[row] < memory.visited.shape[1]:
        memory.visited[row, slot] = key
        memory.visits[row] += 1


# -- sums over the party ---------------------------------------------------------------------------------------------
@kernel
def level_sum(facts: Facts, row: int) -> int:
    """Sum of the party's levels."""
    total = 0
    for mon in range(ram.PARTY_SIZE):
        total += wide(facts.level[row, mon])
    return total


@kernel
def hp_sum(facts: Facts, row: int) -> int:
    """Sum of the party's HP."""
    total = 0
    for mon in range(ram.PARTY_SIZE):
        total += wide(facts.hp[row, mon])
    return total


@kernel
def members(facts: Facts, row: int) -> int:
    """Members of the party with a body: while Red asks for a newcomer's nickname, it is counted but all zeros."""
    count = 0
    for mon in range(ram.PARTY_SIZE):
        count += facts.max_hp[row, mon] > 0
    return count


@kernel
def lies_defeated(facts: Facts, row: int) -> bool:
    """The game says that the battle is lost, or nobody in the party can stand."""
    return facts.battle[row] == 3 or (members(facts, row) > 0 and hp_sum(facts, row) == 0)


# -- remembering -----------------------------------------------------------------------------------------------------
@kernel
def remember(facts: Facts, memory: Memory, rest_maps: np.ndarray, row: int) -> None:
    """Take the facts of a step into memory, after it was paid. ``rest_maps`` bool [256]."""
    visit(memory, row, facts.map_id[row], facts.y[row], facts.x[row])
    memory.maps[row, facts.map_id[row]] = True
    for i in range(ram.EVENT_WORDS):
        memory.event_words[row, i] |= facts.event_words[row, i]
    for slot in range(ram.BAG_SIZE):
        memory.items[row, facts.bag[row, slot, 0]] = True
    memory.badges[row] |= facts.badges[row]
    memory.level_sum[row] = max(wide(memory.level_sum[row]), level_sum(facts, row))
    memory.seen[row] = max(wide(memory.seen[row]), wide(facts.seen[row]))
    memory.caught[row] = max(wide(memory.caught[row]), wide(facts.caught[row]))
    _remember_health(facts, memory, rest_maps, row)


@kernel
def _remember_health(facts: Facts, memory: Memory, rest_maps: np.ndarray, row: int) -> None:
    fallen = lies_defeated(facts, row)
    if fallen:
        memory.healed[row] = True
    elif not rest_maps[facts.map_id[row]]:
        memory.healed[row] = False
    memory.fallen[row] = fallen
    memory.party_count[row] = members(facts, row)
    memory.hp_sum[row] = hp_sum(facts, row)


def forget(facts: Facts, memory: Memory, rest_maps: np.ndarray, passed: np.ndarray, row: int, limit: int) -> None:
    """Begin an episode: nothing remembered but what the world holds now, which is never paid.

    Args:
        passed: bool [256], maps that must have led here.
    """
    for array in memory:
        array[row] = 0
    memory.limit[row] = limit
    memory.maps[row] = passed
    memory.passed[row] = passed
    remember(facts, memory, rest_maps, row)


def reopen(facts: Facts, memory: Memory, maps: Sequence[int], row: int) -> None:
    """Let the cells of maps pay again, but the one that the row stands on."""
    cells = memory.visited[row][memory.visited[row] != 0].astype(np.int64) - 1
    memory.visited[row] = 0
    memory.visits[row] = 0
    for cell in cells[~np.isin(cells >> 16, maps)].tolist():
        visit(memory, row, cell >> 16, cell >> 8 & 0xFF, cell & 0xFF)
    visit(memory, row, facts.map_id[row], facts.y[row], facts.x[row])
    memory.passed[row, list(maps)] = False


# -- milestones ------------------------------------------------------------------------------------------------------
@kernel
def find_held(facts: Facts, kinds: np.ndarray, indices: np.ndarray, shown: np.ndarray, row: int) -> None:
    """Which milestones the world of a row shows now.

    Args:
        kinds: int8 [M], EVENT, BADGE or MAP.
        indices: int32 [M], event index, badge bit or map id.
        shown: bool [E, M], of which ``row`` is written.
    """
    for m in range(kinds.size):
        index = indices[m]
        if kinds[m] == EVENT:
            shown[row, m] = (facts.events[row, index >> 3] >> (index & 7)) & 1
        elif kinds[m] == BADGE:
            shown[row, m] = (facts.badges[row] >> index) & 1
        else:
            shown[row, m] = facts.map_id[row] == index


@kernel
def novelty_key(
    facts: Facts, memory: Memory, held_at_start: np.ndarray, held: np.ndarray, shown: np.ndarray, row: int
) -> np.uint64:
    """A 64-bit mix of (milestones held, map, y, x); ``held`` and ``shown`` bool [E, M] count both.

    Until an episode has got further than where it began, the maps that led there are all one place. Their cells would
    be new to it and safe: in a probe none of 929 tries from the edge of the built-in game's forest beat its trainer,
    and the rows that were watched walked home.
    """
    passed = memory.passed[row, facts.map_id[row]]
    key = _U(0)
    for m in range(held.shape[1]):
        if held[row, m] or shown[row, m]:
            key ^= mix(_U(m + 1) << _U(32))
            passed = passed and held_at_start[row, m]
    if not passed:
        key ^= _U(coordinate_key(facts.map_id[row], facts.y[row], facts.x[row]))
    return mix(key)


@kernel
def mark_progress(
    facts: Facts,
    memory: Memory,
    kinds: np.ndarray,
    indices: np.ndarray,
    held_at_start: np.ndarray,
    held: np.ndarray,
    shown: np.ndarray,
    keys: np.ndarray,
    row: int,
) -> bool:
    """Write what a row's world shows (``shown``) and its novelty key; True if it shows a milestone not yet held."""
    find_held(facts, kinds, indices, shown, row)
    keys[row] = novelty_key(facts, memory, held_at_start, held, shown, row)
    any_new = False
    for m in range(kinds.size):
        any_new |= shown[row, m] and not held[row, m]
    return any_new
