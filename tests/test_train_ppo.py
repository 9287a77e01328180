"""The voxel swarm from the command: a small run, its exact resumption, and its evaluation in other worlds."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from puffer_envs.voxel_swarm.shapes import load_shapes
from tests.test_train_big import ROOT, call, command, run
from training import evaluate
from training.run import cli, resuming
from training.store import checkpoint
from training.telemetry.records import read_jsonl

SEGMENT = 4 * 10 * 8  # decisions of an update
STEPS = 24 * SEGMENT
SMALL = [
    *("--env", "voxel_swarm", "--num-envs", "4", "--model-size", "slim", "--learner.num-steps", "8"),
    *("--torch-threads", "1", "--run-name", "one", "--total-steps", str(STEPS), "--log-interval", str(6 * SEGMENT)),
    *("--save-interval", str(8 * SEGMENT), "--evaluation.interval", str(12 * SEGMENT), "--evaluation.episodes", "2"),
    *("--evaluation.max-steps", "20", "--env.max-steps", "60"),
]


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ppo")
    done = run(*SMALL, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def home(folder: Path) -> Path:
    return folder / "runs" / "one"


def weights(folder: Path) -> str:
    """SHA-256 of everything learned, at the end of a run."""
    loaded = checkpoint.load(checkpoint.latest_valid(home(folder) / "checkpoints"))
    digest = hashlib.sha256(str(loaded.step).encode())
    for name, tensor in sorted(loaded.parts["learner"]["policy"].items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def test_a_run_leaves_what_it_promises(small_run):
    folder, done = small_run
    lines = read_jsonl(home(folder) / "metrics.jsonl")
    logs = [line for line in lines if "learner/updates" in line]
    # An update comes with the decision after its segment; that after the last of all is only thought.
    assert sum(line["learner/updates"] for line in logs) == STEPS // SEGMENT
    assert {"learner/entropy", "learner/approx_kl", "learner/explained_variance", "episode/iou"} <= set(logs[-1])
    assert {"eval/sizes/iou", "eval/families/iou"} <= set(next(line for line in lines if "eval/return_last5" in line))
    rows = list(csv.DictReader((home(folder) / "episodes.csv").open()))
    assert {int(row["env_id"]) % 10 for row in rows} == {0}, "an episode for each environment, not for each agent"
    assert all(row["return_rnd"] == "" and row["text"] and "badges" not in row for row in rows)
    assert "r_rnd" not in done.stdout


def test_a_killed_run_ends_with_the_same_weights_and_figures(small_run, tmp_path):
    folder, _ = small_run
    process = subprocess.Popen(command(*SMALL, folder=tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL)
    awaited = home(tmp_path) / "checkpoints" / f"step_{8 * SEGMENT}"
    deadline = time.monotonic() + 120
    while not awaited.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    done = run(*SMALL, "--resume", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (home(tmp_path) / "metrics.jsonl").read_bytes() == (home(folder) / "metrics.jsonl").read_bytes()
    assert weights(tmp_path) == weights(folder)


def test_a_longer_run_says_what_changes(small_run, tmp_path):
    shutil.copytree(small_run[0], tmp_path, dirs_exist_ok=True)
    more = ["--resume", "--run-name", "one", "--total-steps", str(2 * STEPS), "--learner.ent-coef", "0.02"]
    config = cli.parse([*more, "--runs-dir", str(tmp_path / "runs"), "--savestates-dir", str(tmp_path / "savestates")])
    written = cli.saved_settings(config)
    first, second = resuming.changes(config, written, STEPS)
    assert first == (
        f"resumed with --total-steps {2 * STEPS} instead of {STEPS}, --learner.ent-coef 0.02 instead of 0.01"
    )
    assert second == (
        f"the learning rate goes on at 0.0005 instead of 0 and falls to 0 at step {2 * STEPS:,} instead of {STEPS:,}"
    )
    stays = dataclasses.replace(config.learner, anneal="none")
    assert len(resuming.changes(dataclasses.replace(config, learner=stays), written, STEPS)) == 1
    done = run(*more[:-3], str(STEPS + SEGMENT), folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"falls to 0 at step {STEPS + SEGMENT:,} instead of {STEPS:,}" in done.stdout
    assert f"run 'one' finished: {STEPS + SEGMENT:,} steps" in done.stdout


def test_a_network_of_another_shape_is_one_sentence(small_run, tmp_path, capsys):
    shutil.copytree(small_run[0], tmp_path, dirs_exist_ok=True)
    file = home(tmp_path) / "config.toml"
    text = file.read_text()
    assert "hidden = 64" in text
    file.write_text(text.replace("hidden = 64", "hidden = 32"))  # as a new version's default would be
    code, errors = call("--env", "voxel_swarm", "--run-name", "one", "--resume", folder=tmp_path, capsys=capsys)
    assert code == 2
    assert "holds a network of another shape than these settings make" in errors
    assert "size mismatch" not in errors


def test_an_evaluation_in_a_larger_world(small_run, tmp_path, capsys):
    folder, _ = small_run
    out = tmp_path / "built.jsonl"
    where = ["--run", "one", "--runs-dir", str(folder / "runs"), "--json", "--out", str(out)]
    tests = [(name, way, 3) for name in ("sizes", "families") for way in ("drawn", "likeliest")]
    settings = ["--env.grid-size", "12", "--env.max-steps", "30", "--evaluation.max-steps", "0"]
    assert evaluate.main([*where, "--episodes", "3", *settings]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["test"], row["actions"], row["episodes"]) for row in rows if row["family"] == "all"] == tests
    assert all(0 <= row["iou"] <= 1 and row["length"] <= 30 for row in rows)
    built = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(built) == 6
    assert all(world["grid"] == 12 and world["voxel_count"] == len(world["voxels"]) for world in built)


def test_a_library_of_ones_own(small_run, tmp_path, capsys):
    folder, _ = small_run
    library = tmp_path / "shapes.jsonl"
    library.write_text('{"text": "a post", "grid": 8, "voxels": [[3, 0, 3], [3, 1, 3]]}\n')
    assert len(load_shapes(library, 8)) == 1
    where = ["--run", "one", "--runs-dir", str(folder / "runs"), "--json", "--episodes", "2"]
    mine = ["--env.shapes", str(library), "--likeliest", "--evaluation.max-steps", "5", "--env.max-steps", "5"]
    assert evaluate.main([*where, *mine, "--video"]) == 0
    assert (home(folder) / "videos" / "evaluation.gif").is_file()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [(row["test"], row["episodes"]) for row in rows] == [("", 2)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--run", "none"], "no run"),
        (["--run", "one", "--checkpoint", "latest"], "newest, best or a step"),
        (["--run", "one", "--checkpoint", "5"], "no checkpoint '5'"),
        (["--run", "one", "--env.grid-size", "3"], "the grid is 3"),
        (["--run", "one", "--policy.hidden", "32"], "do not fit"),
        (["--run", "one", "--env.shapes", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_mistakes_in_an_evaluation_are_one_sentence(small_run, capsys, flags, words):
    folder, _ = small_run
    assert evaluate.main([*flags, "--runs-dir", str(folder / "runs"), "--episodes", "1"]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--algo", "dqn"], "learns with --algo ppo"),
        (["--rom", "red.gb"], "--rom"),
        (["--batch-size", "1010"], "multiple of the 40 rows"),
        (["--env.grid-size", "3"], "the grid is 3"),
        (["--env.metric", "swim"], "walk or euclidean"),
        (["--policy.embedder", "letters"], "unknown embedder"),
        (["--preset", "document"], "the presets are default, original"),
    ],
)
def test_mistakes_in_the_call_are_one_sentence(tmp_path, capsys, flags, words):
    code, errors = call(*SMALL, *flags, folder=tmp_path, capsys=capsys)
    assert code == 2
    assert words in errors
    assert not list(tmp_path.iterdir())


def test_evaluate_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert "--likeliest" in done.stdout
