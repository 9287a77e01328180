"""The golden trace of WAYFARER: the keys of one whole game and what WRAM held at 200 points of it.

`python -m tests.pokemon_red.golden` records it anew, which is due whenever the ROM changes.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import NamedTuple

from puffer_envs.pokemon_red.rom import ROM_PATH
from tests.pokemon_red.scripted_player import WHOLE_GAME, Console, play

GOLDEN = Path(__file__).with_name("wayfarer.json")
LETTERS = {"down": "d", "up": "u", "left": "l", "right": "r", "a": "a", "b": "b", "start": "s"}
KEYS = {letter: key for key, letter in LETTERS.items()}
CHECKPOINTS = 200
SHOWN = (0xD35E, 0xD362, 0xD361, 0xD057, 0xD16D, 0xD18C, 0xD356)  # map, x, y, battle, HP, level, badges


class Trace(NamedTuple):
    """What the file holds."""

    rom_sha256: str
    idle_frames: int
    keys: str  # one letter a decision
    checkpoints: list[list[int]]  # decision, CRC-32 of 0xC000-0xDEFF, then the facts of SHOWN for the reader


def checkpoint(console: Console, decision: int) -> list[int]:
    """One row: the CRC covers all of WRAM but the stack."""
    memory = console.pyboy.memory
    return [decision, zlib.crc32(bytes(memory[0xC000:0xDF00])), *(memory[address] for address in SHOWN)]


def replay(idle_frames: int, keys: str, at: set[int]) -> list[list[int]]:
    """Press the keys in a new game; rows after the decisions `at`."""
    console = Console(idle_frames)
    rows = []
    for decision, letter in enumerate(keys, start=1):
        console.press(KEYS[letter])
        if decision in at:
            rows.append(checkpoint(console, decision))
    console.close()
    return rows


def load() -> Trace:
    """The committed trace."""
    return Trace(**json.loads(GOLDEN.read_text(encoding="ascii")))


def record(idle_frames: int) -> Trace:
    """Let the scripted player play and keep its keys."""
    console = Console(idle_frames)
    keys = "".join(LETTERS[key] for key in play(console, WHOLE_GAME, limit=2500).keys)
    console.close()
    at = {len(keys) * (i + 1) // CHECKPOINTS for i in range(CHECKPOINTS)}
    digest = hashlib.sha256(ROM_PATH.read_bytes()).hexdigest()
    return Trace(digest, idle_frames, keys, replay(idle_frames, keys, at))
