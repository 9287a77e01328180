"""Small games whose actions are keys, several choices, or numbers: one for each kind that is no single choice."""

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from tests.probes import PROBES, Probe, ProbeEnv

SPACES = {"keys": spaces.MultiBinary(3), "parts": spaces.MultiDiscrete([3, 2])}
RIGHT = {"keys": (1, 0, 1), "parts": (2, 1)}  # what pays


class PatternConfig(NamedTuple):
    kind: str  # of `SPACES`


# -- Bandit: nothing to see, each part of the action has its own chance -----------------------------------------------
def pattern_bandit_spec(config: PatternConfig) -> EnvSpec:
    return EnvSpec(f"{config.kind}_bandit", ObsLayout(np.uint8, ("one", (1,))), SPACES[config.kind], {"win": 1.0})


class PatternBandit(ProbeEnv):
    """One step: pays 1 with a chance of .1 and .8 times the share of the parts that are right. Best mean return .9."""

    columns = ("unused",)

    def __init__(self, config: PatternConfig, num_envs: int, **options: Any) -> None:
        super().__init__(pattern_bandit_spec(config), num_envs, **options)
        self.right = np.array(RIGHT[config.kind])
        self.ended[:] = True

    def deal(self, env: int) -> None:
        self.world[env] = 0

    def act(self) -> None:
        chances = 0.1 + 0.8 * (self.actions == self.right).mean(1)
        draws = np.array([rng.uniform(stream) for stream in self.rng])
        self.reward_terms[:, 0] = draws < chances

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = 1


# -- Corridor: a reward that comes later than the deed, which is a whole pattern ---------------------------------------
def pattern_corridor_spec(config: PatternConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("position", (3,)))
    return EnvSpec(f"{config.kind}_corridor", layout, SPACES[config.kind], {"arrival": 1.0})


class PatternCorridor(ProbeEnv):
    """Two steps to the last of three cells, each by the whole pattern; another action goes back. Best return 1."""

    columns = ("position", "time")

    def __init__(self, config: PatternConfig, num_envs: int, **options: Any) -> None:
        super().__init__(pattern_corridor_spec(config), num_envs, **options)
        self.right = np.array(RIGHT[config.kind])

    def deal(self, env: int) -> None:
        self.world[env] = 0

    def act(self) -> None:
        step = np.where((self.actions == self.right).all(1), 1, -1)
        self.world[:, 0] = np.clip(self.world[:, 0] + step, 0, 2)
        self.world[:, 1] += 1
        self.ended[:] = self.world[:, 0] == 2
        self.cut[:] = self.world[:, 1] >= 12
        self.reward_terms[:, 0] = self.ended

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = self.world[rows, :1] == np.arange(3)


# -- Target: say the number that is seen ------------------------------------------------------------------------------
class TargetConfig(NamedTuple):
    high: float = 10.0  # actions go from 0 to this


def target_spec(config: TargetConfig) -> EnvSpec:
    layout = ObsLayout(np.float32, ("target", (1,)))
    return EnvSpec("target", layout, spaces.Box(0, config.high, (1,), np.float32), {"near": 1.0})


class Target(ProbeEnv):
    """One step: a number from 0 to 1 is seen, and pays less the farther ``action / high`` is from it. Best return 1.

    A thousandth of the square of 100 x the distance is lost: at random the return is about -.7.
    """

    columns = ("thousandths",)

    def __init__(self, config: TargetConfig, num_envs: int, **options: Any) -> None:
        super().__init__(target_spec(config), num_envs, **options)
        self.config = config
        self.ended[:] = True

    def deal(self, env: int) -> None:
        self.world[env, 0] = rng.randint(self.rng[env], 1001)

    def act(self) -> None:
        distance = self.actions[:, 0] / self.config.high - self.world[:, 0] / 1000
        self.reward_terms[:, 0] = 1 - 10 * distance**2

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = self.world[rows] / 1000


ACTION_PROBES: dict[str, Probe] = {
    **{f"{kind}_bandit": Probe(PatternBandit, PatternConfig(kind), pattern_bandit_spec, 0.9) for kind in SPACES},
    **{f"{kind}_corridor": Probe(PatternCorridor, PatternConfig(kind), pattern_corridor_spec, 1.0) for kind in SPACES},
    "target": Probe(Target, TargetConfig(), target_spec, 1.0),
}
ALL_PROBES = PROBES | ACTION_PROBES
