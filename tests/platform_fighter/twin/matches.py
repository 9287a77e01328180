"""Matches of the slow twin, as its tests begin and play them."""

import numpy as np

from puffer_envs.kit import rng
from tests.platform_fighter.twin.scenes import keys_of
from tests.reference.platform_fighter.match import Match
from tests.reference.platform_fighter.rules import PUNCH, RIGHT, State

GROUND_1, GROUND_2 = 0.4, 2.4  # heights at which a fighter rests on them


def stream(seed: int = 0) -> np.ndarray:
    """A stream of random numbers."""
    return rng.streams(seed, 0, 1)[0]


def match_of(*places: tuple[float, float, int], weapon: int = PUNCH) -> Match:
    """A match whose fighters stand at x, y, facing."""
    match = Match(stream())
    for i, (x, y, facing) in enumerate(places):
        match.place(i, x, y, facing, weapon=weapon if i == 0 else PUNCH)
    return match


def alone(weapon: int = PUNCH) -> Match:
    """A match in which the opponent is out of reach."""
    return match_of((4.0, GROUND_1, RIGHT), (-5.0, GROUND_2, RIGHT), weapon=weapon)


def press(match: Match, letters: str = "", others: str = "", steps: int = 1) -> None:
    """Some steps in which fighter 0 holds some keys and fighter 1 others."""
    for _ in range(steps):
        match.step([keys_of(letters), keys_of(others)])


def states(match: Match, *letters: str) -> list[State]:
    """The states of fighter 0 after each of some steps."""
    seen = []
    for each in letters:
        press(match, each)
        seen.append(match.fighters[0].state)
    return seen
