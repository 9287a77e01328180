"""Promise 4: the first signal lets the run save, the second ends it at once, exit codes tell which."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.run.signals import EXIT_CODES, StopSignals

RUN = """
import sys, time
from pathlib import Path
from training.run.signals import StopSignals

def restore():
    Path(sys.argv[2]).write_text("restored")

with StopSignals(restore) as signals:
    print("ready", flush=True)
    while not signals.requested and sys.argv[1] != "finish":
        time.sleep(0.01)
    print("saving", flush=True)
    while sys.argv[1] == "hang":
        time.sleep(0.01)
    print("saved", flush=True)
sys.exit(signals.exit_code)
"""


def start(mode: str, mark: Path) -> subprocess.Popen[str]:
    run = subprocess.Popen([sys.executable, "-c", RUN, mode, str(mark)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    return run


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 75)])
def test_the_first_signal_finishes_what_is_going_on(tmp_path: Path, name: str, code: int) -> None:
    run = start("stop", tmp_path / "mark")
    run.send_signal(getattr(signal, name))
    out, _ = run.communicate(timeout=10)
    assert out == "saving\nsaved\n"
    assert run.returncode == code
    assert not (tmp_path / "mark").exists()


def test_a_run_that_nobody_stops_ends_with_0(tmp_path: Path) -> None:
    run = start("finish", tmp_path / "mark")
    run.communicate(timeout=10)
    assert run.returncode == 0


def test_the_second_signal_exits_at_once_and_restores_the_terminal(tmp_path: Path) -> None:
    run = start("hang", tmp_path / "mark")
    run.send_signal(signal.SIGTERM)
    assert run.stdout is not None
    assert run.stdout.readline() == "saving\n"
    run.send_signal(signal.SIGTERM)  # a launcher's echo of the first
    time.sleep(0.4)
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=2)
    assert out == ""
    assert run.returncode == 130
    assert (tmp_path / "mark").read_text() == "restored"


def test_handlers_are_given_back() -> None:
    before = {name: signal.getsignal(getattr(signal, name)) for name in EXIT_CODES}
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.requested == "SIGUSR1"
    assert {name: signal.getsignal(getattr(signal, name)) for name in EXIT_CODES} == before
    assert signals.exit_code == 75
