"""States, blows and weapons, a rule at a time, on single matches."""

from collections import Counter

import numpy as np
import pytest

from puffer_envs.kit.rng import streams
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.rules import keys
from puffer_envs.platform_fighter.rules.capsules import hurts
from tests.platform_fighter.driver import LETTERS, Driver, bits


@pytest.fixture
def driver() -> Driver:
    """Fighter 0 stands on the right floor at x = 5, fighter 1 on the left one."""
    driver = Driver()
    driver.stand()
    return driver


def states(driver: Driver, *held: str, me: int = 0) -> list[int]:
    """The states after steps with these keys."""
    seen = []
    for letters in held:
        driver.step(*((letters, "") if me == 0 else ("", letters)))
        seen.append(int(driver.match.whole[me, s.STATE]))
    return seen


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


# -- weapons -----------------------------------------------------------------------------------------------------------
def test_weapons_come_by_their_clocks_and_leave_after_350_steps() -> None:
    """The first one within 350 steps, and both kinds as often."""
    from puffer_envs.platform_fighter.env import Config, PlatformFighter

    env = PlatformFighter(Config(), 300)
    env.reset()
    first = np.zeros((300, 2), int)
    last = np.zeros((300, 2), int)
    kinds: Counter = Counter()
    idle = np.zeros((600, 10), np.int8)
    for step in range(1, 1_100):
        env.step(idle)
        active = env.state.spawner_whole[:, :2, s.ACTIVE] > 0
        new = active & (first == 0)
        first[new] = step
        kinds.update(env.state.spawner_whole[:, :2, s.CONTENT][new].tolist())
        last[~active & (first > 0) & (last == 0)] = step
    assert 1 <= first.min() < 10
    assert 340 < first.max() <= 350
    assert abs(first.mean() - 175) < 17  # four standard deviations
    assert set((last - first).ravel().tolist()) == {351}
    assert abs(kinds[s.SPEAR] - 300) < 60
    spots = env.state.spawner_real[:, :2, s.SPOT_X]
    assert (np.abs(spots) >= 2.6).all()
    assert (np.abs(spots) <= 6.5).all()
    assert (spots[:, 0] > 0).all()
    assert (spots[:, 1] < 0).all()


def test_the_next_weapon_comes_after_half_to_one_and_a_half_of_the_first_wait() -> None:
    from puffer_envs.platform_fighter.rules.weapons import _empty

    seen = []
    for stream in streams(0, 0, 400):
        whole = np.zeros(s.SPAWNER_WHOLES, np.int32)
        whole[s.COOLDOWN_BASE] = 601
        _empty(whole, stream)
        seen.append(int(whole[s.COOLDOWN]))
    assert min(seen) >= 300
    assert max(seen) <= 901
    assert min(seen) < 320
    assert max(seen) > 880


def test_nobody_picks_up_while_attacking_or_armed(driver: Driver) -> None:
    spot, whole = driver.match.spawner_real[0], driver.match.spawner_whole[0]
    for state, weapon, taken in ((s.STAND, s.PUNCH, True), (s.STAND, s.SPEAR, False), (s.ATTACK, s.PUNCH, False)):
        driver.place(0, 5.0, 0.4155, -1, weapon=weapon)
        driver.match.whole[0, s.STATE] = state
        driver.match.whole[0, s.HELD] = bits("h")  # held, not fresh: so that nothing is dropped
        whole[[s.ACTIVE, s.READY, s.CONTENT]] = 1, 1, s.HAMMER
        whole[s.SPAWNED_AT] = whole[s.LAST_SPAWN] = driver.match.numbers[s.FRAME]
        spot[[s.X, s.Y]] = 5.0, 0.5
        driver.step("h")
        assert (driver.match.whole[0, s.WEAPON] == s.HAMMER) == taken
        assert bool(whole[s.ACTIVE]) != taken


def test_a_weapon_just_made_cannot_be_picked_up_yet(driver: Driver) -> None:
    from puffer_envs.platform_fighter.config import SPAWN_ANIMATION

    whole = driver.match.spawner_whole[0]
    whole[s.LAST_SPAWN], whole[s.READY] = -10_000, 1  # of the last weapon
    driver.step()
    assert whole[s.ACTIVE]
    driver.place(0, float(driver.match.spawner_real[0, s.SPOT_X]), 0.4155, -1)
    waited = 0
    while driver.match.whole[0, s.WEAPON] == s.PUNCH:
        driver.step("h")
        waited += 1
    assert waited == SPAWN_ANIMATION + 1  # the flag rises at the end of a step


def test_who_comes_after_a_dropped_weapon_that_is_gone_moves_up(driver: Driver) -> None:
    driver.match.whole[:, s.WEAPON] = s.SPEAR, s.HAMMER
    driver.step("h", "")
    for _ in range(10):
        driver.step()
    driver.step("", "h")
    whole, numbers = driver.match.spawner_whole, driver.match.numbers
    assert whole[2:4, s.CONTENT].tolist() == [s.SPEAR, s.HAMMER]
    spot = driver.match.spawner_real[3, s.SPOT_X]
    for _ in range(239):
        driver.step()
    assert numbers[s.NUM_SPAWNERS] == 3
    assert whole[2, s.CONTENT] == s.HAMMER
    assert driver.match.spawner_real[2, s.SPOT_X] == spot


def test_letters_are_the_keys_in_their_order() -> None:
    assert [key.lower() for key in s.KEYS] == [{"_": "space"}.get(letter, letter) for letter in LETTERS]
