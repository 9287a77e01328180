"""The kernels beside figures measured in the original: positions within .02, frames and damage exactly."""

import pytest

from puffer_envs.platform_fighter import state as s
from tests.platform_fighter.driver import Driver

NEAR = 0.02
WINDOW = 90  # steps that an exchange of blows is watched: by then one victim that falls later had not fallen yet


@pytest.fixture
def driver() -> Driver:
    return Driver()


# -- falling, walking, jumping -----------------------------------------------------------------------------------------
def test_both_fall_to_the_floor_and_stand(driver: Driver) -> None:
    stood = {}
    for step in range(1, 25):
        driver.step()
        for me in range(2):
            if driver.fighter(me)["state"] == s.STAND:
                stood.setdefault(me, step)
    assert stood == {0: 8, 1: 17}
    assert driver.fighter(0)["y"] == pytest.approx(0.4155, abs=1e-4)
    assert driver.fighter(1)["y"] == pytest.approx(2.3744, abs=1e-4)


def test_walking_starts_a_step_late_and_rubs_on_the_floor(driver: Driver) -> None:
    driver.stand()
    begin = driver.fighter(0)["x"]
    driver.step("a")
    assert driver.fighter(0)["x"] == begin
    for _ in range(2):
        driver.step("a")
    assert driver.fighter(0)["vx"] == pytest.approx(-6.4591, abs=1e-4)
    for _ in range(17):
        driver.step("a")
    assert driver.fighter(0)["x"] - begin == pytest.approx(-4.275, abs=NEAR)


def test_a_jump(driver: Driver) -> None:
    driver.stand()
    floor, heights, landed = driver.fighter(0)["y"], [], 0
    for step in range(1, 40):
        driver.step("_" if step == 1 else "")
        heights.append(driver.fighter(0)["y"])
        if step > 1 and not landed and driver.fighter(0)["state"] == s.STAND:
            landed = step
    assert floor - min(heights) == pytest.approx(2.372, abs=NEAR)
    assert heights.index(min(heights)) + 1 == 15
    assert landed == 32


def test_a_jump_and_two_in_the_air(driver: Driver) -> None:
    driver.stand()
    floor, heights = driver.fighter(0)["y"], []
    for step in range(80):
        driver.step("_" if step in (0, 16, 31) else "")
        heights.append(driver.fighter(0)["y"])
    assert floor - min(heights) == pytest.approx(7.117, abs=NEAR)


def test_a_dash_runs_over_the_ledge(driver: Driver) -> None:
    driver.stand()
    for step in range(4):
        driver.step("al" if step == 3 else "a")
    assert driver.fighter(0)["state"] == s.DASH
    assert driver.fighter(0)["vx"] == pytest.approx(-6.17, abs=NEAR)
    for _ in range(8):
        driver.step("a")
        assert driver.fighter(0)["state"] == s.DASH
        assert driver.fighter(0)["vx"] == pytest.approx(-9.71, abs=NEAR)
    driver.step("a")
    assert driver.fighter(0)["state"] == s.SPRINT
    driver.step("a")
    assert driver.fighter(0)["state"] == s.IN_AIR
    for i in range(1, 4):
        driver.step("a")
        assert driver.fighter(0)["vx"] == pytest.approx(-10 + 0.3583 * i, abs=1e-3)


# -- attacks -----------------------------------------------------------------------------------------------------------
# Keys, weapon, damage dealt, step of the first hit, and where a victim with 0 and with 100 damage went: most it rose,
# furthest it was, whether it was knocked out.
ATTACKS = {
    "punch NLight": ("j", 0, 14, 4, (0.26, 1.21, False), (1.3, 7.2, True)),
    "punch DLight": ("sj", 0, 8, 6, (0.61, 0.0, False), (0.95, 0.0, False)),
    "punch SLight": ("dj", 0, 13, 8, (0.0, 1.89, False), (0.0, 7.1, True)),
    "punch NSig": ("k", 0, 20, 11, (0.86, 0.0, False), (8.12, 0.0, False)),
    "punch DSig": ("sk", 0, 16, 8, (0.04, 1.11, False), (0.39, 9.4, True)),
    "punch SSig": ("dk", 0, 18, 12, (0.0, 1.15, False), (0.0, 9.2, True)),
    "spear NLight": ("j", 1, 14, 5, (0.05, 1.40, False), (0.05, 1.75, False)),
    "spear SLight": ("dj", 1, 15, 8, (1.84, 1.38, False), (1.84, 1.38, False)),
    "spear NSig": ("k", 1, 24, 12, (1.29, 0.42, False), (8.6, 2.9, True)),
    "spear DSig": ("sk", 1, 27, 20, (0.0, 1.76, False), (0.0, 9.1, True)),
    "spear DLight": ("sj", 1, 0, 0, (0.0, 0.0, False), (0.0, 0.0, False)),
    "spear SSig": ("dk", 1, 0, 0, (0.0, 0.0, False), (0.0, 0.0, False)),
    "hammer NLight": ("j", 2, 19, 5, (0.63, 5.68, True), (0.63, 9.45, True)),
    "hammer DLight": ("sj", 2, 7, 6, (0.39, 0.0, False), (0.72, 0.0, False)),
    "hammer SLight": ("dj", 2, 17, 8, (0.0, 1.08, False), (0.0, 1.89, False)),
    "hammer NSig": ("k", 2, 27, 11, (7.42, 3.97, False), (6.49, 9.3, True)),
    "hammer DSig": ("sk", 2, 2, 17, (0.15, 2.37, False), (0.15, 2.37, False)),
    "hammer SSig": ("dk", 2, 26, 18, (0.18, 3.31, True), (1.15, 9.3, True)),
}


@pytest.mark.parametrize("damage", [0, 100])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_who_stands_still(driver: Driver, name: str, damage: int) -> None:
    keys, weapon, dealt, first, *outcomes = ATTACKS[name]
    rise, away, knocked_out = outcomes[damage > 0]
    driver.stand()
    driver.place(0, 4.0, 0.35, 1, weapon=weapon)
    driver.place(1, 4.9, 0.35, -1, damage=damage)
    hit, rose, went, taken, fell = 0, 0.0, 0.0, 0.0, False
    for step in range(1, WINDOW + 1):
        driver.step(keys if step == 1 else "")
        victim = driver.fighter(1)
        if victim["state"] == s.KO:
            fell = True
            break
        real = driver.match.real[1]
        taken = real[s.DAMAGE] - damage
        hit = hit or (step if taken > 0 else 0)
        rose, went = max(rose, 0.35 - real[s.Y]), max(went, abs(real[s.X] - 4.9))
    assert (taken, hit) == (dealt, first)
    # The figures have two digits; those of who was knocked out, one.
    assert rose == pytest.approx(rise, abs=0.06 if knocked_out else NEAR)
    assert went == pytest.approx(away, abs=0.06 if knocked_out else NEAR)
    assert fell == knocked_out
