"""Facts of an emulator state read from its raw bytes, without an emulator.

A state of PyBoy 2.7 (format 15, plain Game Boy) is a fixed sequence of parts, so work RAM always lies at the same
offset; the tests compare it with what the emulator itself says. Anything else is answered with None, never guessed.
"""

STATE_FORMAT = 15  # first byte of a state of PyBoy 2.7
COLOR_FLAG = 4  # place of the byte that is set in states of a Game Boy Color
WRAM_OFFSET = 126_300  # of address 0xC000 in the file
WRAM_START, WRAM_STOP = 0xC000, 0xE000
ADDRESS_SPACE = 0x10000


def plain(state: bytes) -> bytes:
    """A state as PyBoy wrote it; states may come compressed, and bytes that are no state at all stay as they are."""
    from puffer_envs.contract.state_file import StateFileError
    from puffer_envs.pokemon_red import emulator  # compiled code, which games without a ROM need not load

    try:
        return emulator.plain_state(state)
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
    from puffer_envs.pokemon_red import ram

    space = memory(state)
    if space is None:
        return None, None
    return space[ram.MAP_ID], space[ram.BADGES].bit_count()
