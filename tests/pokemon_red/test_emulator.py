"""ROM files, savestates and determinism of one machine."""

import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit.process import WORKER_VARIABLE
from puffer_envs.pokemon_red import emulator, ram
from puffer_envs.pokemon_red import new_game as beginning
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.emulator import PyBoyEmulator, Rom, RomError, load_rom, packed_state, plain_state
from puffer_envs.pokemon_red.new_game import check, new_game_state

ACTIONS = np.random.default_rng(7).integers(0, len(emulator.ACTIONS), 120).tolist()


@pytest.fixture(scope="module")
def rom() -> Rom:
    return load_rom()


@pytest.fixture(scope="module")
def new_game(rom: Rom) -> bytes:
    return new_game_state(rom)


@pytest.fixture
def machine(rom: Rom, new_game: bytes) -> Iterator[PyBoyEmulator]:
    machine = PyBoyEmulator(rom)
    machine.load(new_game)
    yield machine
    machine.close()


def play(machine: PyBoyEmulator, actions: list[int]) -> list[bytes]:
    """Screen and facts after each action."""
    trace, raw = [], np.zeros(ram.RAW_SIZE, np.uint8)
    for action in actions:
        machine.step(action)
        machine.read(raw)
        trace.append(raw.tobytes() + machine.screen().tobytes())
    return trace


# -- ROM files -------------------------------------------------------------------------------------------------------
def test_the_built_in_rom(rom: Rom) -> None:
    assert rom.title == "WAYFARER"
    assert len(rom.data) == 32 * 1024


def test_a_missing_rom_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RomError, match=r"cannot read the ROM .*leave --rom out"):
        load_rom(tmp_path / "absent.gb")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are no whole number of 16 KiB banks"),
        (b"PK\x03\x04" + bytes(50_000), "no whole number"),
        (bytes(0x8000), "header checksum is wrong"),
    ],
)
def test_other_files_are_no_roms(tmp_path: Path, data: bytes, reason: str) -> None:
    file = tmp_path / "game.gb"
    file.write_bytes(data)
    with pytest.raises(RomError, match=reason):
        load_rom(file)


def with_title(rom: Rom, title: bytes, **header: int) -> bytes:
    """The built-in ROM under another title, with its header checksum put right."""
    data = bytearray(rom.data)
    data[0x134:0x144] = title.ljust(16, b"\0")
    for address, value in header.items():
        data[int(address.removeprefix("at_"), 16)] = value
    checksum = 0
    for byte in data[0x134:0x14D]:
        checksum = (checksum - byte - 1) & 0xFF
    data[0x14D] = checksum
    return bytes(data)


