"""The named terms of the reward, and how a match ends."""

import pytest

from puffer_envs.platform_fighter import rewards
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.config import DT, Config, reward_weights
from tests.platform_fighter.envs import face_off, field, make, press

WEIGHTS = reward_weights(Config())


def test_damage_is_paid_and_charged() -> None:
    env = make()
    face_off(env)
    press(env, "k")
    paid = [press(env)["damage_interaction"] for _ in range(12)]
    hits = [step for step, terms in enumerate(paid) if terms.any()]
    assert hits == [9]  # the eleventh step from the key on
    assert paid[9] == pytest.approx([20 / 140, -20 / 140])


def test_attacking_and_many_keys_cost_time() -> None:
    env = make()
    face_off(env, 3.0)
    terms = press(env, "k", "wasd")
    assert terms["penalize_attack"] == pytest.approx([WEIGHTS["penalize_attack"] * DT, 0])
    assert terms["many_keys"] == pytest.approx([0, WEIGHTS["many_keys"] * DT])
    assert not press(env, "wad")["many_keys"].any()


def test_the_danger_zone_begins_below_the_floors() -> None:
    env = make()
    face_off(env, 3.0)
    env.state.real[0, 0, :2] = 8.0, 4.21
    assert press(env)["danger_zone"] == pytest.approx([-0.5 * DT, 0])
    env.state.real[0, 0, s.Y], env.state.real[0, 0, s.VY] = 4.1, 0
    assert not press(env)["danger_zone"].any()


def test_going_to_the_opponent_pays_and_leaving_it_costs() -> None:
    env = make(reward_approach=2.0)
    face_off(env, 3.0)
    press(env, "d")
    assert press(env, "d")["approach"] == pytest.approx([2 * DT * 6.4591, 0], abs=1e-4)  # a walk, less friction
    press(env, "a")
    for _ in range(3):
        terms = press(env, "a")
    assert terms["approach"] == pytest.approx([-2 * DT * 6.4591, 0], abs=1e-4)
    assert not press(make(), "d")["approach"].any()  # it weighs nothing unless somebody wants it


def test_an_approach_is_the_speed_in_the_opponents_direction() -> None:
    match = make().match(0)
    match.real[0, [s.X, s.Y, s.VX, s.VY]] = 1.0, 1.0, 3.0, 0.0
    match.real[1, [s.X, s.Y, s.VX, s.VY]] = 4.0, 5.0, 0.0, 0.0  # 3 across and 4 down: 5 away
    assert rewards.approach(match, 0) == pytest.approx(DT * 3 * 3 / 5)
    assert rewards.approach(match, 1) == 0
    match.whole[1, s.STATE] = s.KO  # where it waits is no place to go to
    assert rewards.approach(match, 0) == 0
    match.whole[1, s.STATE] = s.STAND
    match.real[1, [s.X, s.Y]] = 1.0, 1.0
    assert rewards.approach(match, 0) == 0


def test_a_hit_while_stunned_is_a_combo() -> None:
    env = make()
    face_off(env)
    press(env, "j")
    combos, stunned = [], []
    for _ in range(30):
        combos.append(press(env)["combo"])
        stunned.append(field(env, 1, 8) == s.STUN)
    paid = [step for step, terms in enumerate(combos) if terms.any()]
    assert len(paid) == 3  # the second, third and last of four blows
    assert all(combos[step].tolist() == [5, -5] and stunned[step - 1] for step in paid)


def test_a_knockout_is_paid_at_once_and_the_win_a_step_late() -> None:
    env = make()
    face_off(env)
    env.state.real[0, 1, s.X] = 14.1
    env.state.whole[0, 1, s.STOCKS_LEFT] = 1
    terms = press(env)
    assert terms["knockout"].tolist() == [8, -8]
    assert not terms["win"].any()
    assert not env.terminals.any()
    assert field(env, 1, 13) == 0
    terms = press(env)
    assert terms["win"].tolist() == [50, -50]
    assert env.terminals.all()
    assert not env.truncations.any()
    won = [episode.summary["won"] for episode in env.poll_episodes()]
    assert won == [True, False]


def test_who_falls_waits_three_seconds_and_returns_unarmed_and_unhurt() -> None:
    env = make()
    face_off(env, damage=50, weapon=s.HAMMER)
    home = env.state.real[0, 1, s.HOME_X]
    env.state.real[0, 1, s.X] = 14.1
    press(env)
    for _ in range(89):
        press(env)
        assert field(env, 1, 8) == s.KO
    press(env)
    assert [field(env, 1, i) for i in (0, 7, 8, 9, 12, 13, 15)] == [home, 0, s.IN_AIR, 0, 0, 2, 0]


def test_a_win_in_the_last_step_is_a_win() -> None:
    env = make(max_steps=40)
    for _ in range(38):
        press(env)
    env.state.real[0, 1, s.X], env.state.whole[0, 1, s.STOCKS_LEFT] = 14.1, 1
    press(env)
    press(env)
    assert env.terminals.all()
    assert not env.truncations.any()


def test_a_match_is_cut_off_after_ninety_seconds() -> None:
    env = make(opponent="constant")
    for _ in range(2_699):
        press(env)
    assert not env.truncations.any()
    terms = press(env)
    assert env.truncations.all()
    assert not env.terminals.any()
    assert not terms["win"].any()
    episode = env.poll_episodes()[0]
    assert episode.summary["won"] is False
    assert episode.summary["survival_time"] == pytest.approx(90.0)
