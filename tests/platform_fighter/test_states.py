"""The state machine and its keys, a rule at a time."""

import numpy as np
import pytest

from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.rules import keys
from tests.platform_fighter.driver import LETTERS, Driver, bits, states


# -- on the ground -----------------------------------------------------------------------------------------------------
def test_turning_takes_two_steps_and_stopping_one(driver: Driver) -> None:
    assert driver.fighter(0)["right"] == 0
    assert states(driver, "d", "d", "d", "", "") == [s.TURN, s.TURN, s.WALK, s.STAND, s.STAND]
    assert driver.fighter(0)["right"] == 1
    assert driver.fighter(0)["vx"] == 0


def test_a_turn_ends_by_the_side_pressed_last(driver: Driver) -> None:
    assert states(driver, "d", "ad", "ad") == [s.TURN, s.TURN, s.TURN]  # left was pressed last: back again
    assert states(driver, "ad", "a") == [s.TURN, s.WALK]
    assert driver.fighter(0)["right"] == 0


def test_left_and_right_together_are_no_direction(driver: Driver) -> None:
    assert states(driver, "ad", "ad") == [s.STAND, s.STAND]
    assert states(driver, "", "adl") == [s.STAND, s.DODGE]


def test_l_dodges_without_a_direction_dashes_with_it_and_backdashes_against_it(driver: Driver) -> None:
    assert states(driver, "a", "al")[-1] == s.DASH
    other = Driver()
    other.stand()
    assert states(other, "dl", *[""] * 7) == [*[s.BACKDASH] * 7, s.STAND]
    assert other.fighter(0)["right"] == 0  # it does not turn
    assert other.fighter(0)["x"] > 5.7  # faces left, so it slides right


def test_a_dodge_lasts_ten_steps_floats_and_cannot_be_repeated_for_thirty(driver: Driver) -> None:
    assert states(driver, "l", *[""] * 10) == [*[s.DODGE] * 10, s.STAND]
    waiting = [states(driver, "", "l")[-1] for _ in range(10)]
    # Cooldown runs from the dodge's first step: eleven steps are over, and then two more for each press.
    assert waiting.index(s.DODGE) == 9


def test_a_jump_needs_a_fresh_press_and_an_attack_only_a_key_that_is_down(driver: Driver) -> None:
    assert states(driver, "_")[-1] == s.IN_AIR
    for _ in range(60):
        driver.step("_")
    assert driver.fighter(0)["state"] == s.STAND
    began = 0
    for _ in range(60):
        driver.step("j")
        began += int(driver.match.signals[0, s.BEGAN_ATTACK])
    assert began >= 3


def test_a_taunt_lasts_thirty_steps_and_ends_on_the_ground_even_in_the_air(driver: Driver) -> None:
    assert states(driver, "g", *[""] * 30) == [*[s.TAUNT] * 30, s.STAND]
    assert states(driver, "g")[-1] == s.TAUNT
    for _ in range(29):
        driver.match.real[0, s.Y], driver.match.real[0, s.VY] = -1.0, 0.0
        driver.step()
    driver.match.real[0, s.Y] = -1.0
    assert states(driver, "", "") == [s.STAND, s.IN_AIR]


def test_the_platform_carries_who_stands_or_walks_unless_s_is_down(driver: Driver) -> None:
    platform = driver.match.platform
    driver.place(0, float(platform[0]), float(platform[1]) - 0.55, -1)
    driver.step()
    for _ in range(20):
        before = driver.match.real[0, s.X] - platform[0]
        driver.step()
        assert driver.match.real[0, s.X] - platform[0] == pytest.approx(before, abs=1e-9)
    driver.step("a")
    for held, carried in (("a", 1), ("as", 0)):
        before = driver.match.real[0, s.X]
        driver.step(held)
        assert driver.match.real[0, s.X] - before == pytest.approx((-6.75 + carried * platform[2]) / 30)


# -- in the air --------------------------------------------------------------------------------------------------------
def test_a_jump_in_the_air_without_a_direction_looks_left(driver: Driver) -> None:
    states(driver, "d", "d", "d", "", "_", "", "", "")
    assert driver.fighter(0)["right"] == 1
    states(driver, "_")
    assert (driver.fighter(0)["right"], driver.fighter(0)["jumps"]) == (0, 1)
    assert driver.fighter(0)["vy"] == pytest.approx(-8.9 + 0.5936)


def test_jumps_in_the_air_are_two_and_six_steps_apart(driver: Driver) -> None:
    states(driver, "_")
    presses = ["" if step % 2 else "_" for step in range(20)]
    jumps = []
    for letters in presses:
        driver.step(letters)
        jumps.append(driver.fighter(0)["jumps"])
    assert [step for step in range(1, 20) if jumps[step] < jumps[step - 1]] == [2, 8]
    assert jumps[-1] == 0


