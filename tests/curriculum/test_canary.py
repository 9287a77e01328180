"""Foreign states on the built-in game: what is refused, what survives, and that a hang or a crash is survived."""

import io
import signal
import sys
from pathlib import Path

import numpy as np
import pyboy
import pytest

from curriculum import canary
from puffer_envs.pokemon_red import emulator, new_game, ram
from puffer_envs.pokemon_red.config import Config
from puffer_envs.pokemon_red.game import GAME
from tests.pokemon_red.test_savestate import poke

PROGRAM_COUNTER = 15  # place in a state: two bytes, low one first; then interrupts on, halted
ILLEGAL = 0xD3  # an instruction that the processor does not have: the emulator never comes back from it
EVENT_STARTER = 2  # an event of the built-in game and a milestone


@pytest.fixture(scope="module")
def rom(tmp_path_factory) -> Path:
    """A copy of the built-in game, which stays the same if that is rebuilt meanwhile."""
    path = tmp_path_factory.mktemp("rom") / "wayfarer.gb"
    path.write_bytes(emulator.BUILT_IN_ROM.read_bytes())
    return path


@pytest.fixture(scope="module")
def state(rom) -> bytes:
    return new_game.new_game_state(emulator.load_rom(rom))


def check(state: bytes, rom: Path) -> canary.Report:
    return canary.check(state, GAME, Config(rom=str(rom)))


# -- trials ------------------------------------------------------------------------------------------------------
def test_a_good_state_is_admitted_with_its_facts(rom, state):
    assert check(state, rom) == canary.Report(None, {"map": 0x26, "badges": 0}, ())
    started = poke(state, ram.EVENTS, 1 << EVENT_STARTER)
    assert check(started, rom).held == ("got_starter",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: b"", "no savestate"),
        (lambda s: b"\x0f" + bytes(143_100), "cannot load"),
        (lambda s: bytes(np.random.default_rng(0).integers(0, 256, len(s), np.uint8)), "savestate"),
        (lambda s: s[:-1], "No data"),
        (lambda s: s + b"x", "longer"),
        (lambda s: b"\x63" + s[1:], "version 99"),
        (lambda s: poke(s, ram.MAP_ID, 0xEE), "map 0xEE"),
        (lambda s: poke(s, ram.PARTY_COUNT, 7), "party of 7"),
        (lambda s: poke(poke(s, ram.PARTY_COUNT, 1), ram.PARTY_MONS + ram.MON_LEVEL, 200), "level 200"),
        (lambda s: poke(s, ram.PLAYER_X, 200), "player is at"),
    ],
)
def test_bad_states_are_refused_with_the_reason(rom, state, change, message):
    assert message in (check(change(state), rom).fault or "admitted")


def test_a_state_of_another_cartridge_is_refused(rom):
    other = pyboy.PyBoy(
        str(Path(pyboy.__file__).with_name("default_rom.gb")), window="null", sound_emulated=False, log_level="CRITICAL"
    )
    other.tick(60, False)
    stream = io.BytesIO()
    other.save_state(stream)
    other.stop(save=False)
    assert check(stream.getvalue(), rom).fault is not None


def test_a_state_that_hangs_the_emulator_is_survived(rom, state):
    hanging = poke(state, 0xC600, ILLEGAL)
    hanging = hanging[:PROGRAM_COUNTER] + b"\x00\xc6\0\0" + hanging[PROGRAM_COUNTER + 4 :]
    assert check(hanging, rom).fault == "the emulator hangs: no answer within 5 s"


def trial(code: str, limit: float = 20) -> canary.Report:
    """The report on a process that runs this code instead of the emulator."""
    return canary.watch([sys.executable, "-c", f"import os, signal, sys\n{code}"], b"state", limit)


def test_the_alarm_ends_a_loop_that_never_returns_to_python():
    report = trial("from curriculum.canary import start_alarm; start_alarm(1); pow(7, 10**9)")
    assert report.fault == "the emulator hangs: no answer within 5 s"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_survived(number):
    assert trial(f"os.kill(os.getpid(), {int(number)})").fault == f"the emulator crashed ({number.name})"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise OSError('no disk')", "OSError: no disk"),
        ("print('{}')", "exit code 0"),
        ("print('nonsense'); os._exit(3)", "exit code 3"),
        ("print('[]')", "exit code 0"),
    ],
)
def test_a_trial_that_could_not_be_held_says_nothing_of_the_state(code, message):
    with pytest.raises(canary.TrialError, match=message):
        trial(code)


def test_a_trial_that_never_begins_is_ended():
    with pytest.raises(canary.TrialError, match=r"within 0\.5 s"):
        trial("signal.pause()", limit=0.5)


def test_secrets_of_the_environment_are_not_passed_on(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "secret")
    answer = '{"facts": {}, "held": [os.environ.get("SOME_API_KEY", "nothing")]}'
    assert trial(f"import json; print(json.dumps({answer}))").held == ("nothing",)
