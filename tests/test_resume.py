"""Promise 2: a run that was killed goes on bit for bit, and what proves it would notice if it did not."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.test_train_big import ROOT, SMALL, command, run
from training.store import checkpoint

FLAGS = [*SMALL, "--run-name", "one", "--log-interval", "200", "--save-interval", "400", "--evaluation.interval", "800"]
STEPS = 1600


def weights(folder: Path) -> str:
    """SHA-256 of everything learned, at the end of a run."""
    loaded = checkpoint.load(checkpoint.latest_valid(folder / "runs" / "one" / "checkpoints"))
    assert loaded.step == STEPS
    digest = hashlib.sha256()
    for part in ("policy", "target"):
        for name, tensor in sorted(loaded.parts["learner"]["algorithm"][part].items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def metrics(folder: Path) -> bytes:
    return (folder / "runs" / "one" / "metrics.jsonl").read_bytes()


def run_until(folder: Path, step: int, number: int, *more: str) -> int:
    """Start or continue the run and send a signal once the checkpoint of `step` is there; the exit code."""
    process = subprocess.Popen(
        command(*FLAGS, "--total-steps", str(STEPS), *more, folder=folder),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    awaited = folder / "runs" / "one" / "checkpoints" / f"step_{step}"
    deadline = time.monotonic() + 120
    while not awaited.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, number)
    return process.wait(60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = run(*FLAGS, "--total-steps", str(STEPS), folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def killed_twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    assert run_until(folder, 400, signal.SIGKILL) == -signal.SIGKILL
    assert run_until(folder, 800, signal.SIGTERM, "--resume") == 143
    done = run(*FLAGS, "--total-steps", str(STEPS), "--resume", folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_a_run_interrupted_twice_ends_with_the_same_weights_and_figures(whole, killed_twice):
    assert metrics(killed_twice) == metrics(whole)
    assert weights(killed_twice) == weights(whole)
    episodes = "runs/one/episodes.csv"
    assert (killed_twice / episodes).read_bytes() == (whole / episodes).read_bytes()
    log = (killed_twice / "runs" / "one" / "train.log").read_text()
    assert log.count("goes on at step") == 2


def test_the_control_notices_what_a_checkpoint_leaves_out(whole, tmp_path):
    """The same comparison, with the generator of the actions left out of the checkpoint: it must fail."""
    assert run_until(tmp_path, 800, signal.SIGTERM) == 143
    folder = tmp_path / "runs" / "one" / "checkpoints"
    newest = checkpoint.load(checkpoint.latest_valid(folder))
    newest.parts["collector"]["behaviour"]["rng"]["state"]["state"] ^= 1
    checkpoint.save(folder, newest.step, newest.parts, link_files=list(newest.files.values()))
    done = run(*FLAGS, "--total-steps", str(STEPS), "--resume", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert metrics(tmp_path) != metrics(whole)
    assert weights(tmp_path) != weights(whole)
