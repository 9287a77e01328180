"""Blows, charges, dives, and the capsules that decide who is hit."""

import pytest

from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.rules.capsules import hurts
from tests.platform_fighter.driver import Driver, states


# -- blows -------------------------------------------------------------------------------------------------------------
def test_the_force_of_a_blow(driver: Driver) -> None:
    """20 damage, variable 46, fixed 40, upward, at 100 damage: 174 of force are 16.7 units a second."""
    driver.place(0, 4.0, 0.4155, 1)
    driver.place(1, 4.9, 0.4155, -1, damage=100.0)
    driver.step("k")
    force = 40 + 46 * (120 / 70 + 120**2 / 12_000)
    for _ in range(12):
        driver.step()
        if driver.match.signals[1, s.HURT]:
            break
    assert driver.match.real[1, s.VY] == pytest.approx(-force * 0.096 + 0.5936, abs=1e-3)
    assert driver.match.whole[1, s.STATE] == s.STUN
    assert driver.match.whole[1, s.TIMER] == 9


def test_a_dodge_cannot_be_hit(driver: Driver) -> None:
    for dodge_at, hurt in ((0, True), (6, False)):
        other = Driver()
        other.stand()
        other.place(0, 4.0, 0.4155, 1)
        other.place(1, 4.9, 0.4155, -1)
        for step in range(14):
            other.step("k" if step == 0 else "", "l" if step and step == dodge_at else "")
        assert bool(other.match.real[1, s.DAMAGE]) == hurt


def test_the_second_fighter_hurts_a_step_later(driver: Driver) -> None:
    """The first fighter moves first, so that its victim is stunned in the same step, and the second one's in the next.

    Where a capsule can be hit is a fighter's place when it last moved.
    """
    for me in range(2):
        other = Driver()
        other.stand()
        other.place(me, 4.0, 0.4155, 1)
        other.place(1 - me, 4.9, 0.4155, -1)
        hit = stunned = 0
        for step in range(1, 20):
            other.step(*(("k", "") if me == 0 else ("", "k")) if step == 1 else ())
            hit = hit or (step if other.match.signals[1 - me, s.HURT] else 0)
            stunned = stunned or (step if other.match.whole[1 - me, s.STATE] == s.STUN else 0)
        assert (hit, stunned) == (11, 11 + me)


def test_the_second_fighter_sees_where_the_first_is_and_the_first_where_the_second_was() -> None:
    """A victim that comes into reach suddenly is hit at once by the second fighter, and a step later by the first."""
    for me in range(2):
        driver = Driver()
        driver.stand()
        driver.place(me, 4.0, 0.4155, 1)
        driver.place(1 - me, 6.5, 0.4155, -1)
        hits = []
        for step in range(20):
            if driver.match.whole[me, s.CAST_FRAME] == 2 and step > 8:  # the first step in which it can hit
                driver.place(1 - me, 4.3, 0.4155, -1)
                driver.match.real[1 - me, s.HURT_X] = 6.5
            driver.step(*(("k", "") if me == 0 else ("", "k")) if step == 0 else ())
            hits.append(bool(driver.match.signals[1 - me, s.HURT]))
        assert hits.index(True) == (11 if me == 0 else 10)


def test_who_is_struck_down_on_the_floor_bounces_up() -> None:
    driver = Driver()
    driver.stand()
    driver.place(0, 4.9, -1.2, 1)
    driver.match.whole[0, s.STATE] = s.IN_AIR
    driver.place(1, 4.9, 0.4155, -1)
    for step in range(30):
        driver.step("sk" if step == 0 else "")
        if driver.match.signals[1, s.HURT]:
            break
    assert driver.match.signals[1, s.HURT] == 17
    force = 48 + 46 * (17 / 70 + 17**2 / 12_000)
    assert driver.match.real[1, s.VY] == pytest.approx(-0.7 * force * 0.096 + 0.5936, abs=1e-3)


def test_a_power_that_hits_whom_the_move_has_hit_does_so_once(driver: Driver) -> None:
    """The last power of the hammer's recovery: 13 damage wherever the victim is."""
    whole, tables = driver.match.whole[0], m.load()
    power = int(tables.starts[2 * len(m.NAMES) + m.RECOVERY - m.FIRST_TYPE]) + 2
    whole[s.STATE], whole[s.HIT_BY_MOVE] = s.ATTACK, 1
    whole[[s.MOVE, s.POWER, s.CAST]] = 2 * len(m.NAMES) + 9, power, tables.powers[power, m.FIRST_CAST]
    whole[[s.CAST_FRAME, s.POWER_FRAME, s.RECOVERED, s.HIT_BY_POWER, s.HIT_ANYONE]] = 0
    for _ in range(5):
        driver.step()
    assert driver.match.real[1, s.DAMAGE] == 13


