"""Two games whose actions are numbers: a pendulum to swing up, and a deed that pays a step later."""

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from tests.probes import ProbeEnv

# Of Gymnasium's Pendulum-v1
GRAVITY, MASS, LENGTH, DT = 10.0, 1.0, 1.0, 0.05
MAX_TORQUE, MAX_SPEED = 2.0, 8.0


# -- Pendulum ----------------------------------------------------------------------------------------------------------
class PendulumConfig(NamedTuple):
    time_limit: int = 200  # steps, then truncated


def pendulum_spec(config: PendulumConfig) -> EnvSpec:
    layout = ObsLayout(np.float32, ("cosine", (1,)), ("sine", (1,)), ("speed", (1,)))
    return EnvSpec("pendulum", layout, spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,), np.float32), {"cost": 1.0})


class Pendulum(ProbeEnv):
    """A rod on a motor that is too weak to lift it at once; an angle of 0 is upright. Good policies have about -150."""

    columns = ("angle", "speed")

    def __init__(self, config: PendulumConfig, num_envs: int, **options: Any) -> None:
        super().__init__(pendulum_spec(config), num_envs, **options)
        self.config = config
        self.world = np.zeros((num_envs, 2))

    def deal(self, env: int) -> None:
        self.world[env] = [bound * (2 * rng.uniform(self.rng[env]) - 1) for bound in (np.pi, 1.0)]

    def act(self) -> None:
        angle, speed = self.world.T
        torque = self.actions[:, 0].astype(np.float64).clip(-MAX_TORQUE, MAX_TORQUE)
        off = (angle + np.pi) % (2 * np.pi) - np.pi
        self.reward_terms[:, 0] = -(off**2 + 0.1 * speed**2 + 0.001 * torque**2)
        gain = 3 * GRAVITY / (2 * LENGTH) * np.sin(angle) + 3 / (MASS * LENGTH**2) * torque
        self.world[:, 1] = (speed + gain * DT).clip(-MAX_SPEED, MAX_SPEED)
        self.world[:, 0] += self.world[:, 1] * DT
        self.cut[:] = self.episode_step + 1 >= self.config.time_limit

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        angle, speed = self.world[rows].T
        out[rows] = np.stack([np.cos(angle), np.sin(angle), speed], 1)


# -- Aim: the number is said at first, and paid for at last ------------------------------------------------------------
class AimConfig(NamedTuple):
    low: float = -1.0  # actions go from here
    high: float = 5.0


def aim_spec(config: AimConfig) -> EnvSpec:
    layout = ObsLayout(np.float32, ("target", (1,)), ("said", (1,)), ("last", (1,)))
    return EnvSpec("aim", layout, spaces.Box(config.low, config.high, (1,), np.float32), {"near": 1.0})


class Aim(ProbeEnv):
    """Two steps: the first action, from 0 to 1 in its range, must be the number seen; the second changes nothing.

    Best return 1, by chance about -.7, as `Target` has them.
    """

    columns = ("target", "said", "last")

    def __init__(self, config: AimConfig, num_envs: int, **options: Any) -> None:
        super().__init__(aim_spec(config), num_envs, **options)
        self.config = config
        self.world = np.zeros((num_envs, 3))

    def deal(self, env: int) -> None:
        self.world[env] = rng.uniform(self.rng[env]), 0, 0

    def act(self) -> None:
        last = self.world[:, 2] == 1
        self.reward_terms[:, 0] = last * (1 - 10 * (self.world[:, 1] - self.world[:, 0]) ** 2)
        share = (self.actions[:, 0].astype(np.float64) - self.config.low) / (self.config.high - self.config.low)
        self.world[:, 1] = np.where(last, self.world[:, 1], share)
        self.world[:, 2] = 1
        self.ended[:] = last

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = self.world[rows]
