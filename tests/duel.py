"""A game of two with a known best play, for the tests of opponents: say what you saw before, more often than they."""

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.game import Column, Game, Table
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from tests.probes import ProbeEnv

SYMBOLS = 3
SCRIPTS = ("perfect", "constant")


class DuelConfig(NamedTuple):
    rounds: int = 8


def duel_spec(config: DuelConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("symbol", (SYMBOLS,)))
    rewards = {"match": 0.25, "win": 1.0}
    return EnvSpec("duel", layout, spaces.Discrete(SYMBOLS), rewards, agents_per_env=2, scripts=SCRIPTS)


class Duel(ProbeEnv):
    """Each agent sees a symbol and must say the one before it; who is right more often wins 1, the other loses 1."""

    columns = ("seen_0", "seen_1", "due_0", "due_1", "lead", "time")

    def __init__(self, config: DuelConfig, num_envs: int, **options: Any) -> None:
        super().__init__(duel_spec(config), num_envs, **options)
        self.config = config

    def deal(self, env: int) -> None:
        self.world[env] = 0
        self.world[env, :2] = self._symbols(env)
        self.world[env, 2:4] = self._symbols(env)  # of the first round: nobody has seen them

    def _symbols(self, env: int) -> list[int]:
        return [rng.randint(self.rng[env], SYMBOLS) for _ in range(2)]

    def play_scripts(self, rows: np.ndarray, scripts: np.ndarray) -> None:
        due = self.world[:, 2:4].reshape(-1)
        self.actions[rows] = np.where(scripts == SCRIPTS.index("perfect"), due[rows], 0)

    def act(self) -> None:
        right = (self.actions == self.world[:, 2:4].reshape(-1)).reshape(-1, 2).astype(np.int32)
        self.world[:, 4] += right[:, 0] - right[:, 1]
        self.world[:, 5] += 1
        self.ended[:] = self.world[:, 5] >= self.config.rounds
        won = np.sign(self.world[:, 4]) * self.ended
        self.reward_terms[:, 0] = right.reshape(-1)
        self.reward_terms[:, 1] = np.stack([won, -won], 1).reshape(-1)
        self.world[:, 2:4] = self.world[:, :2]
        for env in range(self.num_envs):
            self.world[env, :2] = self._symbols(env)

    def summary(self, row: int) -> dict[str, Any]:
        lead = int(np.sign(self.world[row // 2, 4])) * (1 if row % 2 == 0 else -1)
        return {"won": 0.5 + 0.5 * lead}

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = 0
        out[rows, self.world[:, :2].reshape(-1)[rows]] = 1


GAME = Game(
    name="duel",
    Config=DuelConfig,
    spec=duel_spec,
    make=Duel,
    versus=lambda config: True,
    outcome="won",
    columns=(Column("won"),),
    headline=("won",),
    tables=(
        Table("monitor.csv", "episode", {"r": "return", "l": "length", "t": "seconds"}),
        Table("terms.csv", "interval", {"step": "step", "matches": "reward/match"}),
        Table("results.csv", "evaluation", {"timestep": "step", "win_rate": "eval/won", "sec": "seconds"}),
    ),
)
