"""The environment by hand: keys as letters, terms and fields by name, two fighters face to face."""

from typing import Any

import numpy as np

from puffer_envs.platform_fighter import rewards
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.config import Config
from puffer_envs.platform_fighter.env import PlatformFighter
from tests.platform_fighter.driver import LETTERS, Driver


def make(num_envs: int = 1, **settings: Any) -> PlatformFighter:
    env = PlatformFighter(Config(**settings), num_envs)
    env.reset(seed=0)
    env.keep_episodes(True)
    return env


def press(env: PlatformFighter, *rows: str) -> dict[str, np.ndarray]:
    """A step with these keys for the first rows, none for the others; the weighted terms by name, float32 [N]."""
    actions = np.zeros((env.num_agents, s.NUM_KEYS), np.int8)
    for row, letters in enumerate(rows):
        for letter in letters:
            actions[row, LETTERS.index(letter)] = 1
    env.step(actions)
    return dict(zip(rewards.TERMS, env.reward_terms.T.copy(), strict=True))


def field(env: PlatformFighter, row: int, number: int) -> float:
    return float(env.spec.layout.unpack(env.observations, "own")[row, number])


def face_off(env: PlatformFighter, gap: float = 0.9, **of_second: Any) -> None:
    """The first fighter at x = 4 looks at the second one, ``gap`` ahead; both stand."""
    driver = Driver.__new__(Driver)
    driver.env, driver.match = env, env.match(0)
    for _ in range(30):
        press(env)
    driver.place(0, 4.0, 0.4155, 1)
    driver.place(1, 4.0 + gap, 0.4155, -1, **of_second)
