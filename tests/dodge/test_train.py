"""Dodge through the command: each learner, from numbers and from pictures, and on after a checkpoint."""

import json
from pathlib import Path

import pytest

import train_big
from training import evaluate

SMALL = ["--env", "dodge", "--num-envs", "4", "--log-interval", "400", "--dashboard", "plain", "--policy.hidden", "16"]
PICTURES = ["--env.observation", "image", "--env.image-size", "24", "--policy.frame-stack", "2"]
REPLAY = ["--learner.learning-starts", "200", "--learner.replay-size", "1", "--evaluation.interval", "0"]
CASES = {
    # Not annealed, since that hangs on where a run is to end.
    "ppo": ["--algo", "ppo", "--learner.num-steps", "32", "--learner.anneal", "none", "--evaluation.interval", "0"],
    "sac": ["--algo", "sac", "--learner.batch-size", "32", "--learner.replay-ratio", "8", *REPLAY],
    "dqn": ["--algo", "dqn", "--learner.sequence", "1", "--learner.burn-in", "0", *REPLAY],
}


def train(folder: Path, *flags: str) -> None:
    where = ["--run-name", "one", "--runs-dir", str(folder / "runs"), "--savestates-dir", str(folder / "savestates")]
    assert train_big.main([*SMALL, *where, *flags]) == 0


@pytest.mark.parametrize("seen", ["vector", "image"])
@pytest.mark.parametrize("algo", CASES)
def test_a_resumed_run_is_the_run_that_went_through(algo: str, seen: str, tmp_path: Path) -> None:
    """The ring of the replay, 512 records of each row, has come round by the end."""
    flags = [*CASES[algo], *(PICTURES if seen == "image" else [])]
    for name, stops in (("through", ("2800",)), ("resumed", ("1200", "2000", "2800"))):
        for i, stop in enumerate(stops):
            train(tmp_path / name, *flags, "--total-steps", stop, *(["--resume"] if i else []))
    metrics = [(tmp_path / name / "runs" / "one" / "metrics.jsonl").read_bytes() for name in ("through", "resumed")]
    assert metrics[0] == metrics[1]
    assert len(metrics[0].splitlines()) >= 7
    assert "learner/loss" in json.loads(metrics[0].splitlines()[-1])


def test_both_ways_of_acting_are_told_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, *CASES["sac"], "--total-steps", "400")
    capsys.readouterr()
    where = ["--run", "one", "--runs-dir", str(tmp_path / "runs"), "--json", "--episodes", "6"]
    assert evaluate.main(where) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["actions"] for row in rows] == ["drawn", "likeliest"]
    assert rows[0]["return"] != rows[1]["return"]
    for row in rows:
        assert row["return_std"] > 0
        assert row["return_95"] == pytest.approx(1.96 * row["return_std"] / 6**0.5)
        assert {"survived", "survived_95", "steps"} <= row.keys()
