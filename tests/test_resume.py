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


def test_a_run_killed_before_its_first_checkpoint_begins_again(whole, tmp_path):
    process = subprocess.Popen(
        command(*FLAGS, "--total-steps", str(STEPS), folder=tmp_path),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    written, deadline = tmp_path / "runs" / "one" / "metrics.jsonl", time.monotonic() + 120
    while not written.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait(60)
    assert not list((tmp_path / "runs" / "one" / "checkpoints").glob("step_*"))
    done = run("--run-name", "one", "--resume", folder=tmp_path)  # with the settings that it began with
    assert done.returncode == 0, done.stderr[-3000:]
    assert "begins again, as it had no checkpoint yet" in done.stdout
    assert metrics(tmp_path) == metrics(whole)
    assert weights(tmp_path) == weights(whole)
    episodes = "runs/one/episodes.csv"
    assert (tmp_path / episodes).read_bytes() == (whole / episodes).read_bytes()


def test_a_finished_run_says_so(whole):
    done = run("--run-name", "one", "--resume", folder=whole)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"run 'one' was finished already: {STEPS:,} of {STEPS:,} steps are done" in done.stdout
    assert "--total-steps 3200" in done.stdout
    assert len(list((whole / "runs" / "one" / "checkpoints").glob("step_*"))) <= 3
