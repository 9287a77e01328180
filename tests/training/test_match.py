"""A game of two, trained against a league by the command, evaluated against whom one likes, and runs against runs."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import torch

import train_big
from puffer_envs import registry
from puffer_envs.contract.vector_env import GUEST, LEARNER
from training import evaluate, match
from training.run import evaluator
from training.run.preflight import UserError
from training.selfplay import elo
from training.selfplay.pool import snapshots_of
from training.store import checkpoint
from training.telemetry.records import read_jsonl

SIZE = ["--num-envs", "16", "--model-size", "slim", "--torch-threads", "1", "--evaluation.episodes", "8"]
TIMES = ["--log-interval", "2048", "--save-interval", "4096", "--evaluation.interval", "4096"]
LEAGUE = ["--selfplay.snapshot-interval", "1024", "--selfplay.scripts", "perfect", "0.2", "constant", "0.1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder of a run of four checkpoints, and of a shorter one."""
    folder = tmp_path_factory.mktemp("runs")
    where = ["--runs-dir", str(folder), "--savestates-dir", str(folder / "savestates")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.TABLE, "duel", "tests.duel:GAME")
        for name, steps in (("long", "16384"), ("short", "4096")):
            flags = ["--env", "duel", "--run-name", name, *where, *SIZE, *TIMES, *LEAGUE, "--total-steps", steps]
            assert train_big.main(flags) == 0
        yield folder


def rows(path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_a_league_runs_by_the_command(runs):
    folder = runs / "long"
    lines = read_jsonl(folder / "metrics.jsonl")
    figures = [line for line in lines if "league/rating" in line][-1]
    assert figures["league/snapshots"] >= 15
    assert {"league/score/perfect", "league/score/constant", "league/score/snapshots"} <= figures.keys()
    assert figures["league/score/perfect"] < 0.5
    evaluated = [line for line in lines if "eval/won" in line]
    assert len(evaluated) == 4
    assert "eval/oldest/won" in evaluated[-1]
    kept = checkpoint.load(checkpoint.latest_valid(folder / "checkpoints"), "cpu")
    snapshots = kept.parts["opponents"]["pool"]["snapshots"]
    assert {f"{name}.pt" for name in snapshots} == kept.files.keys()


def test_its_own_files_are_filled(runs):
    folder = runs / "long"
    episodes = rows(folder / "monitor.csv")
    assert len(episodes) == len(rows(folder / "episodes.csv")) > 100
    assert {row["l"] for row in episodes} == {"8"}
    times = [float(row["t"]) for row in episodes]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1]
    returns = [float(row["r"]) for row in episodes]
    assert returns == pytest.approx([float(row["return_total"]) for row in rows(folder / "episodes.csv")])
    terms = rows(folder / "terms.csv")
    assert [int(row["step"]) for row in terms] == list(range(2048, 16385, 2048))
    assert all(0 < float(row["matches"]) < 0.25 for row in terms)
    results = rows(folder / "results.csv")
    assert [int(row["timestep"]) for row in results] == [4096, 8192, 12288, 16384]
    assert all(0 <= float(row["win_rate"]) <= 1 and float(row["sec"]) > 0 for row in results)


