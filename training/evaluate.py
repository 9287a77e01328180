"""Let a trained run play, in its own game or in one of other settings, and say how it did.

    python -m training.evaluate --run NAME --episodes 4 --video

Each test is played twice, with actions that are drawn from the policy (of a Q-network the best ones but for a share of
random ones) and with the likeliest ones. Films and worlds are of the former unless `--likeliest` says otherwise.

Every setting of the run can be given anew: --env.*, --seed, --device, --num-workers. A game that has test sets is
played on each of them, unless the settings of the game say what is to be played.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from policies import registry as policy_registry
from policies.protocol import Network
from puffer_envs import registry as env_registry
from puffer_envs.contract.game import Game
from puffer_envs.contract.records import Episode
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.state_file import write_atomically
from puffer_envs.contract.vector_env import GUEST, LEARNER, VectorEnv
from puffer_envs.workers.supervision import WorkerError
from training.common import texts
from training.common.acting import Against, Player
from training.common.ledger import facts
from training.evaluation.episodes import evaluation_seed, frames_of_episode, play_episodes
from training.evaluation.video import VideoError, write_video
from training.off_policy.dqn import QPlayer
from training.off_policy.sac import SoftPlayer
from training.on_policy.runner import ActorCriticPlayer
from training.run import cli, machine
from training.run.config import RunConfig
from training.run.environments import by_single_frames, make_evaluation_env
from training.run.preflight import UserError, pick_device
from training.selfplay.pool import snapshots_of, step_of
from training.store import checkpoint

PARALLEL = 16  # environments that play at the same time
PIPE_WIDTH = 160  # columns of a table that goes to no terminal
CALL = "python -m training.evaluate"
COMMAND = 2  # stream of seeds beside those of `run.py`
DRAWN, LIKELIEST = "drawn", "likeliest"  # how actions are chosen
IN_THE_RUN = Path("-")  # stands for a video of no name

Played = tuple[Episode, float]  # and its return
MakePlayer = Callable[[VectorEnv, int], Player]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, or 2 for a mistake in the call."""
    parser = _parser()
    args, settings = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        config = load_settings(args.runs_dir / args.run, settings, parser)
        device = pick_device(config.device)
        machine.prepare(1 if config.torch_threads == "auto" else config.torch_threads)
        path = find_checkpoint(args.runs_dir / args.run, args.checkpoint, config)
        game = env_registry.resolve(config.env)
        episodes = config.evaluation.episodes if args.episodes is None else args.episodes
        tests = game.evaluation_sets(config.game, given(settings))
        if args.opponent:
            tests = {args.opponent: {}}
        players = {way: players_of(config, path, args, way == LIKELIEST, device) for way in ways(args)}
        shown, seats = next(iter(players.values()))
        if args.video:
            stem = args.runs_dir / args.run / "videos" / "evaluation" if args.video == IN_THE_RUN else args.video
            film(shown, config, next(iter(tests.values())), stem, seats)
        rows, worlds = [], []
        for name, test in tests.items():
            for way, (play, seats) in players.items():
                begin = time.perf_counter()
                games = play_test(play, config, test, episodes, worlds=args.out is not None, seats=seats)
                head = {"test": name, "actions": way}
                rows += rows_of(head, game, games, (time.perf_counter() - begin) / len(games))
                worlds += [episode for episode, _ in games if play is shown]
        if args.out:
            export(game, worlds, args.out)
    except (UserError, VideoError, WorkerError, checkpoint.CheckpointError, OSError) as error:
        return cli.fail(UserError(str(error)))
    print_rows(rows, args.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=CALL,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_flags(parser)
    parser.add_argument("--episodes", type=int, help="of each test; default: as many as the run's own evaluations")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--drawn", action="store_true", help="only with actions that are drawn")
    how.add_argument("--likeliest", action="store_true", help="only with the likeliest actions")
    who = "who plays the second agent in games of two: a player by rule of the game, RUN or RUN:STEP"
    parser.add_argument("--opponent", metavar="PLAYER", help=who)
    what = "film an episode: STEM.mp4 and STEM.gif; default: among the videos of the run"
    parser.add_argument("--video", nargs="?", type=Path, const=IN_THE_RUN, metavar="STEM", help=what)
    parser.add_argument("--out", type=Path, metavar="FILE", help="last worlds as JSON lines, of games that export them")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Which run, and what of it."""
    parser.add_argument("--run", required=True, help="name of a run")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--checkpoint", default="newest", help="newest, best or a step; default: newest")


# -- what plays ------------------------------------------------------------------------------------------------------
def load_settings(folder: Path, settings: Sequence[str], parser: argparse.ArgumentParser) -> RunConfig:
    """The settings that a run wrote down, with those of the command line that ``parser`` left in place of its own."""
    file = folder / "config.toml"
    if not file.is_file():
        raise UserError(f"there is no run in {folder}: it has no config.toml")
    saved = cli.read(file)
    saved.pop("batch_size", None)  # it belongs to the number of rows
    own = [flag for action in parser._actions for flag in action.option_strings]
    return cli.parse(settings, (saved, file), parser.prog, own)


def given(flags: Sequence[str]) -> set[str]:
    """Names of the game's settings among flags of the command line."""
    ours = (flag.split("=")[0].removeprefix("--env.") for flag in flags if flag.startswith("--env."))
    return {name.replace("-", "_") for name in ours}


def find_checkpoint(run: Path, which: str, config: RunConfig) -> Path:
    """A checkpoint of the run in a folder, newest, best or of a step; of a step it may be a snapshot for the league.

    Both are made by the first decisions past a round number, so that 2000000 finds them, too.
    """
    folder = run / "checkpoints"
    if which.isdigit():
        saved = snapshots_of(run) | {checkpoint.step_of(path): path for path in checkpoint.checkpoints(folder)}
        agents = env_registry.resolve(config.env).spec(config.game).agents_per_env
        end = int(which) + agents * cli.read(run / "config.toml").get("num_envs", config.num_envs)
        path = next((saved[step] for step in sorted(saved) if int(which) <= step < end), None)
        known = f": there are {', '.join(str(step) for step in sorted(saved))}" if saved else ""
    else:
        choose = {"newest": checkpoint.latest_valid, "best": checkpoint.best}.get(which)
        if choose is None:
            raise UserError(f"--checkpoint is newest, best or a step, not '{which}'")
        path, known = choose(folder), ""
    if path is None:
        raise UserError(f"{folder} has no checkpoint '{which}'{known}")
    return path


def load_policy(config: RunConfig, path: Path) -> tuple[Network, EnvSpec, int]:
    """The network that acts with a checkpoint's weights, on the CPU; what its rows are; the checkpoint's step."""
    game = env_registry.resolve(config.env)
    try:
        spec = game.spec(config.game)
        policy = policy_registry.build(game.network, spec.layout, spec.action, config.policy, config.algo)
    except ValueError as error:  # of a file or a setting
        raise UserError(str(error)) from error
    try:
        if path.is_file():
            policy.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
            return policy, spec, step_of(path)
        loaded = checkpoint.load(path, "cpu")
        saved = loaded.parts["learner"]
        policy.load_state_dict(saved["policy"] if config.algo == "ppo" else saved["algorithm"]["acting"])
    except RuntimeError as error:
        raise UserError(
            f"the weights in {path} do not fit these settings: leave the network's and the actions' as the run had them"
        ) from error
    return policy, spec, loaded.step


def load_player(config: RunConfig, path: Path, likeliest: bool, device: torch.device) -> MakePlayer:
    """Who plays with a checkpoint's weights."""
    policy: Any = load_policy(config, path)[0].to(device)
    if config.algo == "ppo":
        return lambda env, seed: ActorCriticPlayer(env, texts.read(policy, env.spec.texts), likeliest, seed, device)
    if config.algo == "sac":
        return lambda env, seed: SoftPlayer(env, policy, likeliest, seed, device)
    return lambda env, seed: QPlayer(env, policy, 0.0 if likeliest else config.evaluation.epsilon, seed, device)


def ways(args: argparse.Namespace) -> list[str]:
    """How actions are chosen."""
    return [way for way, other in ((DRAWN, args.likeliest), (LIKELIEST, args.drawn)) if not other]


def players_of(
    config: RunConfig, path: Path, args: argparse.Namespace, likeliest: bool, device: torch.device
) -> tuple[MakePlayer, Sequence[int]]:
    """Who plays, and the seats of the agents where an opponent was chosen (`VectorEnv.set_next_seats`)."""
    play = load_player(config, path, likeliest, device)
    if not args.opponent:
        return play, ()
    seat, rival = opponent(args.opponent, config, args.runs_dir, likeliest, device)
    return both(play, rival), (LEARNER, seat)


def opponent(
    name: str, config: RunConfig, runs_dir: Path, likeliest: bool, device: torch.device
) -> tuple[int, MakePlayer | None]:
    """The seat of a second agent (`VectorEnv.set_next_seats`), and who plays it; None: the game does.

    Args:
        name: a player by rule of the game, RUN, RUN:STEP or RUN:best; where a run is called as a player, the run.

    Raises:
        UserError: there is no such player or run, or it plays another game.
    """
    spec = env_registry.resolve(config.env).spec(config.game)
    if spec.agents_per_env != 2:
        raise UserError(f"{config.env} is no game of two: it has no opponents")
    run, _, which = name.partition(":")
    folder = runs_dir / run
    if not (folder / "config.toml").is_file():
        if name in spec.scripts:
            return spec.scripts.index(name) + 1, None
        scripts = f", and no player by rule, which are {', '.join(spec.scripts)}" if spec.scripts else ""
        raise UserError(f"'{run}' is no run in {runs_dir}{scripts}")
    theirs = load_settings(folder, (), _parser())
    if theirs.env != config.env:
        raise UserError(f"run '{run}' plays {theirs.env}, and this is {config.env}")
    ours, its = by_single_frames(config)[1], by_single_frames(theirs)[1]
    if ours != its:
        raise UserError(f"run '{run}' decides every {its} frames, and this every {ours}: they cannot play each other")
    return GUEST, load_player(theirs, find_checkpoint(folder, which or "newest", theirs), likeliest, device)


def both(first: MakePlayer, second: MakePlayer | None) -> MakePlayer:
    """The players of a match."""
    if second is None:
        return first
    return lambda env, seed: Against(first(env, seed), second(env, seed + 1))


# -- playing ---------------------------------------------------------------------------------------------------------
def play_test(
    play: MakePlayer,
    config: RunConfig,
    test: Mapping[str, Any],
    count: int,
    worlds: bool = False,
    seats: Sequence[int] = (),
) -> list[Played]:
    """``count`` episodes of a test."""
    played: list[Played] = []
    env = make_evaluation_env(config, test, min(count, PARALLEL))
    try:
        while len(played) < count:
            seed = evaluation_seed(COMMAND, len(played), config.seed)
            result = play_episodes(play, env, config.evaluation.max_steps, seed, worlds=worlds, seats=seats)
            if result is None:
                raise UserError("no episode was played to its end")
            played += zip(result.episodes, result.returns, strict=True)
    finally:
        env.close()
    return played[:count]


def rows_of(head: dict[str, Any], game: Game, played: list[Played], seconds: float) -> list[dict[str, Any]]:
    """A row for a test, and one for each group of its episodes (`Game.group`) where there are several."""
    if not game.group:
        return [row(head, played, game.places) | {"seconds_an_episode": seconds}]
    groups: dict[str, list[Played]] = {}
    for episode, result in played:
        groups.setdefault(episode.summary[game.group], []).append((episode, result))
    rows = [row(head | {game.group: "all"}, played, game.places) | {"seconds_an_episode": seconds}]
    split = sorted(groups) if len(groups) > 1 else []
    return rows + [row(head | {game.group: group}, groups[group], game.places) for group in split]


def row(head: dict[str, Any], played: list[Played], places: Collection[str]) -> dict[str, Any]:
    """What a group of episodes came to, behind what ``head`` says of it; ``places`` as in `Game`."""
    told = [facts(episode, places) for episode, _ in played]
    means: dict[str, float] = {}
    for fact in told[0]:
        values = [each[fact] for each in told]
        means[fact] = float(np.mean(values))
        if isinstance(played[0][0].summary.get(fact), bool):
            means[f"{fact}_95"] = wilson(sum(values), len(values))
    returns = np.array([result for _, result in played])
    head = head | {"episodes": len(played), "return": float(returns.mean())}
    if len(returns) > 1:
        deviation = float(returns.std(ddof=1))
        head |= {"return_95": 1.96 * deviation / math.sqrt(len(returns)), "return_std": deviation}
    return head | means | {"length": float(np.mean([episode.length for episode, _ in played]))}


def wilson(successes: float, trials: int, z: float = 1.96) -> float:
    """Half width of Wilson's 95% interval of a share, which holds for few trials and for shares of 0 and 1."""
    share = successes / trials
    return z * math.sqrt(share * (1 - share) / trials + (z / trials) ** 2 / 4) / (1 + z * z / trials)


def export(game: Game, episodes: list[Episode], path: Path) -> None:
    """Write the last worlds of episodes, one JSON object a line."""
    if game.export is None:
        raise UserError(f"{game.name} has no worlds to export: leave --out away")
    lines = [json.dumps(game.export(episode.world)) for episode in episodes if episode.world is not None]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def film(play: MakePlayer, config: RunConfig, test: Mapping[str, Any], stem: Path, seats: Sequence[int] = ()) -> None:
    """Write a video of one episode."""
    settings, frame_skip = by_single_frames(config)
    env = make_evaluation_env(config, {**test, **settings}, 1)
    seed = evaluation_seed(COMMAND, 0, config.seed)
    try:
        print(write_video(frames_of_episode(play, env, 0, seed, seats, frame_skip), stem))
    finally:
        env.close()


# -- output ----------------------------------------------------------------------------------------------------------
def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """A table for people, or rows for machines."""
    if as_json:
        for each in rows:
            print(json.dumps(each))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, value in rows[0].items():
        left = isinstance(value, str)
        table.add_column(column.replace("seconds_an_episode", "s each"), justify="left" if left else "right")
    for each in rows:
        cells = (each.get(column, "") for column in rows[0])
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells))
    console = Console()
    console.width = max(console.width, PIPE_WIDTH) if not console.is_terminal else console.width
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
