"""Promise 11: one writer of a run. A second start is refused while the first lives, readers are not."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_train_big import ROOT, SMALL, call, command, run
from training.store import checkpoint
from training.store.lock import LOCK

FLAGS = [*SMALL, "--run-name", "one", "--log-interval", "400", "--save-interval", "400", "--evaluation.interval", "0"]


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> Iterator[tuple[Path, subprocess.Popen]]:
    """A run that goes on and on, with its first checkpoint written."""
    folder = tmp_path_factory.mktemp("live")
    flags = command(*FLAGS, "--total-steps", "50000000", folder=folder)
    process = subprocess.Popen(flags, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "runs" / "one" / "checkpoints" / "step_400").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    yield folder, process
    process.kill()
    process.wait()


@pytest.mark.parametrize("more", [["--resume"], []])
def test_a_start_beside_a_live_one_is_refused(live, capsys, more):
    folder, process = live
    code, errors = call(*FLAGS, *more, folder=folder, capsys=capsys)
    assert code == 2
    assert f"run 'one' is being trained by process {process.pid} on host" in errors
    assert errors.count("error:") == 1


def test_another_runs_folder_with_the_same_savestates_is_refused_as_well(live, capsys, tmp_path):
    folder, process = live
    code, errors = call(*FLAGS, "--runs-dir", str(tmp_path / "other"), folder=folder, capsys=capsys)
    assert code == 2
    assert f"is being trained by process {process.pid}" in errors
    assert list(tmp_path.iterdir()) == []


def test_readers_are_welcome(live):
    folder, process = live
    flags = ["--runs-dir", str(folder / "runs"), "--run", "one", "--episodes", "1", "--evaluation.max-steps", "16"]
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate", *flags], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert process.poll() is None


def test_a_killed_run_is_resumed_at_once(live):  # the last one: it ends the run
    folder, process = live
    process.send_signal(signal.SIGKILL)
    process.wait()
    newest = checkpoint.latest_valid(folder / "runs" / "one" / "checkpoints")
    step = int(newest.name.removeprefix("step_")) + 400
    done = run(*FLAGS, "--total-steps", str(step), "--resume", folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "waiting" not in done.stderr
    assert (folder / "runs" / "one" / LOCK).read_bytes() == b""  # signed off
