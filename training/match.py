"""Let trained runs of a game of two play each other: who beats whom, and how good that makes each.

    python -m training.match RUN1 RUN2:STEP based

A player is a run, with its newest checkpoint or that of a step, or a player by rule that the game has.
"""

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import LEARNER
from puffer_envs.workers.supervision import WorkerError
from training.common.ledger import score
from training.evaluate import PARALLEL, PIPE_WIDTH, MakePlayer, both, load_settings, opponent, wilson
from training.evaluation.episodes import evaluation_seed, play_episodes
from training.run import cli, machine
from training.run.config import RunConfig
from training.run.environments import make_evaluation_env
from training.run.preflight import UserError, pick_device
from training.selfplay import elo
from training.store import checkpoint

CALL = "python -m training.match"
MATCHES = 3  # stream of seeds beside that of `evaluate`
PRIOR = 1.0  # draws that each pair is given before it has played, so that no rating is infinite


class Competitor(NamedTuple):
    """Who takes part, as `evaluate.opponent` finds it."""

    name: str
    seat: int  # of the second agent where it plays that
    play: MakePlayer | None  # None: the game plays it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, or 2 for a mistake in the call."""
    args, settings = _parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        if len(args.players) < 2:
            raise UserError("a match takes two players or more, each a run or a player by rule")
        config = _settings(args, settings)
        device = pick_device(config.device)
        competitors = [
            Competitor(name, *opponent(name, config, args.runs_dir, args.likeliest, device)) for name in args.players
        ]
        scores = play_all(competitors, config, args.matches)
    except (UserError, WorkerError, checkpoint.CheckpointError, OSError) as error:
        return cli.fail(UserError(str(error)))
    print_scores([each.name for each in competitors], scores, args.matches, args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=CALL, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("players", nargs="+", metavar="PLAYER", help="RUN, RUN:STEP, RUN:best or a player by rule")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--matches", type=int, default=32, help="of each two players; default: 32")
    parser.add_argument("--likeliest", action="store_true", help="always the likeliest action, none is drawn")
    parser.add_argument("--json", action="store_true", help="one JSON object for each two players")
    return parser


# -- who plays -------------------------------------------------------------------------------------------------------
def _settings(args: argparse.Namespace, flags: Sequence[str]) -> RunConfig:
    """Those of the first run, with what the command line says."""
    runs = [name for name in args.players if (args.runs_dir / name.split(":")[0]).is_dir()]
    if not runs:
        raise UserError(f"none of {', '.join(args.players)} is a run in {args.runs_dir}")
    config = load_settings(args.runs_dir / runs[0].split(":")[0], flags, _parser())
    machine.prepare(1 if config.torch_threads == "auto" else config.torch_threads)
    return config


# -- playing ---------------------------------------------------------------------------------------------------------
def play_all(competitors: Sequence[Competitor], config: RunConfig, matches: int) -> np.ndarray:
    """Points of each against each, float64 [C, C]: 1 for a win, half of it for a draw; NaN where none was played."""
    scores = np.full((len(competitors), len(competitors)), np.nan)
    for i, j in itertools.combinations(range(len(competitors)), 2):
        one, other = competitors[i], competitors[j]
        if one.play is None and other.play is None:
            continue  # the game has no two players by rule at once
        both = one.play is not None and other.play is not None
        first = matches // 2 if both else matches if one.play is not None else 0  # that `one` plays as first agent
        scores[i, j] = points(one, other, config, first, 2 * i) + (matches - first)
        scores[i, j] -= points(other, one, config, matches - first, 2 * i + 1)
        scores[j, i] = matches - scores[i, j]
    return scores


def points(first: Competitor, second: Competitor, config: RunConfig, matches: int, stream: int) -> float:
    """Of the first one in some matches."""
    if not matches:
        return 0.0
    game, total, played = env_registry.resolve(config.env), 0.0, 0
    env = make_evaluation_env(config, {}, min(matches, PARALLEL))
    assert first.play is not None
    play = both(first.play, second.play)
    try:
        while played < matches:
            seed = evaluation_seed(MATCHES + stream, played, config.seed)
            seats = (LEARNER, second.seat)
            result = play_episodes(play, env, config.evaluation.max_steps, seed, seats=seats)
            if result is None:
                raise UserError("no match was played to its end")
            episodes = result.episodes[: matches - played]
            total += sum(score(episode, game.outcome) for episode in episodes)
            played += len(episodes)
    finally:
        env.close()
    return total


def ratings(scores: np.ndarray, matches: int) -> np.ndarray:
    """The Elo ratings under which these points are likeliest (Bradley and Terry 1952), mean `elo.START`; float64 [C].

    By Newton's steps on the log-likelihood, which is concave; `PRIOR` draws a pair keep it bounded.
    """
    played = np.where(np.isnan(scores), 0.0, matches) + PRIOR
    won = np.where(np.isnan(scores), 0.0, scores) + PRIOR / 2
    np.fill_diagonal(played, 0.0)
    np.fill_diagonal(won, 0.0)
    strength = np.zeros(len(scores))
    for _ in range(100):
        expected = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
        slope = (won - played * expected).sum(1)
        weights = played * expected * (1 - expected)
        curvature = np.diag(weights.sum(1)) - weights
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]  # one direction is free: that of all together
        strength += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return elo.START + (strength - strength.mean()) * 400 / math.log(10)


# -- output ----------------------------------------------------------------------------------------------------------
def print_scores(names: Sequence[str], scores: np.ndarray, matches: int, as_json: bool) -> None:
    """A table for people, or rows for machines."""
    rated = ratings(scores, matches)
    if as_json:
        for i, j in itertools.combinations(range(len(names)), 2):
            if not np.isnan(scores[i, j]):
                print(json.dumps(_row(names, scores, rated, matches, i, j)))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=f"points in {matches} matches each, with 95% intervals")
    for heading in ("", "Elo", *names):
        table.add_column(heading, justify="left" if not heading else "right")
    for i in np.argsort(-rated).tolist():
        cells = ["" if np.isnan(scores[i, j]) else _cell(scores[i, j], matches) for j in range(len(names))]
        table.add_row(names[i], f"{rated[i]:.0f}", *cells)
    console = Console()
    console.width = max(console.width, PIPE_WIDTH) if not console.is_terminal else console.width
    console.print(table)


def _cell(points: float, matches: int) -> str:
    return f"{points / matches:.0%} +- {wilson(points, matches):.0%}"


def _row(names: Sequence[str], scores: np.ndarray, rated: np.ndarray, matches: int, i: int, j: int) -> dict[str, Any]:
    return {
        "first": names[i],
        "second": names[j],
        "matches": matches,
        "score": float(scores[i, j] / matches),
        "score_95": wilson(float(scores[i, j]), matches),
        "elo_first": float(rated[i]),
        "elo_second": float(rated[j]),
    }


if __name__ == "__main__":
    sys.exit(main())
