"""Weapons: when they come, who may take them, and what is left of them."""

from collections import Counter

import numpy as np

from puffer_envs.kit.rng import streams
from puffer_envs.platform_fighter import state as s
from tests.platform_fighter.driver import Driver, bits


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