def test_a_stranger_runs_after_a_warning(tmp_path: Path, rom: Rom, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "stranger.gb"
    file.write_bytes(with_title(rom, b"STRANGER"))
    with pytest.warns(UserWarning, match="is not Pokemon Red"):
        stranger = load_rom(file)
    monkeypatch.setenv(WORKER_VARIABLE, "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_rom(file)  # workers are silent
    machine = PyBoyEmulator(stranger)
    machine.step(0)
    machine.close()


def test_a_cartridge_that_pyboy_does_not_know(tmp_path: Path, rom: Rom) -> None:
    file = tmp_path / "strange.gb"
    file.write_bytes(with_title(rom, b"WAYFARER", at_147=0xFD))
    with pytest.raises(RomError, match="PyBoy cannot start"):
        PyBoyEmulator(load_rom(file))


def test_nothing_is_written_beside_the_rom(tmp_path: Path, rom: Rom) -> None:
    file = tmp_path / "wayfarer.gb"
    file.write_bytes(rom.data)
    machine = PyBoyEmulator(load_rom(file))
    machine.step(0)
    machine.close()
    assert [path.name for path in tmp_path.iterdir()] == ["wayfarer.gb"]


# -- a new game ------------------------------------------------------------------------------------------------------
def test_a_new_game_begins_where_the_player_can_walk(machine: PyBoyEmulator) -> None:
    before = (machine.peek(ram.PLAYER_Y), machine.peek(ram.PLAYER_X))
    assert machine.peek(ram.MAP_ID) == 0x26
    for action in (0, 1, 2, 3):
        machine.step(action)
        if (machine.peek(ram.PLAYER_Y), machine.peek(ram.PLAYER_X)) != before:
            return
    pytest.fail("the player did not move")


def test_a_boot_is_kept_under_the_roms_name(tmp_path: Path, rom: Rom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(beginning, "_new_games", {})
    file = tmp_path / "red.gb"
    file.write_bytes(with_title(rom, b"POKEMON RED"))
    with pytest.warns(UserWarning, match="not Pokemon Red"):
        red = load_rom(file)
    state = new_game_state(red)
    (kept,) = tmp_path.rglob("*.state")
    assert kept.name.startswith(red.sha1)
    assert kept.read_bytes() == state
    monkeypatch.setattr(beginning, "_new_games", {})
    monkeypatch.setattr(beginning, "_boot", lambda _: pytest.fail("booted again"))
    assert new_game_state(red) == state


def test_a_damaged_boot_is_made_again(tmp_path: Path, rom: Rom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    state = beginning._boot_once(rom)
    (kept,) = tmp_path.rglob("*.state")
    kept.write_bytes(state[:50_000])
    assert beginning._boot_once(rom) == state == kept.read_bytes()


def test_a_game_without_a_player_is_given_up(rom: Rom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "FRAME_LIMIT", 480)
    monkeypatch.setattr(beginning, "_looks_free", lambda *_: False)
    with pytest.raises(RomError, match=r"give a savestate with --env\.init-state"):
        beginning._boot(rom)


def test_an_initial_state_is_checked_first(tmp_path: Path, rom: Rom, machine: PyBoyEmulator) -> None:
    with pytest.raises(StateFileError, match="cannot read the initial state"):
        new_game_state(rom, str(tmp_path / "absent.state"))
    bad = tmp_path / "bad.state"
    bad.write_bytes(b"hello")
    with pytest.raises(StateFileError, match=r"cannot begin in .*bad\.state"):
        new_game_state(rom, str(bad))
    good = tmp_path / "good.state"
    play(machine, ACTIONS[:10])
    good.write_bytes(machine.save())
    assert new_game_state(rom, str(good)) == good.read_bytes()


# -- whether new games can begin, before anything is started -----------------------------------------------------------
def test_a_game_that_can_be_played_is_fit(tmp_path: Path, machine: PyBoyEmulator) -> None:
    check(Config())
    file = tmp_path / "good.state"
    file.write_bytes(machine.save())
    check(Config(init_state=str(file)))
    check(Config(rom=str(emulator.BUILT_IN_ROM)))


def test_what_cannot_be_played_is_named(tmp_path: Path, machine: PyBoyEmulator) -> None:
    with pytest.raises(RomError, match="leave --rom out"):
        check(Config(rom=str(tmp_path / "absent.gb")))
    with pytest.raises(StateFileError, match="cannot read the initial state"):
        check(Config(init_state=str(tmp_path / "absent.state")))
    file = tmp_path / "noise.state"
    file.write_bytes(machine.save()[:60_000] + np.random.default_rng(0).bytes(80_000))
    with pytest.raises(StateFileError, match=r"noise\.state"):
        check(Config(init_state=str(file)))


@pytest.mark.parametrize(("deed", "said"), [("while True: pass", "hangs"), ("os.kill(os.getpid(), 11)", "crashed")])
def test_a_trial_that_hangs_or_crashes_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, said: str
) -> None:
    script = f"import os, signal; signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(1)\n{deed}"
    real = subprocess.run
    run = lambda _, **options: real([sys.executable, "-c", script], **options)  # noqa: E731
    monkeypatch.setattr(beginning.subprocess, "run", run)
    with pytest.raises(StateFileError, match=said):
        beginning._try(None, str(tmp_path / "some.state"), 1)


# -- determinism -----------------------------------------------------------------------------------------------------
def test_same_state_and_inputs_give_the_same_bytes(rom: Rom, machine: PyBoyEmulator, new_game: bytes) -> None:
    first = play(machine, ACTIONS)
    state = machine.save()
    machine.load(new_game)
    assert play(machine, ACTIONS) == first
    other = PyBoyEmulator(rom)
    play(other, ACTIONS[::-1])  # whatever it did before
    other.load(new_game)
    assert play(other, ACTIONS) == first
    assert other.save() == state
    other.close()


def test_saving_and_loading_in_between_changes_nothing(rom: Rom, machine: PyBoyEmulator, new_game: bytes) -> None:
    plain = play(machine, ACTIONS)
    machine.load(new_game)
    trace = []
    for first in range(0, len(ACTIONS), 15):
        trace += play(machine, ACTIONS[first : first + 15])
        state = machine.save()
        machine.close()
        machine = PyBoyEmulator(rom)
        machine.load(state)
    assert trace == plain


def test_the_screen_comes_back_with_the_state(rom: Rom, machine: PyBoyEmulator) -> None:
    play(machine, ACTIONS[:20])
    other = PyBoyEmulator(rom)
    other.load(machine.save())
    assert (other.screen() == machine.screen()).all()
    other.close()


# -- savestates ------------------------------------------------------------------------------------------------------
def test_states_are_raw_and_compressed_ones_are_read(machine: PyBoyEmulator) -> None:
    play(machine, ACTIONS[:20])
    state = machine.save()
    assert state[0] == emulator.STATE_VERSION
    assert plain_state(state) is state
    packed = packed_state(state)
    assert len(packed) < len(state) / 4
    assert packed_state(packed) is packed
    assert plain_state(packed) == state
    machine.load(packed)
    assert machine.save() == state


def test_a_member_whose_nickname_is_asked_for_is_no_fault(machine: PyBoyEmulator, new_game: bytes) -> None:
    machine.load(with_byte(new_game, ram.PARTY_COUNT, 1))  # level and full HP are 0 still


def test_a_trusted_state_is_not_judged(machine: PyBoyEmulator, new_game: bytes) -> None:
    odd = with_byte(new_game, ram.PARTY_COUNT, 9)
    with pytest.raises(StateFileError, match="a party of 9"):
        machine.load(odd)
    machine.load(odd, trusted=True)
    with pytest.raises(StateFileError):
        machine.load(new_game[:-1], trusted=True)


def wram_at(state: bytes) -> int:
    """Where working RAM begins in a new game's state: its money stands there once."""
    mark = bytes(2) + b"\xff".ljust(ram.MONEY - ram.BAG_ITEMS, b"\0") + bytes.fromhex("003000")
    assert state.count(mark) == 1
    return state.index(mark) - (ram.BAG_ITEMS - 2 - ram.WRAM)


DAMAGE = {
    "empty": lambda state: b"",
    "text": lambda state: b"not a savestate" * 5_000,
    "noise": lambda state: np.random.default_rng(0).bytes(len(state)),
    "half a file": lambda state: state[: len(state) // 2],
    "one byte short": lambda state: state[:-1],
    "one byte more": lambda state: state + b"\0",
    "of a newer PyBoy": lambda state: bytes([99]) + state[1:],
    "cut off zlib": lambda state: zlib.compress(state)[:-50],
    "a zlib bomb": lambda state: zlib.compress(bytes(1 << 26)),
    "an impossible party": lambda state: with_byte(state, ram.PARTY_COUNT, 9),
    "a map that does not exist": lambda state: with_byte(state, ram.MAP_ID, 0xEE),
    "money of letters": lambda state: with_byte(state, ram.MONEY, 0xAB),
    "an impossible level": lambda state: with_byte(with_byte(state, ram.PARTY_COUNT, 1), ram.PARTY_MONS + 0x21, 200),
}


def with_byte(state: bytes, address: int, value: int) -> bytes:
    """A state with one byte of working RAM changed."""
    at = wram_at(state) + address - ram.WRAM
    return state[:at] + bytes([value]) + state[at + 1 :]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_states_are_refused(rom: Rom, new_game: bytes, damage: Callable[[bytes], bytes]) -> None:
    machine = PyBoyEmulator(rom)
    with pytest.raises(StateFileError):
        machine.load(damage(new_game))
    machine.close()


def test_a_state_of_another_cartridge_is_refused(tmp_path: Path, rom: Rom, new_game: bytes) -> None:
    file = tmp_path / "red.gb"
    file.write_bytes(with_title(rom, b"POKEMON RED", at_147=0x13, at_149=0x03))  # MBC3 with 32 KiB of RAM, as Red has
    with pytest.warns(UserWarning, match="not Pokemon Red"):
        red = PyBoyEmulator(load_rom(file))
    red.idle(10)
    theirs = red.save()
    with pytest.raises(StateFileError):
        red.load(new_game)
    red.close()
    machine = PyBoyEmulator(rom)
    with pytest.raises(StateFileError, match="of another game"):
        machine.load(theirs)
    machine.close()


def test_no_key_stays_down_after_loading(rom: Rom, new_game: bytes) -> None:
    machine = PyBoyEmulator(rom)
    machine.load(new_game)
    machine._pyboy.button_press("down")
    machine.idle(1)
    held = machine.save()
    machine.load(held)
    machine.idle(60)
    free = PyBoyEmulator(rom)
    free.load(new_game)
    free.idle(61)
    assert abs(machine.peek(ram.PLAYER_Y) - free.peek(ram.PLAYER_Y)) <= 1  # at most the step it had begun
    free.close()
    machine.close()


def test_the_joypad_is_waited_for(rom: Rom, new_game: bytes) -> None:
    def frames(wait_presses: int) -> int:
        machine = PyBoyEmulator(rom, wait_presses=wait_presses)
        machine.load(new_game)
        before = machine._pyboy.frame_count
        machine._pyboy.memory[ram.JOY_IGNORE] = 0xFF
        machine.step(0)
        count = machine._pyboy.frame_count - before
        machine.close()
        return count

    assert frames(0) == 24
    assert frames(3) in (24, 48, 72, 96)
