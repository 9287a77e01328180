"""Figures measured in the original, scene by scene: positions within .02 world units, frames and damage exactly."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.platform_fighter.twin.scenes import DRIVERS, Driver, press
from tests.reference.platform_fighter.rules import HAMMER, PUNCH, SPEAR, State

NEAR = 0.02
EXACT = 1e-3  # what is left of exact figures in float32 and in four digits

New = Callable[[int], Driver]


@pytest.fixture(params=list(DRIVERS))
def new(request: pytest.FixtureRequest) -> New:
    """Begins matches of one of the implementations."""
    return DRIVERS[request.param]


def standing(new: New, side: int = 1) -> Driver:
    """A match in which fighter 0 has come down on one of the grounds."""
    driver = new(side)
    for _ in range(20):
        press(driver)
    assert driver.fighter(0).state == State.STAND
    return driver


# -- walking, jumping, dashing


@pytest.mark.parametrize(("side", "steps", "height"), [(1, 8, 0.4155), (-1, 17, 2.3744)])
def test_from_the_start_down_to_the_ground(new: New, side: int, steps: int, height: float) -> None:
    driver = new(side)
    states = [press(driver).state for _ in range(60)]
    assert states == [State.IN_AIR] * (steps - 1) + [State.STAND] * (60 - steps + 1)
    assert driver.fighter(0).x == 5 * side
    assert driver.fighter(0).y == pytest.approx(height, abs=EXACT)


def test_a_walk_begins_a_frame_late_and_friction_takes_its_share_off_the_velocity(new: New) -> None:
    driver = standing(new)
    walked = [press(driver, "A") for _ in range(20)]
    assert [view.x - before.x for before, view in pairwise(walked)] == pytest.approx([-0.225] * 19, abs=EXACT)
    assert walked[-1].x - 5 == pytest.approx(-4.275, abs=EXACT)
    on_the_ground = [view for view in walked[1:] if view.x > 2]
    assert [view.vx for view in on_the_ground] == pytest.approx([-6.4591] * len(on_the_ground), abs=EXACT)


def test_a_jump(new: New) -> None:
    driver = standing(new)
    start = driver.fighter(0).y
    jump = [press(driver, "_" if i == 0 else "") for i in range(40)]
    heights = [start - view.y for view in jump]
    assert max(heights) == pytest.approx(2.372, abs=EXACT)
    assert heights.index(max(heights)) + 1 == 15
    assert [view.state for view in jump].index(State.STAND) + 1 == 32


def test_a_jump_and_two_more_in_the_air(new: New) -> None:
    driver = standing(new)
    start = driver.fighter(0).y
    heights = [start - press(driver, "_" if i in (0, 16, 31) else "").y for i in range(60)]
    assert max(heights) == pytest.approx(7.117, abs=EXACT)


def test_a_dash_over_the_ledge(new: New) -> None:
    driver = standing(new)
    for _ in range(3):
        press(driver, "A")
    dash = [press(driver, "Al" if i == 0 else "A") for i in range(20)]
    assert [view.state for view in dash[:11]] == [State.DASH] * 9 + [State.SPRINT, State.IN_AIR]
    # the first of them still coasts at the speed of the walk, less friction: 6.75 - 2 x .2909
    assert [view.vx for view in dash[:9]] == pytest.approx([-6.1682] + [-9.7091] * 8, abs=EXACT)
    falling = [view.vx for view in dash[10:16]]
    assert falling == pytest.approx([-10 + 10.75 / 30 * i for i in range(6)], abs=EXACT)


# -- attacks


class Outcome(NamedTuple):
    """What a move does to a fighter that lets it happen: steps counted from the input, the farthest it got up and
    sideways before it was knocked out or came to rest."""

    damage: float
    first_hit: int
    rise: float | str  # a measured figure as it was written: to one digit or two
    dx: float | str
    is_ko: bool = False


KEYS = {"NLight": "j", "DLight": "Sj", "SLight": "Dj", "NSig": "k", "DSig": "Sk", "SSig": "Dk"}
GOLDEN = {
    (PUNCH, "NLight"): (Outcome(14, 4, "0.26", "1.21"), Outcome(14, 4, "1.3", "7.2", True)),
    (PUNCH, "DLight"): (Outcome(8, 6, "0.61", "0"), Outcome(8, 6, "0.95", "0")),
    (PUNCH, "SLight"): (Outcome(13, 8, "0", "1.89"), Outcome(13, 8, "0", "7.1", True)),
    (PUNCH, "NSig"): (Outcome(20, 11, "0.86", "0"), Outcome(20, 11, "8.12", "0")),
    (PUNCH, "DSig"): (Outcome(16, 8, "0.04", "1.11"), Outcome(16, 8, "0.39", "9.4", True)),
    (PUNCH, "SSig"): (Outcome(18, 12, "0", "1.15"), Outcome(18, 12, "0", "9.2", True)),
    (SPEAR, "NLight"): (Outcome(14, 5, "0.05", "1.40"), Outcome(14, 5, "0.05", "1.75")),
    (SPEAR, "SLight"): (Outcome(15, 8, "1.84", "1.38"), Outcome(15, 8, "1.84", "1.38")),
    (SPEAR, "NSig"): (Outcome(24, 12, "1.29", "0.42"), Outcome(24, 12, "8.6", "2.9", True)),
    (SPEAR, "DSig"): (Outcome(27, 20, "0", "1.76"), Outcome(27, 20, "0", "9.1", True)),
    (HAMMER, "NLight"): (Outcome(19, 5, "0.63", "5.68", True), Outcome(19, 5, "0.63", "9.45", True)),
    (HAMMER, "DLight"): (Outcome(7, 6, "0.39", "0"), Outcome(7, 6, "0.72", "0")),
    (HAMMER, "SLight"): (Outcome(17, 8, "0", "1.08"), Outcome(17, 8, "0", "1.89")),
    (HAMMER, "NSig"): (Outcome(27, 11, "7.42", "3.97", True), Outcome(27, 11, "6.49", "9.3", True)),
    (HAMMER, "DSig"): (Outcome(2, 17, "0.15", "2.37"), None),
    (HAMMER, "SSig"): (Outcome(26, 18, "0.18", "3.31", True), Outcome(26, 18, "1.15", "9.3", True)),
}
SCENES = [
    pytest.param(weapon, move, damage, outcome, id=f"{('punch', 'spear', 'hammer')[weapon]}-{move}-{damage}")
    for (weapon, move), outcomes in GOLDEN.items()
    for damage, outcome in zip((0, 100), outcomes, strict=True)
    if outcome is not None
]


def attack(new: New, weapon: int, move: str, damage: float) -> Outcome | None:
    """Tap the keys of a move beside a fighter that was hurt before; None when the move misses."""
    driver = new(1)
    driver.place(0, 4.0, 0.35, 1, 0, weapon)
    driver.place(1, 4.9, 0.35, -1, damage, PUNCH)
    first_hit, rise, dx, is_ko, dealt = None, 0.0, 0.0, False, 0.0
    for step in range(1, 151):
        press(driver, KEYS[move] if step == 1 else "")
        victim = driver.fighter(1)
        if victim.state == State.KO:
            is_ko = True
            break
        dealt = victim.damage - damage
        first_hit = step if first_hit is None and dealt else first_hit
        rise, dx = max(rise, 0.35 - victim.y), max(dx, abs(victim.x - 4.9))
    return None if first_hit is None else Outcome(dealt, first_hit, rise, dx, is_ko)


def assert_near(value: float, figure: str) -> None:
    """Within .02 of a figure, or as near as it was rounded."""
    digits = len(figure.partition(".")[2])
    assert value == pytest.approx(float(figure), abs=0.05 if digits == 1 else NEAR)


@pytest.mark.parametrize(("weapon", "move", "damage", "expected"), SCENES)
def test_an_attack(new: New, weapon: int, move: str, damage: int, expected: Outcome) -> None:
    outcome = attack(new, weapon, move, damage)
    assert outcome is not None
    assert outcome.damage == pytest.approx(expected.damage, abs=EXACT)
    assert (outcome.first_hit, outcome.is_ko) == (expected.first_hit, expected.is_ko)
    assert_near(outcome.rise, expected.rise)
    assert_near(outcome.dx, expected.dx)


@pytest.mark.parametrize("move", ["DLight", "SSig"])
def test_a_spear_too_long_for_a_near_fighter(new: New, move: str) -> None:
    assert attack(new, SPEAR, move, 0) is None
