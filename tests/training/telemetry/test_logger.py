"""The formats are a contract; logs follow the checkpoints and never stop a run."""

import csv
import errno
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puffer_envs import registry
from training.telemetry import text_file
from training.telemetry.logger import EPISODE_BURST, RunLogger
from training.telemetry.records import (
    EpisodeRecord,
    PositionRecord,
    ProgressRecord,
    StepRecord,
    clean_text,
    episode_line,
    log_line,
    own_columns,
    read_jsonl,
)

EPISODE = EpisodeRecord(
    episode_id=1342,
    env_id=7,
    length_steps=642,
    return_env=23.5,
    return_total=31.8,
    return_rnd=0.1 + 0.2,
    return_novel=np.float32(0.1),
    return_bayes=0.0,
    milestones_reached=("starter", "Boulder"),
    posterior_summary={"Boulder": {"alpha": 9.0, "beta": 2.0, "mean": 9 / 11, "low": 0.55, "high": 0.97}},
    alarm_triggered=False,
    savestate_tag="pewter_city_gym",
    facts={"badges": 2, "map": "PewterCity"},
    start_step_global=100,
    end_step_global=742,
)
OWN_COLUMNS = own_columns(registry.resolve("pokemon_red"))
LOG = {
    "step": 1_250_000,
    "total_steps": 5_000_000,
    "sps": 1402.4,
    "epsilon": 0.0871,
    "length": 642.25,
    "r_env": 23.5,
    "r_total": 31.8,
    "components": {"env": 0.0366, "rnd": 0.0102, "novel": 0.0011, "bayes": 0.00071},
    "episodes": 1342,
    "num_envs": 64,
    "spawn_mix": {"early": 0.5, "mid": 0.3, "late": 0.2},
}


@pytest.fixture
def shown() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def run(tmp_path: Path, shown: list[tuple[str, str]]) -> Iterator[RunLogger]:
    with RunLogger(tmp_path / "run", lambda kind, text: shown.append((kind, text)), OWN_COLUMNS) as logger:
        logger.scalars.enabled = False  # its own tests turn it on
        yield logger


def resume(run_dir: Path, state: dict[str, Any]) -> RunLogger:
    logger = RunLogger(run_dir, lambda kind, text: None)
    logger.scalars.enabled = False
    logger.load_state_dict(state)
    return logger


# -- formats -------------------------------------------------------------------------------------------------------
def test_the_episode_line_is_the_one_of_the_spec() -> None:
    assert episode_line(EPISODE, ("Boulder", 0.8111)) == (
        "[EP 1342 env=7] len=642  R_env=23.5  R_total=31.8  badges=2  map=PewterCity"
        "  savestate_tag=pewter_city_gym  theta_Boulder=0.81"
    )


def test_no_more_episodes_are_shown_than_can_be_read(run: RunLogger, shown, monkeypatch) -> None:
    for _ in range(EPISODE_BURST + 50):
        run.episode(EPISODE)
    assert EPISODE_BURST <= len(shown) < EPISODE_BURST + 50
    run.flush()
    assert len((run.run_dir / "episodes.csv").read_text().splitlines()) == 1 + EPISODE_BURST + 50


def test_a_game_without_columns_of_its_own_has_a_shorter_line() -> None:
    record = EPISODE._replace(facts={}, savestate_tag=None, return_env=0.02134, return_total=0.0)
    assert episode_line(record) == "[EP 1342 env=7] len=642  R_env=0.0213  R_total=0.0  savestate_tag=new_game"


def test_the_log_line_holds_all_that_the_spec_asks() -> None:
    assert log_line(**LOG) == (
        "[STEP 1250000/5000000] SPS=1402  epsilon=0.087  len=642.2  r_env=23.5  r_total=31.8"
        "  env=0.0366  rnd=0.0102  novel=0.0011  bayes=0.0007  episodes=1342  num_envs=64"
        "  spawn=early:0.50/mid:0.30/late:0.20"
    )
    assert "epsilon" not in log_line(**LOG | {"epsilon": None})


