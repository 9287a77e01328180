"""The Game Boy: one emulator behind seven methods.

PyBoy 2.7.0 is the emulator (LGPL, a dependency). It loads the published savestates of the Pokemon RL community exactly;
2.8 shifts states made by 2.7 and older by one byte. Facts about it that shape this file, all measured:
a path instead of a file object makes it write `<rom>.ram` beside the ROM; sound costs 43% of the speed; a savestate
has no magic, checksum or ROM identity, so garbage can load without a word and a failed load leaves half a machine.
"""

import gc
import io
import itertools
import warnings
import weakref
import zlib
from typing import Any, Protocol

import numpy as np

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.cartridge import BUILT_IN_ROM, Rom, RomError, load_rom
from puffer_envs.pokemon_red.milestones import WAYFARER, Game, game_of

__all__ = [  # the cartridge's names too: who has an emulator needs them
    "ACTIONS",
    "BUILT_IN_ROM",
    "Emulator",
    "PyBoyEmulator",
    "Rom",
    "RomError",
    "known_maps",
    "load_rom",
    "packed_state",
    "plain_state",
]

ACTIONS = ("down", "left", "right", "up", "a", "b", "start")
A, START = ACTIONS.index("a"), ACTIONS.index("start")

LCD_CONTROL, LCD_ON = 0xFF40, 0x80
BOOT_FRAMES = 120  # by then, the boot ROM has long switched the LCD on
STATE_VERSION = 15  # first byte of the states that PyBoy 2.7.0 writes, and the newest that it reads
OLDEST_STATE_VERSION = 2  # states of version 0 and 1 did not say so
STATE_BYTES = range(40_000, 1 << 20)  # what a savestate can weigh: RAM at the least, a cartridge of 128 KiB at most
ZLIB_MAGIC = 0x78

LAST_RED_MAP = 0xF7


# -- the protocol ----------------------------------------------------------------------------------------------------
class Emulator(Protocol):
    """One Game Boy. All keys are up between any two calls."""

    def step(self, action: int) -> None:
        """One decision: press a key, let go of it, wait; the last frame is drawn. A key that there is not is none."""

    def read(self, out: np.ndarray) -> None:
        """The facts, as a raw row of `ram` (uint8 [RAW_SIZE])."""

    def screen(self) -> np.ndarray:
        """The last drawn frame, uint8 [144, 160, 4] RGBA, four greys; a view that later frames overwrite."""

    def save(self) -> bytes:
        """The whole machine as raw PyBoy bytes; 11-35 ms, under the interpreter lock."""

    def load(self, state: bytes, *, trusted: bool = False) -> None:
        """Become a saved machine; 3.5-15 ms.

        Args:
            trusted: the state is known to be as `save` gave it: whatever world it holds was a world of this game.

        Raises:
            StateFileError: the state is damaged or of another game. The machine is broken then: close it.
        """

    def idle(self, frames: int) -> None:
        """Let time pass; the last frame is drawn."""

    def close(self) -> None:
        """Switch off. Nothing is written."""