def test_a_run_is_evaluated_against_whom_one_likes(runs, capsys):
    shares = {}
    for opponent in ("perfect", "constant", "short", "long:8192"):
        call = [
            "--run",
            "long",
            "--runs-dir",
            str(runs),
            "--episodes",
            "64",
            "--json",
            "--opponent",
            opponent,
            "--drawn",
        ]
        assert evaluate.main(call) == 0
        (told,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert (told["test"], told["episodes"]) == (opponent, 64)
        shares[opponent] = told["won"]
    assert shares["perfect"] < 0.3 < shares["constant"]


def test_a_snapshot_of_the_league_is_found_by_its_round_number(runs):
    """As checkpoints go, but for the newest, and nothing else could say what a run has learned meanwhile."""
    run = runs / "long"
    config = evaluate.load_settings(run, [], evaluate._parser())
    snapshot = snapshots_of(run)
    first = min(snapshot)
    for which in (first, first - 1, first - 31):  # there are 32 rows
        path = evaluate.find_checkpoint(run, str(which), config)
        policy, _, step = evaluate.load_policy(config, path)
        assert (path, step) == (snapshot[first], first)
        kept = torch.load(path, weights_only=True)
        assert all(torch.equal(weight, kept[name]) for name, weight in policy.state_dict().items())
    for which in (first + 1, first - 32):
        with pytest.raises(UserError, match=f"has no checkpoint '{which}': there are {first}, "):
            evaluate.find_checkpoint(run, str(which), config)


@pytest.mark.parametrize(
    ("opponent", "words"),
    [
        ("nobody", "'nobody' is no run in .*, and no player by rule, which are perfect, constant"),
        ("short:17", "has no checkpoint '17'"),
        ("short:worst", "newest, best or a step, not 'worst'"),
    ],
)
def test_mistakes_are_one_sentence(runs, capsys, opponent, words):
    assert evaluate.main(["--run", "long", "--runs-dir", str(runs), "--opponent", opponent]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(words, error)
    assert match.main(["long", opponent, "--runs-dir", str(runs)]) == 2
    assert re.search(words, capsys.readouterr().err)


def test_runs_play_each_other(runs, capsys):
    call = ["long", "short", "perfect", "constant", "--runs-dir", str(runs), "--matches", "32", "--json"]
    assert match.main(call) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pairs = {(row["first"], row["second"]): row for row in told}
    assert set(pairs) == {
        *(("long", "short"), ("long", "perfect"), ("long", "constant")),
        *(("short", "perfect"), ("short", "constant")),  # the two players by rule never meet
    }
    assert pairs["long", "perfect"]["score"] < 0.3 < pairs["long", "constant"]["score"]
    ratings = {row["first"]: row["elo_first"] for row in told} | {row["second"]: row["elo_second"] for row in told}
    assert max(ratings, key=ratings.__getitem__) == "perfect"
    assert match.main([*call[:2], "--runs-dir", str(runs), "--matches", "4"]) == 0
    assert "Elo" in capsys.readouterr().out
    assert match.main(["long", "--runs-dir", str(runs)]) == 2


def test_points_are_of_whoever_plays_where(runs):
    """A run against itself at another step, as first and as second agent: what one wins the other loses."""
    config = match._settings(match._parser().parse_args(["long", "constant", "--runs-dir", str(runs)]), [])
    players = [
        match.Competitor(name, *evaluate.opponent(name, config, runs, False, match.pick_device("cpu")))
        for name in ("perfect", "long")
    ]
    scores = match.play_all(players, config, 16)
    assert scores[0, 1] + scores[1, 0] == 16
    assert scores[0, 1] > 10  # perfect is first in the list, and can only be the second agent


def test_ratings_by_hand():
    # Ten wins to one are 400 points, whatever the number; with a draw that each pair is given, 20.5 of 22.
    scores = np.array([[np.nan, 20.0], [1.0, np.nan]])
    wanted = 400 * np.log10(20.5 / 1.5)
    assert np.diff(match.ratings(scores, 21))[0] == pytest.approx(-wanted)
    assert match.ratings(scores, 21).mean() == pytest.approx(elo.START)
    # A circle of equals, and one who was never met
    circle = np.array([[np.nan, 3, 1, np.nan], [1, np.nan, 3, np.nan], [3, 1, np.nan, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(match.ratings(circle, 4), elo.START, atol=1e-6)


def test_a_resumed_run_meets_its_old_snapshots(runs, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(runs / "short", folder / "short")
    shutil.rmtree(folder / "short" / "league")  # a checkpoint has its own
    where = ["--runs-dir", str(folder), "--savestates-dir", str(folder / "savestates")]
    assert train_big.main(["--run-name", "short", "--resume", "--total-steps", "6144", *where]) == 0
    kept = checkpoint.load(checkpoint.latest_valid(folder / "short" / "checkpoints"), "cpu")
    before = checkpoint.load(checkpoint.latest_valid(runs / "short" / "checkpoints"), "cpu")
    old, new = (each.parts["opponents"]["pool"]["snapshots"] for each in (before, kept))
    assert new[: len(old)] == old
    assert len(new) == len(old) + 2
    assert {f"{name}.pt" for name in new} == {path.name for path in (folder / "short" / "league").iterdir()}


def test_the_seats_of_a_rivals_matches_stay_in_environments_of_their_own(runs, tmp_path, monkeypatch):
    """An environment keeps its seats until they are set anew, and those of evaluations are kept between them."""
    seated, played = {}, evaluator.play_episodes

    def watched(make_player, env, *args, seats=(), **options):
        seated.setdefault(id(env), set()).add(tuple(seats))
        return played(make_player, env, *args, seats=seats, **options)

    monkeypatch.setattr(evaluator, "play_episodes", watched)
    where = ["--runs-dir", str(tmp_path), "--savestates-dir", str(tmp_path / "savestates")]
    flags = ["--env", "duel", "--run-name", "seats", *where, *SIZE, *TIMES, *LEAGUE, "--total-steps", "8192"]
    assert train_big.main(flags) == 0
    assert sorted(seated.values(), key=str) == [{()}, {(LEARNER, GUEST)}]
