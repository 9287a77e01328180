"""Rewards: one function per named term, from the facts of a step and the memory of the episode.

A term says how much of its thing happened in this step; the weights are in `config`. Nothing is paid twice: memory
holds the best that was ever seen, and begins as what the loaded world holds.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import kernel, wide
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.config import Config, reward_weights
from puffer_envs.pokemon_red.kernels import (
    KINDS,
    Memory,
    hp_sum,
    level_sum,
    lies_defeated,
    mark_progress,
    members,
    remember,
    was_visited,
)
from puffer_envs.pokemon_red.milestones import WAYFARER, Game
from puffer_envs.pokemon_red.ram import Facts, count_bits, decode

TERMS = tuple(reward_weights(Config()))  # columns of `reward_terms`
_BADGE, _REQUIRED, _EVENT, _MAP, _COORDINATE, _LEVEL, _HEAL, _DEFEAT, _ITEM, _HM, _SEEN, _CAUGHT = range(len(TERMS))

# Red's key items and hidden machines, ids of pret/pokered (constants/item_constants.asm); WAYFARER's are in its rom/.
_RED_KEY_ITEMS = (0x06, 0x2B, 0x2D, 0x30, 0x3F, 0x40, 0x46, 0x48, 0x49, 0x4A)
_RED_MACHINES = range(0xC4, 0xC9)
_WAYFARER_KEY_ITEMS = range(2, 7)

_ONE = np.uint64(1)


class Rules(NamedTuple):
    """What the terms need to know of the game."""

    required_events: np.ndarray  # uint64 [40], bits of the events that the story needs
    other_events: np.ndarray  # uint64 [40], bits of all others that pay
    rest_maps: np.ndarray  # bool [256], maps where a party is healed
    key_items: np.ndarray  # bool [256], items that pay as key items
    hidden_machines: np.ndarray  # bool [256], items that pay as hidden machines
    kinds: np.ndarray  # int8 [M], kinds of the milestones
    indices: np.ndarray  # int32 [M], event index, badge bit or map id of each
    level_knee: float
    level_tail: float


def make_rules(config: Config, game: Game) -> Rules:
    """The rules of a game under a configuration."""
    built_in = game is WAYFARER
    required = set(game.required_events)
    return Rules(
        required_events=_bits(required),
        other_events=_bits(set(range(ram.NUM_EVENTS)) - required - set(game.excluded_events)),
        rest_maps=_flags(game.rest_house_maps),
        key_items=_flags(_WAYFARER_KEY_ITEMS if built_in else _RED_KEY_ITEMS),
        hidden_machines=_flags(() if built_in else _RED_MACHINES),
        kinds=np.array([KINDS[milestone.kind] for milestone in game.milestones], np.int8),
        indices=np.array([milestone.index for milestone in game.milestones], np.int32),
        level_knee=float(config.level_knee),
        level_tail=float(config.level_tail),
    )


def _bits(events: set[int]) -> np.ndarray:
    flags = np.zeros(ram.NUM_EVENTS, np.bool_)
    flags[list(events)] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def _flags(ids: Iterable[int]) -> np.ndarray:
    flags = np.zeros(256, np.bool_)
    flags[list(ids)] = True
    return flags


# -- terms -----------------------------------------------------------------------------------------------------------
@kernel
def badge(facts: Facts, memory: Memory, row: int) -> int:
    """New badges."""
    return count_bits(wide(facts.badges[row]) & ~wide(memory.badges[row]))


@kernel
def event(facts: Facts, memory: Memory, paying: np.ndarray, row: int) -> int:
    """Events set for the first time among those of ``paying`` (uint64 [40], bits)."""
    count = 0
    for i in range(ram.EVENT_WORDS):
        fresh = facts.event_words[row, i] & ~memory.event_words[row, i] & paying[i]
        while fresh:
            fresh &= fresh - _ONE
            count += 1
    return count


@kernel
def new_map(facts: Facts, memory: Memory, row: int) -> int:
    """1 on a map that the episode enters for the first time."""
    return 0 if memory.maps[row, facts.map_id[row]] else 1


@kernel
def coordinate(facts: Facts, memory: Memory, row: int) -> int:
    """1 on a cell that the episode visits for the first time, but on the maps that led to where it began.

    Paid there too, episodes from savestates turned back: known ground pays as well as new ground and is safer.
    """
    if memory.passed[row, facts.map_id[row]]:
        return 0
    return 0 if was_visited(memory, row, facts.map_id[row], facts.y[row], facts.x[row]) else 1


@kernel
def level(facts: Facts, memory: Memory, knee: float, tail: float, row: int) -> float:
    """Levels beyond the best sum so far; beyond the knee a level counts ``tail``."""
    best = float(memory.level_sum[row])
    now = max(float(level_sum(facts, row)), best)
    return min(now, knee) - min(best, knee) + tail * (max(now, knee) - max(best, knee))


@kernel
def heal(facts: Facts, memory: Memory, rest_maps: np.ndarray, row: int) -> int:
    """1 when a hurt party is made whole in a rest house, once a visit; waking up there after a defeat is no heal."""
    if memory.healed[row] or facts.battle[row] != 0 or not rest_maps[facts.map_id[row]]:
        return 0
    if members(facts, row) != wide(memory.party_count[row]) or hp_sum(facts, row) <= memory.hp_sum[row]:
        return 0
    for mon in range(facts.party_count[row]):
        if facts.hp[row, mon] < facts.max_hp[row, mon]:
            return 0
    return 1


@kernel
def defeat(facts: Facts, memory: Memory, row: int) -> int:
    """1 in the step in which the party falls."""
    return 1 if lies_defeated(facts, row) and not memory.fallen[row] else 0


@kernel
def item(facts: Facts, memory: Memory, paying: np.ndarray, row: int) -> int:
    """Items in the bag for the first time among those of ``paying`` (bool [256])."""
    count = 0
    for slot in range(ram.BAG_SIZE):
        kind = facts.bag[row, slot, 0]
        if paying[kind] and not memory.items[row, kind]:
            count += 1
    return count


@kernel
def rise(now: np.ndarray, best: np.ndarray, row: int) -> int:
    """By how much a count of species exceeds its best."""
    return max(wide(now[row]) - wide(best[row]), 0)


@kernel
def score(facts: Facts, memory: Memory, rules: Rules, terms: np.ndarray, row: int) -> None:
    """All terms of a row's step, float32 [E, K] unweighted, then take the step into memory."""
    terms[row, _BADGE] = badge(facts, memory, row)
    terms[row, _REQUIRED] = event(facts, memory, rules.required_events, row)
    terms[row, _EVENT] = event(facts, memory, rules.other_events, row)
    terms[row, _MAP] = new_map(facts, memory, row)
    terms[row, _COORDINATE] = coordinate(facts, memory, row)
    terms[row, _LEVEL] = level(facts, memory, rules.level_knee, rules.level_tail, row)
    terms[row, _HEAL] = heal(facts, memory, rules.rest_maps, row)
    terms[row, _DEFEAT] = defeat(facts, memory, row)
    terms[row, _ITEM] = item(facts, memory, rules.key_items, row)
    terms[row, _HM] = item(facts, memory, rules.hidden_machines, row)
    terms[row, _SEEN] = rise(facts.seen, memory.seen, row)
    terms[row, _CAUGHT] = rise(facts.caught, memory.caught, row)
    if terms[row, _HEAL]:
        memory.healed[row] = True
    memory.stale[row] = 0 if terms[row, _COORDINATE] else memory.stale[row] + 1
    remember(facts, memory, rules.rest_maps, row)


@kernel
def judge(
    raw: np.ndarray,
    facts: Facts,
    memory: Memory,
    rules: Rules,
    terms: np.ndarray,
    held_at_start: np.ndarray,
    held: np.ndarray,
    shown: np.ndarray,
    keys: np.ndarray,
) -> bool:
    """A step of all rows in one call: raw rows to facts, facts to terms, milestones and novelty keys.

    Args:
        raw: uint8 [E, RAW_SIZE], as read.
        terms: float32 [E, K], written.
        held_at_start: bool [E, M], milestones with which the episode began.
        held: bool [E, M], milestones of the episode so far.
        shown: bool [E, M], written: milestones that the worlds show now.
        keys: uint64 [E], written.

    Returns:
        whether any row shows a milestone that it did not hold.
    """
    any_new = False
    for row in range(keys.size):
        decode(raw, facts, row)
        score(facts, memory, rules, terms, row)
        any_new |= mark_progress(facts, memory, rules.kinds, rules.indices, held_at_start, held, shown, keys, row)
    return any_new