class PyBoyEmulator:
    """`Emulator` over PyBoy.

    Args:
        press_frames: frames that a key is held.
        frames_per_step: frames of a whole decision.
        wait_presses: while the game ignores the joypad (a cutscene), press A up to so many times in one decision.
    """

    def __init__(
        self,
        rom: Rom,
        *,
        press_frames: int = 8,
        frames_per_step: int = 24,
        wait_presses: int = 50,
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SDL says where its library lies; no window is opened here
            from pyboy import PyBoy
            from pyboy.utils import WindowEvent
        try:
            self._pyboy = PyBoy(io.BytesIO(rom.data), window="null", sound_emulated=False, log_level="CRITICAL")
        except Exception as error:  # PyBoy has no common base class for what it raises
            raise RomError(f"PyBoy cannot start the ROM '{rom.title}': {error}") from error
        # PyBoy complains when the interpreter takes it down; this stops it before, whoever forgot to.
        self.close = weakref.finalize(self, self._pyboy.stop, save=False)
        self._pyboy.set_emulation_speed(0)
        self._wram = _find_wram(self._pyboy.memory)
        self._known_maps = known_maps(game_of(rom.title))
        self._press_frames = press_frames
        self._rest_frames = frames_per_step - press_frames
        self._wait_presses = wait_presses
        names = [f"ARROW_{key.upper()}" if key in ACTIONS[:4] else f"BUTTON_{key.upper()}" for key in ACTIONS]
        self._press = [getattr(WindowEvent, f"PRESS_{name}") for name in names]
        self._release = [getattr(WindowEvent, f"RELEASE_{name}") for name in names]
        self._release_all = (*self._release, WindowEvent.RELEASE_BUTTON_SELECT)
        self._settle_renderer()

    def _settle_renderer(self) -> None:
        """Draw one whole frame: it sets PyBoy's counter of window lines, which savestates lack, to what it stays at.

        Without this, the first picture after a load depends on what the machine drew before.
        """
        for _ in range(BOOT_FRAMES):
            self.idle(1)
            if self.peek(LCD_CONTROL) & LCD_ON:
                self.idle(1)
                return

    def step(self, action: int) -> None:
        pyboy = self._pyboy
        if not 0 <= action < len(self._press):
            self.idle(self._press_frames + self._rest_frames)
            return
        self.hold(action)
        for _ in range(self._wait_presses):
            if not pyboy.memory[ram.JOY_IGNORE]:
                break
            self.hold(A)

    def hold(self, action: int) -> None:
        """Press, let go after `press_frames`, wait for the rest of the decision; the last frame is drawn."""
        pyboy = self._pyboy
        pyboy.send_input(self._press[action])
        pyboy.tick(self._press_frames, False, False)
        pyboy.send_input(self._release[action])
        pyboy.tick(self._rest_frames, True, False)

    def read(self, out: np.ndarray) -> None:
        if self._wram is not None:
            ram.gather(self._wram, out)
        else:
            ram.read(self._pyboy.memory, out)

    def screen(self) -> np.ndarray:
        return self._pyboy.screen.ndarray

    def save(self) -> bytes:
        target = io.BytesIO()
        self._pyboy.save_state(_Stream(target))
        return target.getvalue()

    def load(self, state: bytes, *, trusted: bool = False) -> None:
        plain = plain_state(state)
        source = io.BytesIO(plain)
        try:
            self._pyboy.load_state(_Stream(source))
        except Exception as error:
            raise StateFileError(f"PyBoy cannot load the savestate: {error}") from error
        if source.tell() != len(plain):
            raise StateFileError("the savestate is longer than one of this cartridge: it is of another game")
        if not trusted:
            self._check_world()
        for event in self._release_all:
            self._pyboy.send_input(event)

    def _check_world(self) -> None:
        raw = np.zeros(ram.RAW_SIZE, np.uint8)
        self.read(raw)
        fault = ram.find_fault(raw, self._known_maps)
        if fault:
            raise StateFileError(f"the savestate holds no world of this game: {fault}")

    def idle(self, frames: int) -> None:
        self._pyboy.tick(frames, True, False)

    def peek(self, address: int) -> int:
        """One byte of memory, for scripts; a step reads through `read`."""
        return self._pyboy.memory[address]


def known_maps(game: Game) -> frozenset[int]:
    """Map ids that a sane world can be on."""
    return frozenset(game.map_names if game is WAYFARER else range(LAST_RED_MAP + 1))


_marks = itertools.count(1)


def _find_wram(memory: Any) -> np.ndarray | None:
    """A machine's working RAM as a view, uint8 [8192], or None where PyBoy keeps it in another way than 2.7.0 does.

    PyBoy hands out memory as lists of ints only, 25 ns a byte. Its own buffer is a garbage-collected object, so it is
    found among those just made: the one that shows a mark written through the front door.
    """
    mark = list(b"WRAM" + next(_marks).to_bytes(8, "little"))
    place = slice(ram.WRAM, ram.WRAM + len(mark))
    before = memory[place]
    memory[place] = mark
    try:
        for generation in range(3):
            for candidate in gc.get_objects(generation):
                if type(candidate).__module__ == "pyboy.core.ram" and type(candidate).__name__ == "memoryview":
                    view = np.asarray(candidate)
                    if view.shape == (ram.WRAM_BYTES,) and view[: len(mark)].tolist() == mark:
                        return view
    finally:
        memory[place] = before
    return None


class _Stream:
    """A file for PyBoy, which reads and writes a state byte by byte: 143,101 calls.

    Bound methods kept in slots spare each call the making of one: 3.5 ms instead of 5.8 ms for loading.
    """

    __slots__ = ("flush", "read", "write")

    def __init__(self, file: io.BytesIO) -> None:
        self.read, self.write, self.flush = file.read, file.write, file.flush


def plain_state(state: bytes) -> bytes:
    """Savestate bytes as PyBoy wrote them, from those bytes or from their zlib form.

    Raises:
        StateFileError: this cannot be a savestate, or a newer PyBoy made it.
    """
    if state[:1] == bytes([ZLIB_MAGIC]):
        try:
            unpacker = zlib.decompressobj()
            state = unpacker.decompress(state, STATE_BYTES.stop)
        except zlib.error as error:
            raise StateFileError(f"the compressed savestate is damaged: {error}") from error
        if not unpacker.eof:
            raise StateFileError("the compressed savestate is cut off, or far too large")
    if len(state) not in STATE_BYTES:
        raise StateFileError(f"{len(state)} bytes are no savestate of a Game Boy")
    if not OLDEST_STATE_VERSION <= state[0] <= STATE_VERSION:
        raise StateFileError(
            f"savestate of version {state[0]}: PyBoy 2.7.0 reads {OLDEST_STATE_VERSION}-{STATE_VERSION}"
        )
    return state


def packed_state(state: bytes) -> bytes:
    """Savestate bytes in the zlib form that `plain_state` reads too: 0.2-1 ms for a small part of the 143 KB."""
    return state if state[:1] == bytes([ZLIB_MAGIC]) else zlib.compress(state, 1)
