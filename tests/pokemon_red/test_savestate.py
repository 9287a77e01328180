"""What raw bytes of a savestate say is what the emulator says of it."""

import zlib

import numpy as np
import pytest

from puffer_envs.pokemon_red import emulator, new_game, ram, savestate


@pytest.fixture(scope="module")
def rom() -> emulator.Rom:
    return emulator.load_rom()


@pytest.fixture(scope="module")
def state(rom) -> bytes:
    return new_game.new_game_state(rom)


def poke(state: bytes, address: int, value: int) -> bytes:
    """A state with one byte of its work RAM changed."""
    place = savestate.WRAM_OFFSET + address - savestate.WRAM_START
    return state[:place] + bytes([value]) + state[place + 1 :]


def test_facts_read_from_raw_bytes_are_those_that_the_emulator_reads(rom, state):
    changed = poke(poke(state, ram.MAP_ID, 0x28), ram.BADGES, 0b101)
    machine = emulator.PyBoyEmulator(rom)
    machine.load(changed)
    by_emulator, by_bytes = np.zeros((2, ram.RAW_SIZE), np.uint8)
    machine.read(by_emulator)
    machine.close()
    ram.read(savestate.memory(changed), by_bytes)
    assert by_bytes.tolist() == by_emulator.tolist()
    assert savestate.map_and_badges(changed) == (0x28, 2)


def test_what_is_no_state_of_this_format_is_not_guessed_at(state):
    for other in (b"", b"\x0f" * 100, b"\x0e" + state[1:], state[:4] + b"\x01" + state[5:]):
        assert savestate.map_and_badges(other) == (None, None)


def test_states_may_come_compressed(state):
    assert savestate.plain(zlib.compress(state)) == state == savestate.plain(state)
    assert savestate.plain(b"no state") == b"no state"


def test_a_state_is_kept_plain_and_described(state):
    inspection = savestate.inspect_state(zlib.compress(state))
    assert inspection == (state, {"map": 0x26, "badges": 0}, "2.7.0")
    assert savestate.inspect_state(b"no state").facts == {"map": None, "badges": None}
