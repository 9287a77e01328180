"""A foreign savestate is tried in a throw-away process before anything else touches it.

A state has no checksum and no name of its game, and loading a wrong one can succeed, hang for ever inside the emulator
or crash the interpreter. A process survives none of that by catching exceptions, so it is a process that is risked:
``python -m curriculum.canary [ROM]`` reads a state from its standard input, loads it, lets 120 frames pass, saves and
loads it again, and prints what it found as JSON. Its alarm clock is the kernel's: it ends a loop that never returns to
Python.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

FRAMES = 120
LIMIT_SECONDS = 5  # for the emulator's part; imports come before
PROCESS_SECONDS = 60  # for the whole process, on a busy machine
REFUSED = 3  # exit code: the state is bad and the reason was printed
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
MAP_HEIGHT, MAP_WIDTH = 0xD368, 0xD369  # wCurMapHeight, wCurMapWidth: blocks of 2x2 cells; Pokemon Red only
BUILT_IN_CELLS = (12, 11)  # rows and columns of the largest map of the built-in game


class Report(NamedTuple):
    """What the canary says of a state."""

    fault: str | None  # why it is refused, one sentence; None: it is fit for use
    map: int | None = None
    badges: int | None = None  # how many
    held: tuple[str, ...] = ()  # names of the milestones that its world shows, in the table's order


# -- outside -----------------------------------------------------------------------------------------------------
class TrialError(Exception):
    """The trial itself could not be held, so nothing is known of the state."""


def check(state: bytes, rom: str | os.PathLike | None = None) -> Report:
    """Try a savestate on a ROM (None: the built-in game) in a process of its own.

    Raises:
        TrialError: the process ended before it came to the state.
    """
    command = [sys.executable, "-m", "curriculum.canary", *([os.path.abspath(rom)] if rom is not None else [])]
    return watch(command, state)


def watch(command: list[str], state: bytes, limit: float = PROCESS_SECONDS) -> Report:
    """Run a canary and turn however it ends into a report."""
    # Nothing of the parent's environment that it does not need: what is tried here is not trusted.
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(command, input=state, capture_output=True, timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        raise TrialError(f"the trial did not end within {limit:g} s") from None
    return _verdict(done.returncode, done.stdout, done.stderr)


def _verdict(code: int, output: bytes, errors: bytes) -> Report:
    if code == -signal.SIGALRM:
        return Report(f"the emulator hangs: no answer within {LIMIT_SECONDS} s")
    if code < 0:
        return Report(f"the emulator crashed ({signal.Signals(-code).name})")
    try:
        facts = json.loads(output)
        if code == REFUSED:
            return Report(str(facts["fault"]))
        if code == 0:
            return Report(None, int(facts["map"]), int(facts["badges"]), tuple(map(str, facts["held"])))
    except (ValueError, KeyError, TypeError):
        pass  # no answer of ours
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    raise TrialError(f"the trial could not be held (exit code {code}): {''.join(last)}")


# -- inside ------------------------------------------------------------------------------------------------------
def prepare(rom_path: str | None) -> tuple[Any, Any]:
    """A machine with the ROM in it, and its game: all that can be done before the state comes into play."""
    import numpy as np

    from puffer_envs.pokemon_red import emulator, milestones, ram

    rom = emulator.load_rom(rom_path)
    machine = emulator.PyBoyEmulator(rom)
    machine.read(np.zeros(ram.RAW_SIZE, np.uint8))  # compiles what it needs; seconds, where the cache is empty
    return machine, milestones.game_of(rom.title)


def examine(machine: Any, game: Any, state: bytes) -> dict[str, Any]:
    """Load, wait, save, load again, and look at the world at each stop.

    Raises:
        StateFileError: the state is refused.
    """
    import numpy as np

    from puffer_envs.contract.state_file import StateFileError
    from puffer_envs.pokemon_red import emulator, milestones, ram

    raw = np.zeros(ram.RAW_SIZE, np.uint8)
    machine.load(emulator.plain_state(state))  # looks at the world: map, party, HP, bag
    machine.read(raw)
    facts = {
        "map": int(raw[ram.AT_MAP]),
        "badges": int(raw[ram.AT_BADGES]).bit_count(),
        "held": [milestone.name for milestone in game.milestones if _shows(raw, milestone)],
    }
    machine.idle(FRAMES)
    machine.load(machine.save())  # and at what became of it
    machine.read(raw)
    blocks = machine.peek(MAP_HEIGHT), machine.peek(MAP_WIDTH)
    rows, columns = BUILT_IN_CELLS if game is milestones.WAYFARER else (2 * blocks[0], 2 * blocks[1])
    if raw[ram.AT_Y] >= rows or raw[ram.AT_X] >= columns:
        place = f"({raw[ram.AT_Y]}, {raw[ram.AT_X]})"
        raise StateFileError(f"after {FRAMES} frames the player is at {place}, on a map of {rows} by {columns} cells")
    return facts


def _shows(raw: Any, milestone: Any) -> bool:
    from puffer_envs.pokemon_red import ram

    index = milestone.index
    if milestone.kind == "map":
        return bool(raw[ram.AT_MAP] == index)
    if milestone.kind == "badge":
        return bool(raw[ram.AT_BADGES] >> index & 1)
    return bool(raw[ram.AT_EVENTS + (index >> 3)] >> (index & 7) & 1)


def start_alarm(seconds: int = LIMIT_SECONDS) -> None:
    """From now on this process has so long to live; no Python code needs to run for that."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def main() -> None:
    """The trial. What goes wrong before it is a fault of ours, what goes wrong in it one of the state."""
    state = sys.stdin.buffer.read()
    machine, game = prepare(sys.argv[1] if len(sys.argv) > 1 else None)
    start_alarm()
    try:
        answer, code = examine(machine, game, state), 0
    except ValueError as error:  # a StateFileError says it in a sentence
        answer, code = {"fault": str(error)}, REFUSED
    except Exception as error:  # the emulator stumbled over what it was given
        answer, code = {"fault": f"the emulator failed on it: {type(error).__name__}: {error}"}, REFUSED
    print(json.dumps(answer), flush=True)
    # No tidying up: a machine that loaded garbage may crash while it is taken apart, and the answer is given.
    os._exit(code)


if __name__ == "__main__":
    main()