def test_the_columns_of_episodes_csv_are_those_of_the_spec(run: RunLogger) -> None:
    run.episode(EPISODE)
    run.episode(EPISODE._replace(savestate_tag=None, facts={"badges": None, "map": "a,b\nc"}))
    run.flush()
    text = (run.run_dir / "episodes.csv").read_text()
    assert text.splitlines()[0] == (
        "episode_id,env_id,length_steps,return_env,return_total,return_rnd,return_novel,return_bayes,"
        "milestones_reached,posterior_summary,alarm_triggered,savestate_tag,badges,map,"
        "start_step_global,end_step_global"
    )
    first, second = csv.DictReader(text.splitlines())
    assert first["return_rnd"] == "0.30000000000000004"
    assert first["return_novel"] == "0.10000000149011612"
    assert json.loads(first["posterior_summary"])["Boulder"]["mean"] == 9 / 11
    assert first["milestones_reached"] == "starter|Boulder"
    assert (second["map"], second["badges"], second["savestate_tag"]) == ("a,bc", "", "")


def test_steps_positions_and_progress(run: RunLogger) -> None:
    flags = np.array([True, False, True])
    run.steps([StepRecord(64, 1, 7, 0.5, 0.0, 0.25, 0.0, 0.5125, flags, {"map_id": 54}, 0.75, -0.25)] * 2)
    run.positions([PositionRecord(64, 7, 1, {"map_id": 54, "y": 3, "x": 4, "badges": 2}, 0.5)])
    run.progress([ProgressRecord("Boulder", 9.0, 2.0, 0.5, 0.0)])
    run.progress([ProgressRecord("Boulder", 3.0, 1.0, 0.75, -0.25)])
    run.flush()
    assert (run.run_dir / "steps.csv").read_text().splitlines() == [
        "step_global,episode_id,env_id,r_env,r_rnd,r_novel,r_bayes,r_total,milestone_flags,map_id,posterior_m,alarm_score",
        *["64,1,7,0.5,0.0,0.25,0.0,0.5125,101,54,0.75,-0.25"] * 2,
    ]
    assert (run.run_dir / "positions.csv").read_text().splitlines() == [
        "step_global,env_id,episode_id,map_id,y,x,badges,reward",
        "64,7,1,54,3,4,2,0.5",
    ]
    assert (run.run_dir / "progress.csv").read_text() == (
        "milestone,alpha,beta,mean,alarm_score\nBoulder,3.0,1.0,0.75,-0.25\n"
    )


def test_metrics_hold_no_time_and_timing_does(run: RunLogger) -> None:
    run.metrics(128, {"loss": np.float32(0.1), "bad": float("nan"), "episodes": 3})
    run.timing(128, {"sps": 1400.5})
    run.flush()
    text = (run.run_dir / "metrics.jsonl").read_text()
    assert text == '{"step": 128, "loss": 0.10000000149011612, "bad": null, "episodes": 3}\n'
    (timing,) = read_jsonl(run.run_dir / "timing.jsonl")
    assert timing["sps"] == 1400.5
    assert timing["time"] > 1e9


def test_control_characters_move_no_cursor(run: RunLogger, shown: list[tuple[str, str]]) -> None:
    evil = "\x1b[2Jmap\r\n\x9b\x07‮name\ud800é"
    assert clean_text(evil) == "[2Jmapnameé"
    run.episode(EPISODE._replace(facts={"badges": 0, "map": evil}))
    run.message(evil)
    run.flush()
    everything = "".join(text for _, text in shown) + (run.run_dir / "train.log").read_text()
    assert not set("\x1b\r\x9b\x07") & set(everything)


