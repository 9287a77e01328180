"""Cartridges: ROM files, read and checked before an emulator sees them."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import NamedTuple

from puffer_envs.kit.process import in_worker
from puffer_envs.pokemon_red.milestones import WAYFARER

BUILT_IN_ROM = Path(__file__).parent / "rom" / "wayfarer.gb"
RED_SHA1 = "ea9bcae617fdf159b045185467ae58b2e4a48b9a"  # Pokemon Red (US)

BANK_BYTES = 0x4000
TITLE = slice(0x134, 0x144)
HEADER_CHECKED, HEADER_CHECKSUM = range(0x134, 0x14D), 0x14D


class RomError(ValueError):
    """A ROM that cannot be played; the message says what to do."""


class Rom(NamedTuple):
    """A cartridge."""

    data: bytes
    sha1: str
    title: str  # from the header


def load_rom(path: str | os.PathLike | None = None) -> Rom:
    """Read and check a ROM file; None is the built-in game.

    Raises:
        RomError: there is no such file, or it is no Game Boy ROM.
    """
    file = Path(path) if path is not None else BUILT_IN_ROM
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "leave --rom out to play the built-in game" if path is not None else "run `make rom` to build it"
        raise RomError(f"cannot read the ROM {file} ({error.strerror}); {hint}") from error
    fault = _find_rom_fault(data)
    if fault:
        raise RomError(f"{file} is no Game Boy ROM: {fault}")
    rom = Rom(data, hashlib.sha1(data).hexdigest(), _title(data))
    _warn_of_stranger(rom, file)
    return rom


def _find_rom_fault(data: bytes) -> str | None:
    if len(data) < 2 * BANK_BYTES or len(data) % BANK_BYTES:
        return f"{len(data)} bytes are no whole number of 16 KiB banks, at least two"
    checksum = 0
    for at in HEADER_CHECKED:
        checksum = (checksum - data[at] - 1) & 0xFF
    return None if checksum == data[HEADER_CHECKSUM] else "its header checksum is wrong (is it compressed or damaged?)"


def _title(data: bytes) -> str:
    return data[TITLE].split(b"\0")[0].decode("ascii", "replace").strip()


def _warn_of_stranger(rom: Rom, file: Path) -> None:
    known = rom.sha1 == RED_SHA1 or rom.title == WAYFARER.title
    if not known and not in_worker():
        text = f"{file} ('{rom.title}', SHA-1 {rom.sha1}) is not Pokemon Red (US): facts may be read from wrong places"
        warnings.warn(text, stacklevel=3)
