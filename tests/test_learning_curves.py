"""The command that tells what became of a run does so for any run, and in one sentence where there is nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def learning(*argv: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks.learning", *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path) -> Path:
    lines = [{"step": step, "eval/return_last5": step / 100, "eval/iou": 0.5} for step in (100, 200)]
    lines.insert(1, {"step": 150, "league/rating": 1100.0})
    lines.insert(0, {"step": 90, "league/rating": 1000.0})
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    times = [{"step": step, "seconds/total": 60.0, "seconds/env": 30.0} for step in (100, 200)]
    (tmp_path / "timing.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in times))
    return tmp_path


def test_any_run_has_a_curve(folder, tmp_path):
    done = learning(str(folder))
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["figure"], row["best"], row["minutes"]) == ("eval/return_last5", 2.0, 2.0)
    assert json.loads(learning(str(folder), "--figure", "eval/iou").stdout)["best"] == 0.5
    assert json.loads(learning(str(folder), "--figure", "league/rating").stdout)["best"] == 1100.0


@pytest.mark.parametrize(
    ("change", "flags", "words"),
    [
        (lambda folder: (folder / "metrics.jsonl").unlink(), [], "is no run with figures"),
        (lambda folder: (folder / "metrics.jsonl").write_text('{"step": 1}\n'), [], "has no evaluations yet"),
        (lambda folder: None, ["--figure", "eval/won"], "has no figure eval/won; it has eval/return_last5, eval/iou"),
    ],
)
def test_nothing_to_draw_is_one_sentence(folder, change, flags, words):
    change(folder)
    done = learning(str(folder), *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
