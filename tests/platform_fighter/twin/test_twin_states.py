"""The slow twin against examples worked by hand: states, moves, hits, the platform."""

import math

import pytest

from tests.platform_fighter.twin.matches import GROUND_1, alone, match_of, press, states
from tests.platform_fighter.twin.scenes import keys_of
from tests.reference.platform_fighter.attacks import MOVES, MoveType
from tests.reference.platform_fighter.capsules import PIXEL, Capsule
from tests.reference.platform_fighter.rules import LEFT, RIGHT, State

# -- keys and states


def test_attacks_are_held_keys_and_jumps_pressed_ones() -> None:
    match = alone()
    assert states(match, *["j"] * 18) == [State.ATTACK] * 15 + [State.STAND] + [State.ATTACK] * 2
    match = alone()
    press(match, "_", steps=40)
    assert match.fighters[0].state == State.STAND  # it came down and did not jump again


@pytest.mark.parametrize(
    ("letters", "ground", "air"),
    [
        ("j", MoveType.NLIGHT, MoveType.NAIR),
        ("WSDj", MoveType.NLIGHT, MoveType.NAIR),
        ("SDj", MoveType.DLIGHT, MoveType.DAIR),
        ("Dj", MoveType.SLIGHT, MoveType.SAIR),
        ("k", MoveType.NSIG, MoveType.RECOVERY),
        ("Sk", MoveType.DSIG, MoveType.GROUNDPOUND),
        ("Dk", MoveType.SSIG, MoveType.RECOVERY),
        ("ADjk", MoveType.SSIG, MoveType.RECOVERY),
    ],
)
def test_which_move_the_keys_ask_for(letters: str, ground: MoveType, air: MoveType) -> None:
    for y, expected in ((GROUND_1, ground), (-3.0, air)):
        match = alone()
        match.place(0, 4.0, y, RIGHT)
        match.fighters[0].keys.update(keys_of(letters))
        assert match.fighters[0].move_type() == expected


def test_turning_round_takes_a_frame_and_then_the_walk_begins() -> None:
    match = alone()
    assert states(match, *["A"] * 4) == [State.TURN, State.TURN, State.WALK, State.WALK]
    assert match.fighters[0].facing == LEFT
    assert states(alone(), "Al") == [State.BACK_DASH]
    match = alone()
    match.place(0, 2.6, GROUND_1, RIGHT)
    assert states(match, "D", "D", "Dl", *["D"] * 10)[2:] == [State.DASH] * 9 + [State.SPRINT] * 2


def test_of_two_sides_held_the_last_one_pressed_decides_after_a_turn() -> None:
    match = alone()
    assert states(match, "D", "AD", "AD", "AD")[1:] == [State.TURN, State.TURN, State.WALK]
    assert match.fighters[0].facing == LEFT


def test_a_dodge_hangs_for_ten_frames_and_is_not_hit() -> None:
    match = match_of((4.0, GROUND_1, RIGHT), (4.9, GROUND_1, LEFT))
    press(match, "j", "l")
    assert match.fighters[1].state == State.DODGE
    press(match, steps=9)
    assert (match.fighters[1].state, match.fighters[1].damage) == (State.DODGE, 0)
    press(match)
    assert match.fighters[1].state == State.STAND
    press(match, "", "l", steps=5)
    assert match.fighters[1].state == State.STAND  # 30 frames between two dodges on the ground


def test_jumps_in_the_air_are_two_and_one_without_direction_looks_left() -> None:
    match = alone()
    press(match, "_")
    assert match.fighters[0].facing == RIGHT
    counts = []
    for _ in range(4):
        press(match, steps=7)
        press(match, "_")
        counts.append(match.fighters[0].own.jumps_left)
    assert counts == [1, 0, 0, 0]
    assert match.fighters[0].facing == LEFT


def test_falling_is_faster_while_down_is_held() -> None:
    speeds = []
    for letters in ("", "S"):
        match = alone()
        match.place(0, 0.0, -6.0, RIGHT)
        press(match, steps=3)
        press(match, letters, steps=2)
        speeds.append(match.fighters[0].vy)
    assert speeds[1] - speeds[0] == pytest.approx(2 * 14.25 / 30)


def test_a_taunt_lasts_a_second_and_ends_on_the_ground() -> None:
    match = alone()
    assert states(match, *["g"] + [""] * 31) == [State.TAUNT] * 30 + [State.STAND] * 2


# -- moves


# Frames in Attack when nothing is hit. Worked from the data: casts take startup + active + 1 frames, a charge ends when
# more than min_charge frames are over, and the active frames of a last power's last cast count toward its recovery.
WHIFFS = {
    "NLight": 15,  # 2+1+1 + 2, 0+0+1 + 1+2
    "DLight": 16,  # 2+1+1, 0+4+1, 0+1+1, 0+2+1 + 0+4-2
    "SLight": 17,
    "NSig": 17,  # 6 + 1 of the charge, 2+3+1 + 2+5-3
    "DSig": 25,
    "SSig": 22,
}


@pytest.mark.parametrize(("move", "letters"), list(zip(WHIFFS, ("j", "Sj", "Dj", "k", "Sk", "Dk"), strict=True)))
def test_how_long_a_move_takes_that_hits_nothing(move: str, letters: str) -> None:
    seen = states(alone(), letters, *[""] * 40)
    assert seen.count(State.ATTACK) == WHIFFS[move]
    assert seen[WHIFFS[move] :] == [State.STAND] * (41 - WHIFFS[move])


