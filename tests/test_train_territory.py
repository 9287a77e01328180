"""Territory from the command: a small run with a history, its exact resumption, its evaluation, and mistakes."""

import json
import os
import signal
import subprocess
import time

import pytest

from tests.test_train_big import ROOT, call, command, run
from tests.test_train_ppo import home, weights
from training import evaluate
from training.telemetry.records import read_jsonl

SEGMENT = 3 * 8  # decisions of an update
STEPS = 12 * SEGMENT
SMALL = [
    *("--env", "territory", "--env.map-size", "128", "--env.num-maps", "1", "--env.num-bots", "2", "--num-envs", "3"),
    *("--model-size", "slim", "--policy.history", "3", "--learner.num-steps", "8", "--env.max-ticks", "600"),
    *("--torch-threads", "1", "--run-name", "one", "--total-steps", str(STEPS), "--log-interval", str(2 * SEGMENT)),
    *("--save-interval", str(4 * SEGMENT), "--evaluation.interval", str(6 * SEGMENT), "--evaluation.episodes", "2"),
]


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("territory")
    done = run(*SMALL, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_a_run_leaves_what_it_promises(small_run):
    lines = read_jsonl(home(small_run) / "metrics.jsonl")
    last = [line for line in lines if "learner/updates" in line][-1]
    attention = [last[f"learner/attention/{scale}"] for scale in ("global", "local", "tactical")]
    assert sum(attention) == pytest.approx(1.0, abs=1e-3)
    assert {"reward/land", "reward/army", "reward/rank", "learner/entropy", "episode/won"} <= set(last)
    tested = next(line for line in lines if "eval/return_last5" in line)
    assert {"eval/won", "eval/land", "eval/rank", "eval/land_1000", "eval/reached/land_10"} <= set(tested)


def test_a_killed_run_ends_with_the_same_weights_and_figures(small_run, tmp_path):
    process = subprocess.Popen(command(*SMALL, folder=tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL)
    awaited = home(tmp_path) / "checkpoints" / f"step_{4 * SEGMENT}"
    deadline = time.monotonic() + 120
    while not awaited.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    done = run(*SMALL, "--resume", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (home(tmp_path) / "metrics.jsonl").read_bytes() == (home(small_run) / "metrics.jsonl").read_bytes()
    assert weights(tmp_path) == weights(small_run)


def test_an_evaluation_tells_the_win_rate_with_its_interval(small_run, capsys):
    where = ["--run", "one", "--runs-dir", str(small_run / "runs"), "--json", "--episodes", "2", "--drawn"]
    assert evaluate.main([*where, "--env.max-ticks", "200"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["episodes"] == 2
    assert 0 <= row["won"] <= 1
    assert row["won_95"] == pytest.approx(0.33, abs=0.08)  # Wilson's of none, or all, of two
    assert row["ticks"] <= 200


def test_a_network_attacks_and_builds_in_one_step(tmp_path):
    done = run(*SMALL, "--env.build", "--env.max-ticks", "3000", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = read_jsonl(home(tmp_path) / "metrics.jsonl")
    assert [line for line in lines if "learner/updates" in line]
    assert [line for line in lines if "eval/return_last5" in line]


def test_a_resume_cannot_give_the_actions_a_second_part(small_run, capsys):
    code, errors = call(*SMALL, "--resume", "--env.build", folder=small_run, capsys=capsys)
    assert code == 2
    assert "run 'one' has game.build = False, which --resume cannot change" in errors


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--env.map", "nowhere"], "there is no map nowhere"),
        (["--env.map-size", "1000"], "choose 896 or 1024"),
        (["--env.num-bots", "300"], "at most 254"),
        (["--env.local-view-size", "100"], "multiple of 128"),
        (["--env.rules", "odd"], "real or constant"),
        (["--preset", "laptop"], "the presets are auto, bridge, cpu"),
    ],
)
def test_mistakes_in_the_call_are_one_sentence(tmp_path, capsys, flags, words):
    code, errors = call(*SMALL, *flags, folder=tmp_path, capsys=capsys)
    assert code == 2
    assert words in errors
    assert not list(tmp_path.iterdir())
