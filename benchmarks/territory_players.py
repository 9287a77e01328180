"""How hard territory is: players by rule against its bots, `python -m benchmarks.territory_players --json`.

Patient players draw any order, but wait in a given share of their decisions. Players with a threshold attack in a drawn
direction with a given share of their troops whenever these are above a given share of what their land feeds.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from puffer_envs import registry
from puffer_envs.contract.records import Episode
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.territory.config import INTENSITIES
from puffer_envs.territory.state import DIRECTIONS, LAYOUT, NUM_ACTIONS, SCALARS

SEED = 3
WAIT = NUM_ACTIONS - 1
PATIENCE = (0.5, 0.8, 0.9, 0.95)
THRESHOLDS = ((0.3, 0), (0.4, 1), (0.5, 1), (0.5, 2), (0.7, 2))  # share of the cap, index of the intensity
Player = Callable[[VectorEnv, np.random.Generator], np.ndarray]  # actions int32 [E]


def patient(waits: float, env: VectorEnv, random: np.random.Generator) -> np.ndarray:
    """Orders in drawn directions that are possible, with drawn intensities."""
    orders = _directions(env, random) * len(INTENSITIES) + random.integers(len(INTENSITIES), size=env.num_envs)
    return np.where(random.random(env.num_envs) < waits, WAIT, orders).astype(np.int32)


def above(threshold: float, intensity: int, env: VectorEnv, random: np.random.Generator) -> np.ndarray:
    """Orders of one intensity where the troops suffice."""
    high, low = LAYOUT.unpack(env.observations, "scalars").astype(np.float64)[:, [0, SCALARS]].T
    orders = _directions(env, random) * len(INTENSITIES) + intensity
    return np.where((256 * high + low) / 65_535 > threshold, orders, WAIT).astype(np.int32)


def _directions(env: VectorEnv, random: np.random.Generator) -> np.ndarray:
    """One of the possible directions for each game, int64 [E]; to wait where there is none."""
    possible = LAYOUT.unpack(env.observations, "directions")[:, :-1] > 0
    drawn = np.where(possible, random.random(possible.shape), -1).argmax(1)
    return np.where(possible.any(1), drawn, DIRECTIONS - 1)


def play(env: VectorEnv, player: Player) -> list[Episode]:
    """The first game of each environment."""
    env.reset(SEED)
    env.keep_episodes(True)
    env.poll_episodes()
    random, done = np.random.default_rng(SEED), {}
    while len(done) < env.num_envs:
        env.step(player(env, random))
        for episode in env.poll_episodes():
            done.setdefault(episode.row, episode)
    return list(done.values())


def rows(map_size: int, games: int) -> Iterator[dict[str, Any]]:
    """A row for each player: the shares won and lost, and the mean tick of a win."""
    players: dict[str, Player] = {f"waits {waits}": partial(patient, waits) for waits in PATIENCE}
    players |= {f"{INTENSITIES[i]} above {share}": partial(above, share, i) for share, i in THRESHOLDS}
    env = registry.make("territory", games, map_size=map_size)
    for name, player in players.items():
        told = [episode.summary for episode in play(env, player)]
        ticks = [each["ticks"] for each in told if each["won"]]
        won, lost = (float(np.mean([each[end] for each in told])) for end in ("won", "eliminated"))
        yield {"player": name, "games": games, "won": won, "eliminated": lost, "ticks": float(np.mean(ticks or [0]))}
    env.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map-size", type=int, default=256)
    parser.add_argument("--games", type=int, default=96, help="of each player")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    for row in rows(args.map_size, args.games):
        told = "{player:16} {games:4} games  won {won:.3f}  eliminated {eliminated:.3f}  ticks of a win {ticks:.0f}"
        print(json.dumps(row) if args.json else told.format(**row), flush=True)


if __name__ == "__main__":
    main()
