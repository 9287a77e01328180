"""The command as people run it: its flags, its errors, what a small run leaves behind."""

import csv
import dataclasses
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import train_big
from puffer_envs.pokemon_red.cartridge import BUILT_IN_ROM
from puffer_envs.workers.pool import WorkerError
from training.run import cli
from training.store import checkpoint
from training.telemetry.records import read_jsonl

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    *("--num-envs", "4", "--num-workers", "2", "--model-size", "slim", "--batch-size", "64"),
    *("--learner.learning-starts", "256", "--learner.replay-size", "4096", "--torch-threads", "1"),
    *("--evaluation.episodes", "2", "--evaluation.max-steps", "24", "--env.patience-steps", "60"),
]


def command(*flags: str, folder: Path) -> list[str]:
    where = ["--runs-dir", str(folder / "runs"), "--savestates-dir", str(folder / "savestates")]
    return [sys.executable, "-m", "train_big", *where, *flags]


def run(*flags: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command(*flags, folder=folder), cwd=ROOT, capture_output=True, text=True, timeout=300)


def call(*flags: str, folder: Path, capsys) -> tuple[int, str]:
    """Exit code and stderr, in this process: the mistakes are found before anything is started."""
    try:
        code = train_big.main(command(*flags, folder=folder)[3:])
    except SystemExit as error:
        code = error.code
    return code, " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """One small run with everything on: log lines, evaluation, checkpoints, a video."""
    folder = tmp_path_factory.mktemp("small")
    intervals = ["--log-interval", "400", "--save-interval", "800", "--video-interval", "800"]
    done = run(
        *SMALL, *intervals, "--evaluation.interval", "800", "--total-steps", "1600", "--run-name", "one", folder=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_the_eight_flags_of_the_document_are_there(tmp_path):
    text = run("--help", folder=tmp_path).stdout
    for flag, default in {
        "--num-envs INT": "32",
        "--total-steps INT": "5000000",
        "--batch-size": "None",
        "--model-size {slim,large}": "large",
        "--run-name STR": "''",
        "--log-interval INT": "5000",
        "--save-interval INT": "100000",
        "--video-interval INT": "0",
    }.items():
        after = text.split(flag, 1)
        assert len(after) == 2, f"{flag} is missing"
        assert f"default: {default})" in " ".join(after[1].split("--", 1)[0].replace("│", " ").split()), flag
    assert not list(tmp_path.iterdir())


def test_a_run_leaves_what_it_promises(small_run):
    folder, done = small_run
    home = folder / "runs" / "one"
    names = ("config.toml", "train.log", "metrics.jsonl", "timing.jsonl", "episodes.csv", "progress.csv")
    for name in (*names, "positions.csv", "steps.csv", "tensorboard", "checkpoints", "videos"):
        assert (home / name).exists(), name
    assert {path.name for path in (home / "checkpoints").glob("step_*")} == {"step_800", "step_1600"}
    videos = {path.name for path in (home / "videos").iterdir()}
    assert {"rollout_800.mp4", "rollout_800.gif"} <= videos
    assert tomllib.loads((home / "config.toml").read_text())["game"]["patience_steps"] == 60
    rows = list(csv.DictReader((home / "episodes.csv").open()))
    assert rows
    assert all(int(row["length_steps"]) <= 1024 for row in rows)
    assert set(json.loads(rows[0]["posterior_summary"])["badge_stone"]) == {"alpha", "beta", "mean", "low", "high"}
    line = next(line for line in done.stdout.splitlines() if "[STEP 1600/1600]" in line)
    names = [cell.split("=")[0] for cell in line.split("] ")[1].split()]
    assert len(names) == len(set(names)), "no name stands for two figures"
    assert {"epsilon", "random_share", "r_env", "r_total", "r_env/step", "r_rnd/step"} <= set(names)
    assert "[EP " in done.stdout


def test_starts_are_counted_as_they_are_played(small_run):
    folder, _ = small_run
    home = folder / "runs" / "one"
    starts = checkpoint.load(home / "checkpoints" / "step_1600").parts["curriculum"]["starts"]
    ended = list(csv.DictReader((home / "episodes.csv").open()))
    assert starts["played"] == len(ended) + 4  # and the four that run
    assert 0 <= starts["new_games"] - sum(not row["savestate_tag"] for row in ended) <= 4
    assert len(starts["waiting"]) == 4


def test_figures_add_up(small_run):
    folder, _ = small_run
    lines = read_jsonl(folder / "runs" / "one" / "metrics.jsonl")
    logs = [line for line in lines if "r_total" in line]
    assert [line["step"] for line in logs] == [400, 800, 1200, 1600]
    for line in logs:
        parts = line["r_env"] + 0.1 * line["r_rnd"] + 0.05 * line["r_novel"] + 0.05 * line["r_bayes"]
        assert line["r_total"] == pytest.approx(parts, abs=1e-4)
        terms = sum(value for name, value in line.items() if name.startswith("reward/"))
        assert line["r_env"] == pytest.approx(terms, abs=1e-4)
    # One trained transition a decision, from the 256th on, in updates of 64.
    assert sum(line["learner/updates"] for line in logs) == pytest.approx((1600 - 256) / 64, abs=1)
    assert any("eval/return" in line for line in lines)
    assert "time" not in json.dumps(lines)


def test_the_settings_that_are_written_begin_another_run_on_another_machine(small_run):
    folder, _ = small_run
    settings = tomllib.loads((folder / "runs" / "one" / "config.toml").read_text())
    assert settings["resume"] is False
    config = cli.parse(["--num-envs", "4", "--run-name", "two"])
    config = dataclasses.replace(config, resume=True)
    written = tomllib.loads(cli.to_toml(config))
    assert (written["resume"], written["num_workers"]) == (False, "auto")


def test_another_batch_size_on_resume_goes_on_learning(small_run):
    folder, _ = small_run
    longer = ["--total-steps", "2400", "--log-interval", "400", "--evaluation.interval", "0"]
    done = run(*SMALL, "--run-name", "one", "--resume", *longer, "--batch-size", "32", folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in read_jsonl(folder / "runs" / "one" / "metrics.jsonl") if "learner/updates" in line]
    assert [line["learner/updates"] for line in lines if line["step"] > 1600] == [pytest.approx(400 / 32, abs=1.5)] * 2


def test_an_evaluation_that_fails_does_not_end_the_training(tmp_path, monkeypatch, capsys):
    def fails(*_, **__):
        raise WorkerError("ten replacements were not enough")

    monkeypatch.setattr("training.run.evaluator.play_episodes", fails)
    monkeypatch.setattr("training.run.evaluator.frames_of_episode", fails)
    often = ["--evaluation.interval", "100", "--video-interval", "100", "--total-steps", "200"]
    assert train_big.main(command(*SMALL, *often, "--run-name", "on", folder=tmp_path)[3:]) == 0
    text = (tmp_path / "runs" / "on" / "train.log").read_text()
    assert text.count("no evaluation at 100: ten replacements were not enough; training goes on") == 1
    assert text.count("no video at 200: ten replacements were not enough; training goes on") == 1


def test_an_existing_run_is_not_overwritten(small_run, capsys):
    folder, _ = small_run
    before = (folder / "runs" / "one" / "metrics.jsonl").read_bytes()
    code, errors = call(*SMALL, "--run-name", "one", folder=folder, capsys=capsys)
    assert code == 2
    assert "--resume" in errors
    assert (folder / "runs" / "one" / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--num-envs", "8"], "num_envs = 4"),
        (["--policy.hidden", "64"], "policy"),
        (["--learner.replay-size", "8192"], "learner.replay_size = 4096"),
        (["--intrinsic.rnd-hidden", "32"], "intrinsic.rnd_hidden = 256"),
        (["--env.new-game-steps", "4096"], "game.new_game_steps = 1024"),
        (["--rom", str(BUILT_IN_ROM)], "rom = none"),
    ],
)
def test_a_resume_cannot_change_what_a_checkpoint_is_shaped_by(small_run, capsys, flags, words):
    folder, _ = small_run
    run_folder = folder / "runs" / "one"
    before = (run_folder / "config.toml").read_bytes()
    code, errors = call(*SMALL, "--run-name", "one", "--resume", *flags, folder=folder, capsys=capsys)
    assert code == 2
    assert words in errors
    assert (run_folder / "config.toml").read_bytes() == before
    assert not list((folder / "savestates" / "one").glob("quarantine/*"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rom", "nowhere.gb"], "cannot read the ROM"),
        (["--rom", "README.md"], "no Game Boy ROM"),
        (["--env.init-state", "nowhere.state"], "nowhere.state"),
        (["--env.init-state", str(ROOT / "README.md")], "savestate"),
        (["--run-name", "../escape"], "cannot be a run name"),
        (["--run-name", "ghost", "--resume"], "no run 'ghost'"),
        (["--device", "abacus"], "is no device"),
        (["--env", "pokemon_rde"], "did you mean 'pokemon_red'"),
        (["--preset", "grey"], "there is no preset 'grey'"),
        (["--config", "nowhere.toml"], "cannot read the settings"),
        (["--batch-size", "100"], "multiple of"),
        (["--num-envs", "0"], "at least 1"),
        (["--num-env", "64"], "--num-envs"),
        (["--env.reward-bagde", "3"], "--env.reward-badge"),
        (["--model-size", "huge"], "slim"),
    ],
)
def test_mistakes_end_in_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(ROOT)
    code, errors = call(*flags, folder=tmp_path, capsys=capsys)
    assert code == 2, errors
    assert words in errors
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_refused(tmp_path, capsys):
    (tmp_path / "runs").write_text("a file where a folder should be")
    code, errors = call(*SMALL, "--run-name", "one", folder=tmp_path, capsys=capsys)
    assert code == 2
    assert "is not a folder" in errors
