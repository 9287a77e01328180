"""One writer of a run, with real processes that start together, stand beside each other and are killed."""

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from training.store import lock
from training.store.lock import LOCK, LockedError, RunLock, read_holder

# Locks the folders of its arguments, says so, and stays until its input ends.
HOLD = """
import sys
from pathlib import Path
from training.store.lock import LockedError, RunLock
sys.stdin.readline()
try:
    held = RunLock("x", [Path(folder) for folder in sys.argv[1:]])
except LockedError as error:
    print("refused:", error, flush=True)
else:
    print("holds", flush=True)
    sys.stdin.readline()
    held.release()
"""

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that waits for a line and then takes the lock; all are killed in the end."""
    started: list[subprocess.Popen] = []

    def one(*folders: Path, code: str = HOLD) -> subprocess.Popen:
        command = [sys.executable, "-c", code, *map(str, folders)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def holder(start: Start, *folders: Path) -> subprocess.Popen:
    process = start(*folders)
    go(process)
    assert said(process) == "holds"
    return process


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_S", 0.05)
    monkeypatch.setattr(lock, "WATCH_S", 0.5)


def test_of_two_that_start_at_once_one_is_refused(start: Start, tmp_path: Path) -> None:
    for trial in range(20):
        pair = [start(tmp_path / str(trial), tmp_path / f"states {trial}") for _ in range(2)]
        for process in pair:
            go(process)
        words = sorted(said(process) for process in pair)
        assert words[0] == "holds", words
        assert words[1].startswith("refused: run 'x' is being trained by process"), words


def test_the_second_is_told_who_the_first_is(start: Start, tmp_path: Path) -> None:
    first = holder(start, tmp_path / "run")
    before = (tmp_path / "run" / LOCK).read_bytes()
    with pytest.raises(LockedError) as error:
        RunLock("x", [tmp_path / "run"])
    expected = (
        rf"run 'x' is being trained by process {first.pid} on host {re.escape(socket.gethostname())} since "
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \({re.escape(str(tmp_path))}/run/{LOCK}\): "
        r"stop it, or choose another --run-name"
    )
    assert re.fullmatch(expected, str(error.value))
    assert (tmp_path / "run" / LOCK).read_bytes() == before


def test_savestates_of_one_name_are_locked_too(start: Start, tmp_path: Path) -> None:
    holder(start, tmp_path / "runs" / "x", tmp_path / "savestates" / "x")
    with pytest.raises(LockedError, match="savestates"):
        RunLock("x", [tmp_path / "elsewhere" / "x", tmp_path / "savestates" / "x"])
    assert not (tmp_path / "elsewhere").exists()
    RunLock("x", [tmp_path / "elsewhere" / "x"]).release()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_holder_gives_way_at_once(start: Start, tmp_path: Path, number: int) -> None:
    process = holder(start, tmp_path / "run")
    process.send_signal(number)
    process.wait()
    begin = time.monotonic()
    held = RunLock("x", [tmp_path / "run"])
    assert time.monotonic() - begin < 1
    assert read_holder(tmp_path / "run" / LOCK).pid == os.getpid()
    held.release()


@pytest.mark.parametrize(
    "child",
    [
        "import subprocess; print('holds', subprocess.Popen(['sleep', '60']).pid, flush=True)",
        "import os, time; os.fork() or print('holds', os.getpid(), flush=True) or time.sleep(60)",
    ],
)
def test_children_that_outlive_the_holder_do_not_hold_on(start: Start, tmp_path: Path, child: str) -> None:
    code = HOLD.replace('print("holds", flush=True)', child)
    process = start(tmp_path / "run", code=code)
    go(process)
    number = int(said(process).removeprefix("holds "))
    process.kill()
    process.wait()
    try:
        os.kill(number, 0)  # the child lives
        RunLock("x", [tmp_path / "run"]).release()
    finally:
        os.kill(number, signal.SIGKILL)


def test_a_start_that_comes_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    RunLock("x", [tmp_path / "runs" / "x", tmp_path / "savestates" / "x"]).release()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    RunLock("x", [tmp_path / "there"]).release()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_holder_signs_off_where_there_is_something_left(tmp_path: Path) -> None:
    held = RunLock("x", [tmp_path / "run"])
    (tmp_path / "run" / "config.toml").write_text("")
    held.release()
    held.release()
    assert read_holder(tmp_path / "run" / LOCK) is None
    RunLock("x", [tmp_path / "run", tmp_path / "run" / ".." / "run"]).release()  # one folder by two names


# -- other hosts ---------------------------------------------------------------------------------------------------
def signed(path: Path, host: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": host, "pid": 7, "since": "yesterday\x1b[2J"}))


def test_a_stale_lock_of_another_host_is_taken_over(quick: None, tmp_path: Path) -> None:
    signed(tmp_path / LOCK, "elsewhere")
    begin = time.monotonic()
    held = RunLock("x", [tmp_path])
    assert time.monotonic() - begin >= lock.WATCH_S
    assert read_holder(tmp_path / LOCK).host == socket.gethostname()
    held.release()


BEATS = "import os, sys, time\nwhile True:\n    os.utime(sys.argv[1])\n    time.sleep(.05)\n"


def test_one_of_another_host_that_beats_is_not(quick: None, start: Start, tmp_path: Path) -> None:
    """As on a file system that carries no locks between hosts: the kernel's lock is free."""
    signed(tmp_path / LOCK, "elsewhere")
    start(tmp_path / LOCK, code=BEATS)
    with pytest.raises(LockedError, match=r"by process 7 on host elsewhere since yesterday\[2J \("):
        RunLock("x", [tmp_path])
    assert read_holder(tmp_path / LOCK).host == "elsewhere"


@pytest.mark.usefixtures("quick")
def test_a_holder_beats(tmp_path: Path) -> None:
    held = RunLock("x", [tmp_path])
    before = (tmp_path / LOCK).stat().st_mtime_ns
    time.sleep(0.3)
    assert (tmp_path / LOCK).stat().st_mtime_ns > before
    held.release()


def test_without_locks_the_beats_decide(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    held = RunLock("x", [tmp_path])
    with pytest.raises(LockedError, match=f"process {os.getpid()} "):
        RunLock("x", [tmp_path])
    held.release()
    signed(tmp_path / LOCK, socket.gethostname())  # killed
    RunLock("x", [tmp_path]).release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}', "\x00" * 9000])
def test_a_damaged_file_is_nobodys(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK).write_text(text)
    RunLock("x", [tmp_path]).release()
