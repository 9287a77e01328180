"""The slow twin against examples worked by hand: weapons, the end, rewards, observations, scripted opponents."""

import numpy as np
import pytest

from puffer_envs.kit import rng
from tests.platform_fighter.twin.matches import GROUND_1, alone, match_of, press, stream
from tests.platform_fighter.twin.scenes import keys_of
from tests.reference.platform_fighter import scripted
from tests.reference.platform_fighter.attacks import MoveType
from tests.reference.platform_fighter.match import WEIGHTS, Match
from tests.reference.platform_fighter.rules import HAMMER, LEFT, PUNCH, RIGHT, SPEAR, State
from tests.reference.platform_fighter.weapons import SPAWN_FRAMES, Dropped

# -- weapons


def test_a_match_draws_its_side_and_its_spawners() -> None:
    for seed in range(8):
        match, copy = Match(stream(seed)), stream(seed)
        assert match.fighters[0].x == (5 if rng.uniform(copy) < 0.5 else -5)
        assert match.fighters[1].x == -match.fighters[0].x
        assert [fighter.facing for fighter in match.fighters] == [-np.sign(fighter.x) for fighter in match.fighters]
        for side, spawner in zip((1, -1), match.weapons.spawners, strict=True):
            assert spawner.x == side * (2.6 + 3.9 * rng.uniform(copy))
            cooldown = 500 + rng.randint(copy, 201)
            assert (spawner.cooldown, spawner.last) == (cooldown, rng.randint(copy, 351) - cooldown)


def with_a_weapon() -> Match:
    """A match with a weapon on the first ground, and fighter 0 beside it."""
    match = alone()
    spawner = match.weapons.spawners[0]
    while spawner.weapon is None:
        press(match)
    press(match, steps=SPAWN_FRAMES)
    match.place(0, spawner.x, GROUND_1, RIGHT)
    press(match)
    return match


def test_a_weapon_is_picked_up_with_empty_hands_and_dropped_again() -> None:
    match = with_a_weapon()
    spawner, fighter = match.weapons.spawners[0], match.fighters[0]
    kind = spawner.weapon.kind
    assert match.observe(0)[16:19] == [spawner.x, 0.7, 1.0]
    press(match, "h")
    assert (fighter.weapon, spawner.weapon, match.rewards[0]["equip"]) == (kind, None, kind)
    assert match.observe(0)[15:19] == [kind, 0, 0, 0]
    press(match, "h")
    assert fighter.weapon == kind  # held, not pressed
    press(match)
    press(match, "h")
    dropped = match.weapons.spawners[2]
    assert isinstance(dropped, Dropped)
    assert (fighter.weapon, match.rewards[0]["drop"]) == (PUNCH, -1)
    assert match.observe(0)[22:25] == pytest.approx([fighter.x + 0.1, fighter.y + 0.27, 1 + kind])
    for _ in range(7):  # 14 steps: for 15 nothing that was dropped is picked up
        press(match)
        press(match, "h")
    assert fighter.weapon == PUNCH
    press(match)
    press(match, "h")
    assert fighter.weapon == kind
    press(match)
    assert len(match.weapons.spawners) == 2


def test_weapons_vanish() -> None:
    match = with_a_weapon()
    spawner = match.weapons.spawners[0]
    born = spawner.weapon.born
    while spawner.weapon is not None:
        press(match)
    assert match.steps == born + 351
    match = alone(SPEAR)
    press(match, "h")
    press(match, steps=249)
    assert len(match.weapons.spawners) == 3
    press(match)
    assert len(match.weapons.spawners) == 2


def test_a_weapon_falls_onto_the_ground() -> None:
    match = alone(HAMMER)
    match.place(0, 4.0, -3.0, RIGHT, weapon=HAMMER)
    press(match, "h")
    weapon = match.weapons.spawners[2].weapon
    assert weapon.y == pytest.approx(-3.0 + 0.27)
    press(match, steps=60)
    half = (16 / 48 + 0.5) / 2
    assert weapon.y == pytest.approx(0.85 - half + 0.1, abs=1e-3)  # as deep in as contacts are left alone


# -- the end


def test_a_fighter_is_knocked_out_waits_and_comes_back_and_the_end_is_told_a_step_late() -> None:
    match = alone(SPEAR)
    fighter, ends = match.fighters[0], []
    for stocks in (2, 1, 0):
        match.place(0, 14.5, 0.0, RIGHT, damage=50, weapon=SPEAR)
        press(match)
        assert (fighter.state, fighter.stocks) == (State.KO, stocks)
        assert [match.rewards[i]["knockout"] for i in (0, 1)] == [-1, 1]
        assert (fighter.x, fighter.vx, fighter.vy) == (14.5, 0, 0)
        ends.append(match.terminal)
        press(match)
        ends.append(match.terminal)
        if stocks:
            press(match, steps=88)
            assert fighter.state == State.KO
            press(match)
            assert (fighter.state, fighter.damage, fighter.weapon) == (State.IN_AIR, 0, PUNCH)
            assert (fighter.x, fighter.y, fighter.own.jumps_left) == (*fighter.start, 0)
    assert ends == [False] * 5 + [True]
    assert [match.rewards[i]["win"] for i in (0, 1)] == [-1, 1]