# -- lines, python's logging -----------------------------------------------------------------------------------------
def test_messages_warnings_and_exceptions_reach_the_log_and_the_screen(
    run: RunLogger, shown: list[tuple[str, str]]
) -> None:
    run.message("checkpoint saved")
    logging.getLogger("training.checkpoint").info("fell back")
    logging.getLogger("matplotlib").info("noise")
    warnings.warn("careful", UserWarning, stacklevel=1)
    try:
        raise ZeroDivisionError("of that")
    except ZeroDivisionError:
        logging.getLogger("curriculum").exception("oops")
    run.line(**LOG)
    run.flush()
    log = (run.run_dir / "train.log").read_text()
    assert [kind for kind, _ in shown] == ["message", "message", "warning", "warning", "log"]
    assert shown[3] == ("warning", "oops (ZeroDivisionError: of that)")
    assert "Traceback" in log
    assert "careful" in log
    assert "[STEP 1250000/5000000]" in log
    assert "noise" not in log


def test_a_crash_is_in_the_log_and_logging_is_let_go(tmp_path: Path) -> None:
    handlers = list(logging.getLogger().handlers)

    def crash() -> None:
        with RunLogger(tmp_path, lambda kind, text: None):
            raise KeyError("what went wrong")

    with pytest.raises(KeyError):
        crash()
    assert "what went wrong" in (tmp_path / "train.log").read_text()
    assert logging.getLogger().handlers == handlers


def test_nothing_is_made_before_the_first_line(run: RunLogger) -> None:
    run.flush()
    assert not run.run_dir.exists()


# -- resume --------------------------------------------------------------------------------------------------------
def write(run: RunLogger, start: int, end: int) -> None:
    for i in range(start, end):
        run.metrics(i, {"loss": i / 7})
        run.timing(i, {"sps": 1.0})
        run.episode(EPISODE._replace(episode_id=i))
        run.progress([ProgressRecord("m", i, 1, 0.5, 0.0)])
    run.flush()


def contents(run_dir: Path) -> dict[str, bytes]:
    return {name: (run_dir / name).read_bytes() for name in ("metrics.jsonl", "episodes.csv", "progress.csv")}


def test_a_resumed_run_leaves_the_same_bytes(tmp_path: Path) -> None:
    whole = resume(tmp_path / "whole", {})
    write(whole, 0, 20)
    whole.close()

    first = resume(tmp_path / "broken", {})
    write(first, 0, 10)
    state = json.loads(json.dumps(first.state_dict()))
    write(first, 10, 15)  # after the checkpoint, so it will not have been
    first.message("just before the crash")
    first.close()
    second = resume(tmp_path / "broken", state)
    cut = contents(tmp_path / "broken")
    assert cut["metrics.jsonl"].count(b"\n") == 10
    assert b"m,9," in cut["progress.csv"]
    write(second, 10, 20)
    second.close()
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert len(read_jsonl(tmp_path / "broken" / "timing.jsonl")) == 20
    assert "just before the crash" in (tmp_path / "broken" / "train.log").read_text()


def test_a_resume_without_a_checkpoint_begins_anew(tmp_path: Path) -> None:
    for _ in range(2):
        run = resume(tmp_path, {})
        write(run, 0, 3)
        run.close()
    assert len(read_jsonl(tmp_path / "metrics.jsonl")) == 3
    assert (tmp_path / "episodes.csv").read_text().count("episode_id") == 1


def test_a_file_shorter_than_its_checkpoint_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = resume(tmp_path, {})
    write(first, 0, 3)
    state = first.state_dict()
    first.close()
    os.truncate(tmp_path / "metrics.jsonl", 10)
    with RunLogger(tmp_path) as second:
        second.load_state_dict(state)
    assert "metrics.jsonl lacks" in capsys.readouterr().err


