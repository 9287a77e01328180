"""A foreign savestate is tried in a throw-away process before anything else touches it.

A state has no checksum and no name of its game, and loading a wrong one can succeed, hang for ever inside the emulator
or crash the interpreter. A process survives none of that by catching exceptions, so it is a process that is risked:
``python -m curriculum.canary GAME SETTINGS`` reads a state from its standard input, has the game try it
(`Game.try_state`), and prints what it found as JSON. Its alarm clock is the kernel's: it ends a loop that never returns
to Python.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from puffer_envs import registry
from puffer_envs.contract.game import Game

LIMIT_SECONDS = 5  # for the emulator's part; imports come before
PROCESS_SECONDS = 60  # for the whole process, on a busy machine
REFUSED = 3  # exit code: the state is bad and the reason was printed
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Report(NamedTuple):
    """What the canary says of a state."""

    fault: str | None  # why it is refused, one sentence; None: it is fit for use
    facts: Mapping[str, int | None] = MappingProxyType({})  # what the index says of its world
    held: tuple[str, ...] = ()  # names of the milestones that its world shows, in the table's order


# -- outside -----------------------------------------------------------------------------------------------------
class TrialError(Exception):
    """The trial itself could not be held, so nothing is known of the state."""


def check(state: bytes, game: Game, config: Any) -> Report:
    """Try a savestate in a game with these settings, in a process of its own.

    Raises:
        TrialError: the process ended before it came to the state.
    """
    settings = json.dumps(config._asdict(), default=os.fspath)
    return watch([sys.executable, "-m", "curriculum.canary", game.name, settings], state)


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
            return Report(None, dict(facts["facts"]), tuple(facts["held"]))
    except (ValueError, KeyError, TypeError):
        pass  # no answer of ours
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    raise TrialError(f"the trial could not be held (exit code {code}): {''.join(last)}")


# -- inside ------------------------------------------------------------------------------------------------------
def start_alarm(seconds: int = LIMIT_SECONDS) -> None:
    """From now on this process has so long to live; no Python code needs to run for that."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def main() -> None:
    """The trial. What goes wrong before it is a fault of ours, what goes wrong in it one of the state."""
    state = sys.stdin.buffer.read()
    game = registry.resolve(sys.argv[1])
    assert game.try_state is not None, f"{game.name} takes no foreign savestates"
    examine = game.try_state(game.Config(**json.loads(sys.argv[2])))
    start_alarm()
    answer: dict[str, Any]
    try:
        answer, code = examine(state)._asdict(), 0
    except ValueError as error:  # a StateFileError says it in a sentence
        answer, code = {"fault": str(error)}, REFUSED
    except Exception as error:  # the emulator stumbled over what it was given
        answer, code = {"fault": f"the emulator failed on it: {type(error).__name__}: {error}"}, REFUSED
    print(json.dumps(answer), flush=True)
    # No tidying up: a machine that loaded garbage may crash while it is taken apart, and the answer is given.
    os._exit(code)


if __name__ == "__main__":
    main()