@pytest.mark.parametrize(
    ("letters", "frames"), [("j", 19), ("Sj", 23), ("Dj", 20), ("k", 22), ("Sk", 32)], ids=lambda value: str(value)
)
def test_how_long_a_move_takes_in_the_air(letters: str, frames: int) -> None:
    match = alone()
    match.place(0, 4.0, -6.0, RIGHT)
    press(match)
    assert states(match, letters, *[""] * 60).count(State.ATTACK) == frames


def test_a_charge_goes_on_while_the_key_is_held_until_it_ends_by_itself() -> None:
    counts = []
    for held in (1, 20, 40):
        match = alone()
        press(match, "k", steps=held)
        counts.append(held)
        while match.fighters[0].state == State.ATTACK:
            press(match)
            counts[-1] += 1
    # the input, the charge, 10 frames more; the charge ends in its frame 7 at the earliest, 1 after the key went, and
    # in its frame 38 (72 // 2 + 2) at the latest
    assert counts == [1 + 7 + 10, 20 + 1 + 10, 1 + 38 + 10]


def test_a_hit_pushes_once_by_the_force_of_the_damage() -> None:
    match = match_of((4.0, GROUND_1, RIGHT), (4.9, GROUND_1, LEFT))
    match.fighters[1].damage = 100
    press(match, "k")
    while match.fighters[1].damage == 100:
        press(match)
    total = 120
    force = 40 + 46 * (total / 70 + total**2 / 12000)
    victim = match.fighters[1]
    # the turn of the victim comes after the hit: stunned at once, pushed upwards, then a step of gravity
    assert (victim.state, victim.own.stun_frames) == (State.STUN, 9)
    assert victim.vy == pytest.approx(-force * 0.096 + 17.808 / 30)
    press(match)
    assert victim.vy == pytest.approx(-force * 0.096 + 2 * 17.808 / 30)


def test_a_recovery_is_had_once_in_the_air() -> None:
    match = alone()
    press(match, "_")
    press(match, steps=3)
    assert states(match, "k") == [State.ATTACK]
    while match.fighters[0].state == State.ATTACK:
        press(match)
    assert match.fighters[0].own.recoveries_left == 0
    assert states(match, "k", "k") == [State.IN_AIR] * 2


def test_every_frame_of_every_move_runs() -> None:
    for name in MOVES:
        arm, move = name.split("/")
        kind = MoveType[move.upper()]
        letters = {0: "j", 1: "Sj", 2: "Dj"}[(kind - 2) % 3] if kind not in (5, 6, 7, 11, 12) else ""
        letters = letters or {5: "k", 6: "Sk", 7: "Dk", 11: "k", 12: "Sk"}[int(kind)]
        match = match_of(
            (4.0, GROUND_1 if kind <= 7 else -2.0, RIGHT),
            (4.9, GROUND_1 if kind <= 7 else -2.0, LEFT),
            weapon=("unarmed", "spear", "hammer").index(arm),
        )
        if kind > 7:
            press(match)
        press(match, letters)
        assert match.fighters[0].own.move_type == kind
        press(match, steps=90)
        assert match.fighters[0].state != State.ATTACK


# -- capsules


def test_round_ends_are_exact_and_the_middle_is_a_rectangle_of_whole_numbers() -> None:
    hurtbox = Capsule(4.9, 0.35, 0.928, 1.024)
    assert hurtbox.rectangle() == (4, 0, 0, 0)  # from 4.436, .302, .928 and .096: a point
    assert Capsule(4.05, 0.05, 0.16, 0.16).hits(hurtbox)  # near the point only
    assert not Capsule(4.05, 0.05, 0.14, 0.14).hits(hurtbox)
    assert Capsule(-4.9, -0.35, 0.928, 1.024).rectangle() == (-5, 0, 0, 0)  # cut, not rounded down
    beside = 0.464 + 0.25
    assert Capsule(4.9 + beside - 1e-6, 0.302, 0.5, 0.5).hits(hurtbox)
    assert not Capsule(4.9 + beside + 1e-6, 0.302, 0.5, 0.5).hits(hurtbox)
    assert Capsule(0.0, 0.0, 4.4, 2.2).rectangle() == (-1, -1, 2, 2)


def test_a_hit_is_tried_where_the_victim_was_in_its_last_turn() -> None:
    match = match_of((4.0, GROUND_1, RIGHT), (4.9, GROUND_1, LEFT))
    press(match)
    match.place(1, 6.9, GROUND_1, LEFT)  # out of reach, but its hurtbox is not there yet
    reach = Capsule(4.0 + 76 * PIXEL, GROUND_1, 90 * PIXEL, 66 * PIXEL)
    assert reach.hits(match.fighters[1].hurtbox)
    press(match)
    assert not reach.hits(match.fighters[1].hurtbox)


# -- the platform


def test_the_platform_shuttles_and_carries_who_stands_on_it() -> None:
    match = alone()
    platform, seen = match.world.platform, []
    match.place(0, platform.x, platform.y - 0.55, RIGHT)
    before = None
    for _ in range(600):
        press(match)
        fighter = match.fighters[0]
        if before is not None:
            assert (fighter.x - platform.x, fighter.y - platform.y) == pytest.approx(before, abs=1e-3)
        before = fighter.x - platform.x, fighter.y - platform.y
        seen.append((platform.x, platform.y))
    assert all(y == pytest.approx(1 - x) for x, y in seen)
    # it stops where less than .1 is left to go
    assert min(x for x, _ in seen) == pytest.approx(-1 + 0.1 / math.sqrt(2), abs=0.01)
    assert max(x for x, _ in seen) == pytest.approx(1 - 0.1 / math.sqrt(2), abs=0.01)