def test_a_match_is_cut_after_ninety_seconds() -> None:
    match = alone()
    press(match, steps=2699)
    assert not match.truncated
    press(match)
    assert (match.truncated, match.terminal) == (True, False)


# -- rewards and observations


def test_the_terms_of_a_step() -> None:
    match = match_of((4.0, GROUND_1, RIGHT), (4.9, GROUND_1, LEFT))
    press(match, "j", "ASgl")
    assert match.rewards[0] == dict.fromkeys(WEIGHTS, 0.0) | {"penalize_attack": 1 / 30}
    assert match.rewards[1] == dict.fromkeys(WEIGHTS, 0.0) | {"many_keys": 1 / 30}
    press(match, steps=3)
    assert [match.rewards[i]["damage_interaction"] for i in (0, 1)] == [3 / 140, -3 / 140]
    match = alone()
    for y, term in ((4.19, 0.0), (4.3, -1 / 30)):
        match.place(0, 0.0, y, RIGHT)
        press(match)
        assert match.rewards[0]["danger_zone"] == term


def test_a_hit_during_stun_is_a_combo() -> None:
    match = match_of((4.0, GROUND_1, RIGHT), (4.9, GROUND_1, LEFT))
    combos, damage = 0, []
    for step in range(40):
        press(match, "j" if step == 0 else "")
        combos += match.rewards[0]["combo"]
        assert match.rewards[1]["combo"] == -match.rewards[0]["combo"]
        damage.append(match.fighters[1].damage)
    assert damage[-1] == 14
    assert combos == 3  # the second, third and fourth hit of the move


def test_what_a_fighter_sees() -> None:
    match = alone(HAMMER)
    press(match, "D")
    seen, theirs = match.observe(0), match.observe(1)
    assert len(seen) == 64
    assert seen[:32] == theirs[32:]
    assert seen[32:] == theirs[:32]
    fighter, platform = match.fighters[0], match.world.platform
    assert seen[:4] == [fighter.x, fighter.y, fighter.vx, fighter.vy]
    assert seen[4:16] == [1, 1, 0, 0, State.WALK, 0, 0, 0, 0, 3, 0, HAMMER]
    assert seen[28:32] == [platform.x, platform.y, platform.vx, platform.vy]
    match.place(0, 13.0, -7.5, LEFT, damage=350)
    match.fighters[0].set_velocity(-25.0, 25.0)
    assert match.observe(0)[:13] == [13, -7, -10, 10, 0, 0, 1, 0, State.STAND, 0, 0, 0, 0.5]


def test_a_state_remembers_what_it_had_before() -> None:
    match = alone()
    press(match, "_")
    press(match, steps=7)
    press(match, "_")
    assert match.observe(0)[7:10] == [1, State.IN_AIR, 1]
    press(match, "l")
    assert match.observe(0)[7:11] == [1, State.DODGE, 1, 10]
    while match.fighters[0].state != State.STAND:
        press(match)
    assert match.observe(0)[7:11] == [0, State.STAND, 0, 0]
    press(match, steps=60)
    press(match, "l")
    assert match.observe(0)[7:11] == [1, State.DODGE, 1, 10]  # from the dodge in the air
    press(match, steps=11)
    press(match, "j")
    assert (match.observe(0)[7], match.observe(0)[14]) == (2, MoveType.NLIGHT)


# -- scripted opponents


@pytest.mark.parametrize(
    ("own", "other", "state", "time", "keys"),
    [
        ((5.4, 0), (0, 0), State.STAND, 1, "A"),
        ((-5.4, 0), (0, 0), State.STAND, 1, "D"),
        ((3, 0), (6, 0), State.STAND, 1, "D"),
        ((3, 0), (0, 0), State.STAND, 1, "A"),
        ((3, 0), (0, 0), State.STUN, 1, ""),
        ((3, 0), (0, 0), State.KO, 1, ""),
        ((3, 0.5), (0, 0), State.STAND, 2, "A_"),
        ((3, 0.5), (0, 0), State.STAND, 3, "A"),
        ((3, 1.7), (0, 3), State.STAND, 2, "A_"),
        ((3, 0), (1.1, 0), State.STAND, 2, "Aj"),
        ((3, 0), (1.0, 0), State.STAND, 2, "A"),
    ],
)
def test_based(own: tuple, other: tuple, state: State, time: int, keys: str) -> None:
    seen = [0.0] * 64
    seen[0:2], seen[32:34], seen[40] = own, other, float(state)
    assert scripted.based(seen, time) == keys_of(keys)
