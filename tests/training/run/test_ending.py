"""The last words of a run name what it did, its best figure, and commands that work."""

import dataclasses
import math
from pathlib import Path

from training.run import cli
from training.run.ending import last_words

CONFIG = cli.parse(["--run-name", "one", "--total-steps", "2000"])
COUNTS = {"began": 0, "step": 2000, "seconds": 61.0, "figure": math.nan, "best": -math.inf, "best_path": None}


def test_a_finished_run():
    first, *_, go_on, watch, curve = last_words(CONFIG, **COUNTS)
    assert first == "run 'one' finished: 2,000 steps, 00:01:01"
    assert go_on == "go on: python -m train_big --resume --run-name one --total-steps 4000"
    assert watch == "watch: python -m training.evaluate --run one --video"
    assert curve == "curve: python -m benchmarks.learning runs/one"


def test_a_run_that_was_stopped_and_one_that_went_on():
    first, go_on, *_ = last_words(CONFIG, **COUNTS | {"step": 1200, "began": 800})
    assert first == "run 'one' stopped before its 2,000 steps: 1,200 steps, 00:01:01 from step 800 on"
    assert go_on == "go on: python -m train_big --resume --run-name one"


def test_nothing_was_left_to_do():
    assert last_words(CONFIG, **COUNTS | {"began": 2000})[0] == (
        "run 'one' was finished already: 2,000 of 2,000 steps are done"
    )


def test_the_best_figure_is_told_with_its_place():
    best = Path("runs/one/checkpoints/step_800")
    told = last_words(CONFIG, **COUNTS | {"figure": 3.0, "best": 4.25, "best_path": best})[1]
    assert told == "best mean return of five evaluations in a row: 4.25, in runs/one/checkpoints/step_800"
    assert last_words(CONFIG, **COUNTS | {"figure": 3.0})[1].startswith("mean return of the evaluations: 3.00")


def test_folders_of_ones_own_are_in_the_commands():
    config = dataclasses.replace(CONFIG, runs_dir=Path("my runs"), savestates_dir=Path("states"))
    _, go_on, watch, curve = last_words(config, **COUNTS)
    assert "--runs-dir 'my runs' --savestates-dir states" in go_on
    assert "--runs-dir 'my runs'" in watch
    assert "savestates" not in watch
    assert curve.endswith("'my runs/one'")
