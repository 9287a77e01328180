"""Savestates from anywhere: what their raw bytes say, and what loading one shows.

A state of PyBoy 2.7 (format 15, plain Game Boy) is a fixed sequence of parts, so work RAM always lies at the same
offset; the tests compare it with what the emulator itself says. Anything else is answered with None, never guessed.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import version

import numpy as np

from puffer_envs.contract.game import Inspection, Trial
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.cartridge import load_rom
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.emulator import PyBoyEmulator, plain_state
from puffer_envs.pokemon_red.milestones import WAYFARER, Game, Milestone, game_of

STATE_FORMAT = 15  # first byte of a state of PyBoy 2.7
COLOR_FLAG = 4  # place of the byte that is set in states of a Game Boy Color
WRAM_OFFSET = 126_300  # of address 0xC000 in the file
WRAM_START, WRAM_STOP = 0xC000, 0xE000
ADDRESS_SPACE = 0x10000

TRIAL_FRAMES = 120  # that pass in a trial
MAP_HEIGHT, MAP_WIDTH = 0xD368, 0xD369  # wCurMapHeight, wCurMapWidth: blocks of 2x2 cells; Pokemon Red only
BUILT_IN_CELLS = (12, 11)  # rows and columns of the largest map of the built-in game


def world_id(config: Config) -> str:
    """SHA-1 of the cartridge, which its savestates belong to."""
    return load_rom(config.rom).sha1


# -- raw bytes ---------------------------------------------------------------------------------------------------------
def inspect_state(state: bytes) -> Inspection:
    """A state as PyBoy wrote it, and the map and number of badges in it; what is no state stays as it is."""
    state = plain(state)
    map_id, badges = map_and_badges(state)
    return Inspection(state, {"map": map_id, "badges": badges}, _emulator())


@cache
def _emulator() -> str:
    return version("pyboy")


def plain(state: bytes) -> bytes:
    """A state as PyBoy wrote it; states may come compressed, and bytes that are no state at all stay as they are."""
    try:
        return plain_state(state)
    except StateFileError:
        return state


def memory(state: bytes) -> bytes | None:
    """The address space of a plain state with its work RAM in place, zeros elsewhere; None for an unknown format."""
    stop = WRAM_OFFSET + WRAM_STOP - WRAM_START
    if len(state) < stop or state[0] != STATE_FORMAT or state[COLOR_FLAG]:
        return None
    return bytes(WRAM_START) + state[WRAM_OFFSET:stop] + bytes(ADDRESS_SPACE - WRAM_STOP)


def map_and_badges(state: bytes) -> tuple[int | None, int | None]:
    """Map id and number of badges of a plain state, None where they cannot be read."""
    space = memory(state)
    if space is None:
        return None, None
    return space[ram.MAP_ID], space[ram.BADGES].bit_count()


# -- a trial -----------------------------------------------------------------------------------------------------------
def try_state(config: Config) -> Callable[[bytes], Trial]:
    """A machine with the cartridge in it, ready to be given a state.

    Raises:
        RomError: the ROM cannot be played.
    """
    rom = load_rom(config.rom)
    machine = PyBoyEmulator(rom)
    machine.read(np.zeros(ram.RAW_SIZE, np.uint8))  # compiles what it needs; seconds, where the cache is empty
    return lambda state: examine(machine, game_of(rom.title), state)


def examine(machine: PyBoyEmulator, game: Game, state: bytes) -> Trial:
    """Load, wait, save, load again, and look at the world at each stop.

    Raises:
        StateFileError: the state is refused.
    """
    raw = np.zeros(ram.RAW_SIZE, np.uint8)
    machine.load(plain_state(state))  # looks at the world: map, party, HP, bag
    machine.read(raw)
    facts = {"map": int(raw[ram.AT_MAP]), "badges": int(raw[ram.AT_BADGES]).bit_count()}
    held = tuple(milestone.name for milestone in game.milestones if _shows(raw, milestone))
    machine.idle(TRIAL_FRAMES)
    machine.load(machine.save())  # and at what became of it
    machine.read(raw)
    blocks = machine.peek(MAP_HEIGHT), machine.peek(MAP_WIDTH)
    rows, columns = BUILT_IN_CELLS if game is WAYFARER else (2 * blocks[0], 2 * blocks[1])
    if raw[ram.AT_Y] >= rows or raw[ram.AT_X] >= columns:
        place = f"({raw[ram.AT_Y]}, {raw[ram.AT_X]})"
        raise StateFileError(
            f"after {TRIAL_FRAMES} frames the player is at {place}, on a map of {rows} by {columns} cells"
        )
    return Trial(facts, held)


def _shows(raw: np.ndarray, milestone: Milestone) -> bool:
    index = milestone.index
    if milestone.kind == "map":
        return bool(raw[ram.AT_MAP] == index)
    if milestone.kind == "badge":
        return bool(raw[ram.AT_BADGES] >> index & 1)
    return bool(raw[ram.AT_EVENTS + (index >> 3)] >> (index & 7) & 1)
