"""The moment in which new games begin, and whether a ROM and an initial state have one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit.process import cache_home, clean_environment
from puffer_envs.pokemon_red import ram
from puffer_envs.pokemon_red.cartridge import Rom, RomError, load_rom
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.emulator import START, STATE_VERSION, A, PyBoyEmulator, plain_state
from puffer_envs.pokemon_red.milestones import WAYFARER, Game, game_of

FONT_LOADED = 0xCFC4  # wFontLoaded: bit 0 while a text box is open
JOYPAD_DISABLED = 0x20  # bit 5 of wStatusFlags5
QUIET_FRAMES = 240  # before the first key, so that a game without a title screen is found as it begins
FRAME_LIMIT = 20_000
_new_games: dict[tuple[str, str | None], bytes] = {}  # made once a process


def new_game_state(rom: Rom, init_state: str | None = None) -> bytes:
    """The world in which new games begin: that of a file, or the first moment in which the player can walk.

    The boot of a real ROM takes seconds and is kept in the user's cache directory under the ROM's SHA-1.

    Raises:
        RomError: no player appeared; StateFileError: the file holds no world of this game.
    """
    key = (rom.sha1, init_state)
    if key not in _new_games:
        if init_state is not None:
            _new_games[key] = _read_state(rom, Path(init_state))
        else:
            _new_games[key] = _boot(rom) if rom.title == WAYFARER.title else _boot_once(rom)
    return _new_games[key]


def _read_state(rom: Rom, path: Path) -> bytes:
    state, machine = _read_file(path), PyBoyEmulator(rom)
    try:
        machine.load(state)
    except StateFileError as error:
        raise StateFileError(f"new games cannot begin in {path}: {error}") from error
    finally:
        machine.close()
    return state


def _read_file(path: Path) -> bytes:
    try:
        return plain_state(path.read_bytes())
    except OSError as error:
        raise StateFileError(f"cannot read the initial state {path} ({error.strerror})") from error
    except StateFileError as error:
        raise StateFileError(f"new games cannot begin in {path}: {error}") from error


def _boot_once(rom: Rom) -> bytes:
    file = cache_home() / "new_games" / f"{rom.sha1}-v{STATE_VERSION}.state"
    try:
        return _read_state(rom, file)
    except StateFileError:
        state = _boot(rom)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as unfinished:
            unfinished.write(state)
        os.replace(unfinished.name, file)
    except OSError:
        pass  # a cache that cannot be written costs seconds, nothing more
    return state


def _boot(rom: Rom) -> bytes:
    machine, game = PyBoyEmulator(rom, wait_presses=0), game_of(rom.title)
    try:
        for step in range(FRAME_LIMIT // 24):
            if step * 24 < QUIET_FRAMES:
                machine.idle(24)
            else:
                machine.step((A, START)[step % 2])  # A also writes the letters of a name, START ends it
            if _looks_free(machine, game):
                state = machine.save()
                if _can_walk(machine):
                    return state
                machine.load(state)
    finally:
        machine.close()
    raise RomError(
        f"'{rom.title}' showed no player within {FRAME_LIMIT} frames; give a savestate with --env.init-state"
    )


def _looks_free(machine: PyBoyEmulator, game: Game) -> bool:
    money = "".join(f"{machine.peek(ram.MONEY + byte):02X}" for byte in range(3))  # BCD: hex digits are decimal ones
    return (
        machine.peek(ram.MAP_ID) == game.route[0]
        and money == f"{game.start_money:06}"
        and not machine.peek(ram.JOY_IGNORE)
        and not machine.peek(ram.STATUS_FLAGS_5) & JOYPAD_DISABLED
        and not machine.peek(FONT_LOADED) & 1
    )


def _can_walk(machine: PyBoyEmulator) -> bool:
    # Map and money are set long before the opening speech ends, so only a step taken is proof.
    def place() -> tuple[int, int]:
        return machine.peek(ram.PLAYER_Y), machine.peek(ram.PLAYER_X)

    before = place()
    for direction in (0, 1, 2, 3, 0, 1, 2, 3):  # the first press may only turn
        machine.step(direction)
        if place() != before:
            return True
    return False


# -- can it be played? -------------------------------------------------------------------------------------------------
STATE_SECONDS, BOOT_SECONDS = 5, 60  # for the emulator's part of a trial: with an initial state, without
START_SECONDS = 60  # for imports and compiling before that, on a busy machine
TRIAL_FRAMES = 120
REFUSED = 3  # exit code of a trial: the reason was printed


def check(config: Config) -> None:
    """Make the world in which new games would begin, so that whoever cannot hears it before anything is started.

    What is not ours is tried in a process of its own: garbage can hang an emulator for ever, or crash it.

    Raises:
        RomError: the ROM cannot be played; StateFileError: new games cannot begin in `Config.init_state`.
    """
    rom = load_rom(config.rom)
    if config.rom is None and config.init_state is None:
        new_game_state(rom)
        return
    if config.init_state is not None:
        _read_file(Path(config.init_state))  # most mistakes need no emulator
    _try(config.rom, config.init_state, STATE_SECONDS if config.init_state is not None else BOOT_SECONDS)


def _try(rom: str | None, init_state: str | None, seconds: int) -> None:
    rom_path, state_path = (path and os.path.abspath(path) for path in (rom, init_state))
    command = [sys.executable, "-m", __name__, json.dumps([rom_path, state_path, seconds])]
    environment = clean_environment() | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "ignore"}
    error, what = (RomError, rom) if init_state is None else (StateFileError, init_state)
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=START_SECONDS + seconds)
    except subprocess.TimeoutExpired:
        raise error(f"new games cannot begin with {what}: a trial did not end in time") from None
    if done.returncode == REFUSED:
        kind, message = json.loads(done.stdout)
        raise {"RomError": RomError, "StateFileError": StateFileError}[kind](message)
    if done.returncode == -signal.SIGALRM:
        raise error(f"new games cannot begin with {what}: the emulator hangs over it for more than {seconds} s")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise error(
            f"new games cannot begin with {what}: a trial crashed (exit code {done.returncode}) {''.join(last)}"
        )


def _trial(rom_path: str | None, init_state: str | None, seconds: int) -> None:
    """The trial's process. Its alarm clock is the kernel's: it ends a loop that never returns to Python."""
    code = 0
    try:
        rom = load_rom(rom_path)
        machine = PyBoyEmulator(rom)
        machine.read(np.zeros(ram.RAW_SIZE, np.uint8))  # compiles what it needs; seconds, where the cache is empty
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        machine.load(new_game_state(rom, init_state))
        machine.idle(TRIAL_FRAMES)
    except (RomError, StateFileError) as error:
        print(json.dumps([type(error).__name__, str(error)]), flush=True)
        code = REFUSED
    os._exit(code)  # no tidying up: a machine that loaded garbage may crash while it is taken apart


if __name__ == "__main__":
    _trial(*json.loads(sys.argv[1]))