def test_a_line_torn_at_any_byte_is_passed_over_and_then_mended(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": i, "loss": i / 7, "text": "é"} for i in range(6)]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for length in range(len(data) - 200, len(data) + 1):
        path.write_bytes(data[:length])
        assert read_jsonl(path) == rows[: data[:length].count(b"\n")]
    path.write_bytes(data.replace(b'"step": 2', b'"st'))
    with pytest.raises(ValueError, match="line 3 is damaged"):
        read_jsonl(path)
    (tmp_path / "train.log").write_bytes(b"a torn li")
    with RunLogger(tmp_path, lambda kind, text: None) as run:
        run.message("next")
    assert (tmp_path / "train.log").read_text().splitlines()[1].endswith("INFO next")


# -- full disks ----------------------------------------------------------------------------------------------------
def test_a_full_disk_costs_a_warning_a_minute_and_no_whole_line(
    run: RunLogger, shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, 0, 2)
    shown.clear()
    before = (run.run_dir / "metrics.jsonl").read_bytes()
    real = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) > 4:
            return real(descriptor, data[:4])  # some bytes get through first
        raise OSError(errno.ENOSPC, "No space left on device")

    clock = [1000.0]
    monkeypatch.setattr("training.telemetry.logger.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(text_file.os, "write", full)
    for _ in range(5):
        run.metrics(2, {"loss": 1.0})
    warned = [text for kind, text in shown if kind == "warning"]
    assert warned == ["cannot write metrics.jsonl: No space left on device; training goes on without it"]
    clock[0] += 61
    run.metrics(2, {"loss": 1.0})
    assert len([text for kind, text in shown if kind == "warning"]) == 2
    assert (run.run_dir / "metrics.jsonl").read_bytes() == before  # nothing torn
    monkeypatch.setattr(text_file.os, "write", real)
    run.metrics(3, {"loss": 1.0})
    assert len(read_jsonl(run.run_dir / "metrics.jsonl")) == 2 + 6 + 1  # those that waited came through


def test_what_waits_for_a_full_disk_is_bounded(run: RunLogger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(text_file.os, "write", full)
    monkeypatch.setattr(text_file, "MAX_PENDING_BYTES", 10_000)
    for _ in range(3000):
        run.metrics(1, {"loss": 1.0})
    assert run.files["metrics.jsonl"].pending_bytes <= 10_000 + 100


def test_an_unwritable_folder_or_a_closed_pipe_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def broken(kind: str, text: str) -> None:
        raise BrokenPipeError

    with RunLogger(tmp_path / "file" / "run", broken) as run:
        write(run, 0, 2)
        run.state_dict()
        run.load_state_dict({})


# -- TensorBoard -----------------------------------------------------------------------------------------------------
def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_has_known_names_and_forgets_what_the_checkpoint_did_not_see(tmp_path: Path) -> None:
    def session(state: dict[str, Any], steps: range, value: float) -> dict[str, Any]:
        with RunLogger(tmp_path, lambda kind, text: None) as run:
            run.load_state_dict(state)
            for step in steps:
                run.metrics(step, {"episode/return_env": value, "learner/loss": 0.5})
                run.timing(step, {"sps/total": 99.0})
                if step == 2:
                    state = run.state_dict()
        return state

    state = session({}, range(5), 1.0)
    session(state, range(3, 6), 2.0)
    seen = scalars(tmp_path / "tensorboard")
    assert seen["rollout/ep_rew_mean"] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0)]
    assert seen["episode/return_env"] == seen["rollout/ep_rew_mean"]
    assert seen["train/loss"][0] == (0, 0.5)
    assert seen["time/fps"][0] == (0, 99.0)


def test_a_broken_tensorboard_is_given_up_with_a_warning(
    run: RunLogger, shown: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def add_scalar(self, *args: Any) -> None:
            raise RuntimeError("writer thread died")

        def close(self) -> None:
            raise RuntimeError

    run.scalars.enabled, run.scalars.writer = True, Broken()
    run.metrics(1, {"loss": 1.0})
    run.metrics(2, {"loss": 1.0})
    assert [text for _, text in shown] == ["no more TensorBoard in this run: writer thread died"]
    assert len(read_jsonl(run.run_dir / "metrics.jsonl")) == 2
