"""The contact solver beside recordings of the library that the original moves its bodies with."""

import json
from pathlib import Path

import numpy as np
import pytest

from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.config import (
    FIGHTER_HEIGHT,
    FIGHTER_WIDTH,
    FRICTION,
    PLATFORM_START,
    WEAPON_FRICTION,
    WEAPON_SIZE,
)
from puffer_envs.platform_fighter.rules import physics

EPISODES = json.loads(Path(__file__).with_name("chipmunk.json").read_text())["episodes"]


def stage() -> tuple[np.ndarray, np.ndarray]:
    state = s.allocate(1)
    state.platform[0, :2], state.numbers[0, s.OUTWARD] = PLATFORM_START, 1
    return state.platform[0], state.numbers[0]


@pytest.mark.parametrize("number", range(len(EPISODES)))
def test_a_box_goes_where_the_library_moves_it(number: int) -> None:
    """Also onto, under and into the sides of both floors and the platform, and with speed set as states set it."""
    episode = EPISODES[number]
    platform, numbers = stage()
    real, whole = np.zeros(s.FIGHTER_REALS), np.zeros(s.FIGHTER_WHOLES, np.int32)
    whole[s.TOUCHED : s.TOUCHED + s.SURFACES] = s.NO_CONTACT
    real[: s.VX] = episode["begin"]
    size, friction = (FIGHTER_WIDTH / 2, FIGHTER_HEIGHT / 2), FRICTION
    if episode["weapon"]:
        size, friction = (WEAPON_SIZE / 2, WEAPON_SIZE / 2), WEAPON_FRICTION
    for step, (vx, vy, *after) in enumerate(episode["steps"]):
        physics.drive(platform, numbers)
        real[s.VX], real[s.VY] = real[s.VX] if vx is None else vx, real[s.VY] if vy is None else vy
        physics.move_platform(platform)
        physics.move(real, whole, *size, friction, True, platform, step)
        assert real[: s.BIAS_X] == pytest.approx(after, abs=2e-5), f"step {step}"


def test_the_recordings_touch_every_surface_from_every_side() -> None:
    """So that the test above tests something."""
    seen = set()
    for episode in EPISODES:
        platform, numbers = stage()
        real, whole = np.zeros(s.FIGHTER_REALS), np.zeros(s.FIGHTER_WHOLES, np.int32)
        real[: s.VX] = episode["begin"]
        for step, (_, _, x, y, _, _) in enumerate(episode["steps"], 1):
            physics.drive(platform, numbers)
            physics.move_platform(platform)
            real[: s.BIAS_Y + 1] = x, y, 0, 0, 0, 0
            physics.move(real, whole, FIGHTER_WIDTH / 2, FIGHTER_HEIGHT / 2, FRICTION, False, platform, step)
            seen |= {(i, int(whole[s.SIDE + i])) for i in range(3) if whole[s.TOUCHED + i] == step}
    assert len(seen) == 3 * 4, seen


def test_the_platform_shuttles_between_its_ends() -> None:
    platform, numbers = stage()
    places, rests = [], 0
    for _ in range(1_000):
        physics.drive(platform, numbers)
        rests += not platform[2:].any()
        physics.move_platform(platform)
        places.append(platform[:2].copy())
    track = np.array(places)
    assert track[:, 0].max() == pytest.approx(1, abs=0.1)
    assert track[:, 0].min() == pytest.approx(-1, abs=0.1)
    assert np.allclose(track[:, 1], 1 - track[:, 0])  # on the line between (1, 0) and (-1, 2)
    assert rests >= 2


def test_who_stands_on_what() -> None:
    platform, _ = stage()
    for x, y, stands in (
        (4.0, 0.36, True),
        (4.0, 0.34, False),
        (4.0, 1.01, False),  # below the floor's level
        (1.6, 0.9, True),  # at its side, as in the original
        (1.5, 0.9, False),
        (-4.0, 2.36, True),
        (0.0, 0.45, True),  # on the platform
        (0.0, 0.39, False),
        (0.0, 1.0, False),  # beside and below it
        (1.26, 0.45, False),
    ):
        assert physics.on_floor(x, y, platform) == stands, (x, y)
