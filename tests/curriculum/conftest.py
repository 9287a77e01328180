"""A small milestone table and messages of an imaginary game, shared by the tests of the curriculum."""

import math
from pathlib import Path

import numpy as np
import pytest

from curriculum import CurriculumConfig, CurriculumManager
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.records import Episode, Event

# A chain with one branch: door -> field -> cave -> crown, and the side quest "pet" after the field.
TABLE = (
    Milestone("door", "early", None, 10),
    Milestone("field", "early", "door", 20),
    Milestone("pet", "mid", "field", 30),
    Milestone("cave", "mid", "field", 40),
    Milestone("crown", "late", "cave", 50),
)
DOOR, FIELD, PET, CAVE, CROWN = range(5)


def world(seed: int, size: int = 400) -> bytes:
    """A savestate's bytes: noise, so that no two are alike."""
    return np.random.default_rng(seed).bytes(size)


def event(milestone: int, row: int = 0, state: bytes | None = b"world", step: int = 5) -> Event:
    return Event(row, milestone, step, state)


def episode(
    reached: dict[int, int] | None = None,
    held: tuple[int, ...] = (),
    length: int = 100,
    row: int = 0,
    start: str | None = None,
    truncated: bool = True,
) -> Episode:
    """A finished episode; ``reached`` maps milestones to steps."""
    held_mask, reached_at = np.zeros(len(TABLE), bool), np.full(len(TABLE), -1, np.int32)
    held_mask[list(held)] = True
    for milestone, step in (reached or {}).items():
        reached_at[milestone] = step
    return Episode(row, length, truncated, np.zeros(1, np.float32), start, held_mask, reached_at, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "savestates" / "run"


def make_manager(folder: Path, seed: int = 7, world_id: str = "", **config) -> CurriculumManager:
    config = {"half_life": math.inf} | config  # whole counts, for numbers that are worked by hand
    return CurriculumManager(TABLE, folder, CurriculumConfig(**config), seed, world_id=world_id)


def play(manager: CurriculumManager, env: int) -> str | None:
    """An environment begins what it was told, and is told the next."""
    manager.on_begin(env)
    return manager.next_start(env)


def fill(manager: CurriculumManager, *milestones: int, step: int = 100) -> list[str]:
    """Save one state at each of the milestones, a hundred steps apart; their ids."""
    ids = []
    for i, milestone in enumerate(milestones):
        state_id = manager.on_event(event(milestone, i, world(1000 * step + i)), step + 100 * i)
        assert state_id is not None
        ids.append(state_id)
    manager.pull(range(4))  # answer the call of the first-ever milestones, so that it does not disturb what follows
    manager._cut.clear()
    manager.starts.waiting.clear()
    return ids