def test_damage_ends_at_700(driver: Driver) -> None:
    driver.place(0, 4.0, 0.4155, 1)
    driver.place(1, 4.9, 0.4155, -1, damage=690.0)
    for step in range(12):
        driver.step("k" if step == 0 else "")
    assert driver.match.real[1, s.DAMAGE] == 700


def test_who_is_stunned_bounces(driver: Driver) -> None:
    whole, real = driver.match.whole[0], driver.match.real[0]
    whole[s.STATE], whole[s.TIMER] = s.STUN, 30
    real[s.VX], real[s.VY] = 3.0, 5.0
    driver.step()
    assert real[s.VY] == pytest.approx(-3.5 + 0.5936)
    assert real[s.VX] == pytest.approx(3 - 10.75 / 30 / 1.5)


def test_stun_leaves_one_jump_at_least(driver: Driver) -> None:
    for kept, left in ((0, 1), (2, 2)):
        other = Driver()
        whole = other.match.whole[0]
        other.match.real[0, s.Y] = -4.0
        whole[s.STATE], whole[s.TIMER], whole[s.JUMPS_IN_STUN] = s.STUN, 2, kept
        assert states(other, "", "") == [s.STUN, s.IN_AIR]
        assert other.fighter(0)["jumps"] == left


def test_a_charge_is_let_go_or_runs_out(driver: Driver) -> None:
    """Punch's heavy neutral: 5 steps of charge at least, 36 at most, then 2 until it can hit."""
    lengths = {}
    for hold in (1, 20, 60):
        other = Driver()
        other.stand()
        for step in range(1, 80):
            other.step("k" if step <= hold else "")
            if other.match.whole[0, s.POWER_FRAME] == 0 and step > 1:
                lengths[hold] = step
                break
    assert lengths == {1: 8, 20: 21, 60: 39}


def test_a_groundpound_ends_on_the_ground(driver: Driver) -> None:
    """What follows there is the fourth power, and the third after a miss.

    The ground is where y is 1.54, whatever is there: on the right floor, which is higher, every groundpound misses.
    """
    first = int(m.load().starts[m.GROUNDPOUND - m.FIRST_TYPE])
    for me, ends in ((0, {0, 2}), (1, {0, 3})):
        other = Driver()
        other.match.real[me, s.Y] = -1.0
        powers = set()
        for step in range(60):
            held = "sk" if step == 0 else ""
            other.step(*((held, "") if me == 0 else ("", held)))
            if other.fighter(me)["state"] == s.ATTACK:
                powers.add(int(other.match.whole[me, s.POWER]) - first)
        assert powers == ends


# -- capsules ----------------------------------------------------------------------------------------------------------
def test_round_ends_touch_exactly() -> None:
    reach = 0.464 + 0.2
    for gap, touches in ((reach - 1e-6, True), (reach + 1e-6, False)):
        assert hurts(10.4, 10.4, 10.4 + gap, 10.448, 0.4, 0.4) == touches


def test_what_lies_between_round_ends_is_cut_to_integers() -> None:
    """A bar of 2.4 x .3 around (5, 9.85): its rectangle is the line from (3, 9) to (5, 9).

    It begins at trunc(3.95) and trunc(9.7), and its size is trunc(2.1) by trunc(.3).
    """
    bar = 5.0, 9.85, 2.4, 0.3
    assert not hurts(5.0, 10.2, *bar)  # the bar's middle is near, but not the line
    assert hurts(4.5, 8.7, *bar)  # and here it is the other way round
    assert not hurts(5.6, 8.7, *bar)  # beyond the line's end
    assert hurts(2.8, 9.3, *bar)  # further to the left than the bar reaches
    assert not hurts(5.0, 8.4, *bar)
    assert hurts(6.3, 10.2, *bar)  # its right end, which is round and where it should be
    # Toward zero means to the right where x is negative: from trunc(-4.65) the line goes from (-4, 9) to (-2, 9).
    assert hurts(-1.8, 8.7, -3.6, 9.85, 2.4, 0.3)


def test_round_ends_reach_the_corner_that_a_fighter_is_between_its_own() -> None:
    """Around (5.9, 3.5) it is (5, 3): trunc(5.436) and trunc(3.452)."""
    assert hurts(5.9, 3.5, 4.7, 2.8, 0.8, 0.8)
    assert not hurts(5.9, 3.5, 4.5, 2.8, 0.8, 0.8)