def test_turning_in_the_air_takes_a_third_of_the_speed_and_two_steps(driver: Driver) -> None:
    states(driver, "a", "a", "a", "a_", "a")
    before = driver.match.real[0, s.VX]
    assert states(driver, "d", "d", "d") == [s.AIR_TURN, s.AIR_TURN, s.IN_AIR]
    assert driver.fighter(0)["right"] == 1
    assert driver.match.real[0, s.VX] == pytest.approx(before / 3 + 2 * 10.75 / 30)


def test_falling_and_falling_fast(driver: Driver) -> None:
    """With S the fall is faster and has no end: what is above 12 is taken back more slowly than it comes."""
    gravity, ease = 17.808 / 30, 14.25 / 30
    for held, steps, more, last in (("", 24, 0.0, 0.0), ("s", 17, ease, gravity - ease)):
        other = Driver()
        other.match.real[0, s.Y] = -7.5
        seen = []
        for _ in range(steps):
            other.step(held)
            seen.append(other.match.real[0, s.VY])
        assert seen[3] - seen[2] == pytest.approx(gravity + more)
        assert seen[-1] > 12
        assert seen[-1] - seen[-2] == pytest.approx(last)


def test_a_recovery_is_one_until_the_ground(driver: Driver) -> None:
    driver.match.real[0, s.Y] = -5.0
    driver.step()
    assert driver.fighter(0)["recoveries"] == 1
    assert states(driver, "k")[-1] == s.ATTACK
    assert driver.fighter(0)["move"] == m.RECOVERY
    assert driver.fighter(0)["recoveries"] == 0
    while driver.fighter(0)["state"] == s.ATTACK:
        driver.match.real[0, s.Y] = -5.0
        driver.step()
    assert states(driver, "k")[-1] == s.IN_AIR
    assert states(driver, "sk")[-1] == s.ATTACK  # a groundpound can be tried again


def test_a_dodge_in_the_air_floats_and_leaves_no_speed(driver: Driver) -> None:
    states(driver, "_", "", "")
    assert states(driver, "al")[-1] == s.DODGE
    driver.step()
    height = driver.fighter(0)["y"]
    for _ in range(8):
        driver.step()
        assert driver.fighter(0)["y"] == height
    driver.match.real[0, s.VX] = 5.0
    assert states(driver, "") == [s.IN_AIR]
    assert driver.fighter(0)["vx"] == 0
    assert states(driver, *["", "l"] * 35)[-1] == s.STAND  # on the ground again; the air's cooldown of 82 not over
    assert s.DODGE in states(driver, *["", "l"] * 6)


def test_out_of_bounds(driver: Driver) -> None:
    for x, y, out in ((13.99, 0.0, False), (14.01, 0.0, True), (-14.01, 0.0, True), (8.0, -8.01, True)):
        other = Driver()
        other.match.real[0, s.X], other.match.real[0, s.Y] = x, y
        assert (states(other, "")[-1] == s.KO) == out, (x, y)


# -- keys and moves ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("letters", "grounded", "kind"),
    [
        ("", True, 1),
        ("j", True, 2),
        ("sj", True, 3),
        ("dj", True, 4),
        ("asj", True, 3),  # down before side
        ("wsj", True, 2),  # up before down
        ("jk", True, 5),  # heavy before light
        ("sk", True, 6),
        ("ak", True, 7),
        ("j", False, 8),
        ("sj", False, 9),
        ("aj", False, 10),
        ("k", False, 11),
        ("ak", False, 11),
        ("sk", False, 12),
        ("wdk", False, 11),
    ],
)
def test_the_move_that_keys_ask_for(letters: str, grounded: bool, kind: int) -> None:
    whole = np.zeros(s.FIGHTER_WHOLES, np.int32)
    keys.take(whole, bits(letters))
    assert keys.move_type(whole, grounded) == kind


@pytest.mark.parametrize(
    ("presses", "side"),
    [
        ("a", -1),
        ("a,ad", 1),
        ("a,ad,d", 1),
        ("a,ad,a", -1),
        ("d,ad", -1),
        ("d,ad,d", 1),
        ("d,ad,a", -1),
        ("ad", -1),  # right is looked at first, so left was last
        ("ad,a", -1),
        ("ad,d", 1),
        ("a,d", 1),
        ("a,", 0),
    ],
)
def test_the_side_pressed_last(presses: str, side: int) -> None:
    whole = np.zeros(s.FIGHTER_WHOLES, np.int32)
    for letters in presses.split(","):
        keys.take(whole, bits(letters))
    assert keys.last_side(whole) == side


def test_an_attack_looks_where_the_keys_point_and_left_for_both(driver: Driver) -> None:
    states(driver, "d", "d", "d")
    assert driver.fighter(0)["right"] == 1
    states(driver, "adj")
    assert driver.fighter(0)["right"] == 0


def test_letters_are_the_keys_in_their_order() -> None:
    assert [key.lower() for key in s.KEYS] == [{"_": "space"}.get(letter, letter) for letter in LETTERS]
