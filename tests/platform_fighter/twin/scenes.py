"""How the golden scenarios drive a match, whoever plays it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from puffer_envs.kit import rng
from puffer_envs.platform_fighter.state import DAMAGE, VX, VY, X, Y
from tests.platform_fighter import driver as kernels_driver
from tests.reference.platform_fighter.match import Match

KEYS = "WASD_hljkg"  # one letter a key, in the order of the actions; _ is space


class View(NamedTuple):
    """What the scenarios look at: world units (y down), world units a second."""

    x: float
    y: float
    vx: float
    vy: float
    facing: int  # -1 left, 1 right
    state: int
    damage: float
    stocks: int
    weapon: int


class Driver(Protocol):
    """One match."""

    def place(self, i: int, x: float, y: float, facing: int, damage: float, weapon: int) -> None:
        """Stand fighter i somewhere, at rest."""

    def step(self, keys: Sequence[Sequence[bool]]) -> None:
        """1/30 s with the ten keys of each fighter."""

    def fighter(self, i: int) -> View:
        """Fighter i after the last step."""


class Twin:
    """The slow twin."""

    def __init__(self, side: int) -> None:
        for seed in range(64):  # half of all matches begin with fighter 0 on the side that is asked for
            self.match = Match(rng.streams(seed, 0, 1)[0])
            if self.match.fighters[0].x * side > 0:
                return
        raise ValueError("64 matches, all begun on the same side")

    def place(self, i: int, x: float, y: float, facing: int, damage: float, weapon: int) -> None:
        """Stand fighter i somewhere, at rest."""
        self.match.place(i, x, y, facing, damage, weapon)

    def step(self, keys: Sequence[Sequence[bool]]) -> None:
        """1/30 s with the ten keys of each fighter."""
        self.match.step(keys)

    def fighter(self, i: int) -> View:
        """Fighter i after the last step."""
        fighter = self.match.fighters[i]
        return View(*(getattr(fighter, name) for name in View._fields))


class Kernels:
    """The kernels, by way of the environment."""

    def __init__(self, side: int) -> None:
        self.match = kernels_driver.Driver()
        while self.match.match.real[0, 0] * side < 0:
            self.match.env.begin_new(np.array([0]))

    def place(self, i: int, x: float, y: float, facing: int, damage: float, weapon: int) -> None:
        """Stand fighter i somewhere, at rest."""
        self.match.place(i, x, y, facing, damage=damage, weapon=weapon)

    def step(self, keys: Sequence[Sequence[bool]]) -> None:
        """1/30 s with the ten keys of each fighter."""
        held = [
            "".join(letter for letter, down in zip(kernels_driver.LETTERS, each, strict=True) if down) for each in keys
        ]
        self.match.step(*held)

    def fighter(self, i: int) -> View:
        """Fighter i after the last step."""
        seen, real = self.match.fighter(i), self.match.match.real[i]
        place = (float(real[name]) for name in (X, Y, VX, VY))  # observations cut them off
        facing, state = 1 if seen["right"] else -1, int(seen["state"])
        return View(*place, facing, state, float(real[DAMAGE]), int(seen["stocks"]), int(seen["weapon"]))


# By name: a new match in which fighter 0 begins on the right (1) or on the left (-1).
DRIVERS: dict[str, Callable[[int], Driver]] = {"twin": Twin, "kernels": Kernels}


def keys_of(letters: str) -> list[bool]:
    """The ten keys, those of the letters down."""
    assert set(letters) <= set(KEYS)
    return [key in letters for key in KEYS]


def press(driver: Driver, letters: str = "", others: str = "") -> View:
    """One step in which fighter 0 holds some keys and fighter 1 others; fighter 0 after it."""
    driver.step([keys_of(letters), keys_of(others)])
    return driver.fighter(0)
