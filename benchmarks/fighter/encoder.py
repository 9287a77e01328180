"""Whether a fighter goes by what its opponent did before: ``python -m benchmarks.fighter.encoder RUN``.

Its network is shown the opponent's present step as it is, and the steps before it as they were (``intact``), in an
order drawn anew for each decision (``shuffled``), of another match (``another``) or as the present one (``none``). A
policy to which they matter wins less where they are wrong.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from puffer_envs.contract.vector_env import LEARNER, VectorEnv
from training import evaluate
from training.common.acting import Seen
from training.on_policy.runner import ActorCriticPlayer
from training.run.preflight import UserError
from training.store.checkpoint import CheckpointError

CPU = torch.device("cpu")
WAYS = ("intact", "shuffled", "another", "none")


def disturbed(given: Tensor, way: str, generator: torch.Generator) -> Tensor:
    """Histories [N, H, F], the latest last, with those before it disturbed; rows 2 i and 2 i + 1 are of one match."""
    former, present = given[:, :-1], given[:, -1:]
    if way == "shuffled":
        order = torch.rand(former.shape[:2], generator=generator).argsort(1)
        former = former.gather(1, order[..., None].expand_as(former))
    elif way == "another":
        former = former.roll(2, 0)
    elif way == "none":
        former = present.expand_as(former)
    return torch.cat([former, present], 1)


class Disturbed(ActorCriticPlayer):
    """Is shown wrong histories, in one of `WAYS`."""

    def __init__(self, policy: Any, way: str, env: VectorEnv, seed: int) -> None:
        super().__init__(env, policy, False, seed, CPU)
        self.way = way

    def choose(self, seen: Seen) -> np.ndarray:
        return super().choose(seen._replace(given=disturbed(seen.given, self.way, self.generator)))


def main() -> None:
    """Parse, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--checkpoint", default="newest")
    parser.add_argument("--opponent", default="based", help="as of `python -m training.evaluate`")
    parser.add_argument("--episodes", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.runs_dir / args.run
    try:
        config = evaluate.load_settings(folder, [], parser)
        policy, _, step = evaluate.load_policy(config, evaluate.find_checkpoint(folder, args.checkpoint, config))
        seat, rival = evaluate.opponent(args.opponent, config, args.runs_dir, False, CPU)
    except (UserError, CheckpointError) as error:
        parser.error(str(error))
    for way in WAYS:
        play = evaluate.both(partial(Disturbed, policy, way), rival)
        played = evaluate.play_test(play, config, {}, args.episodes, seats=(LEARNER, seat))
        won = sum(bool(episode.summary["won"]) for episode, _ in played)
        row = {"run": args.run, "step": step, "opponent": args.opponent, "history": way, "episodes": len(played)}
        row |= {"won": won / len(played), "won_95": round(evaluate.wilson(won, len(played)), 3)}
        print(json.dumps(row | {"return": round(float(np.mean([result for _, result in played])), 2)}), flush=True)


if __name__ == "__main__":
    main()
