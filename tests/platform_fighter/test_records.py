"""What is kept of a match: weapons that lie about, facts, milestones, savestates."""

import numpy as np
import pytest

from puffer_envs import registry
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.contract.vector_env import LEARNER
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter import world
from puffer_envs.platform_fighter.config import CONSTANT, DT, Config, reward_weights
from puffer_envs.platform_fighter.env import PlatformFighter
from tests.platform_fighter.driver import Driver
from tests.platform_fighter.envs import face_off, field, make, press

WEIGHTS = reward_weights(Config())


# -- weapons -----------------------------------------------------------------------------------------------------------
def wait_for_weapon(env: PlatformFighter) -> tuple[int, float]:
    """Spawner, and where its weapon is, of the first weapon that can be picked up."""
    for _ in range(1_000):
        press(env)
        for i in range(2):
            if env.state.spawner_whole[0, i, s.READY] and env.state.spawner_whole[0, i, s.ACTIVE]:
                return i, float(env.state.spawner_real[0, i, s.SPOT_X])
    raise AssertionError("no weapon came")


def test_weapons_are_picked_up_thrown_away_and_picked_up_again() -> None:
    env = make()
    number, x = wait_for_weapon(env)
    kind = int(env.state.spawner_whole[0, number, s.CONTENT])
    driver = Driver.__new__(Driver)
    driver.match = env.match(0)
    driver.place(0, x, (0.4155, 2.3744)[number], 1)
    assert field(env, 0, 16 + 3 * number) == np.float32(x)
    assert field(env, 0, 18 + 3 * number) == 1
    terms = press(env, "h")
    assert field(env, 0, 15) == kind
    assert terms["equip"].tolist() == [10 * kind, 0]
    assert field(env, 0, 18 + 3 * number) == 0
    press(env)
    terms = press(env, "h")
    assert terms["drop"].tolist() == [-15, 0]
    assert field(env, 0, 15) == 0
    assert [field(env, 0, i) for i in (22, 24)] == [np.float32(env.state.spawner_real[0, 2, s.SPOT_X]), kind + 1]
    taken = []
    for step in range(20):  # locked for fifteen steps, and only a fresh press counts
        taken.append(press(env, "h" if step and step % 2 == 0 else "")["equip"][0])
    assert [step for step, pay in enumerate(taken) if pay] == [14]
    env.request_reset(np.ones(1, np.bool_))
    press(env)
    assert env.poll_episodes()[0].summary["weapons_picked_up"] == 2


def test_a_dropped_weapon_lies_for_250_steps_and_keeps_new_ones_away() -> None:
    env = make()
    face_off(env, 1.5)
    env.state.whole[0, 0, s.WEAPON] = s.SPEAR
    press(env, "h")
    whole = env.state.spawner_whole[0]
    whole[:2, s.ACTIVE], whole[:2, s.LAST_SPAWN] = 0, -10_000  # both would make one at once
    for _ in range(249):
        press(env)
        assert env.state.numbers[0, s.NUM_SPAWNERS] == 3
        assert not whole[:2, s.ACTIVE].any()
    press(env)
    assert env.state.numbers[0, s.NUM_SPAWNERS] == 2
    press(env)
    assert whole[:2, s.ACTIVE].all()


# -- records -----------------------------------------------------------------------------------------------------------
def test_the_facts_of_an_episode() -> None:
    env = make()
    face_off(env)
    press(env, "k")
    for _ in range(14):
        press(env)
    env.state.real[0, 1, :2] = 9.0, 5.0
    for _ in range(30):
        press(env)
    env.request_reset(np.ones(1, np.bool_))
    press(env)
    first, second = (episode.summary for episode in env.poll_episodes())
    steps = 30 + 1 + 14 + 30 + 1
    assert first["damage_dealt"] == second["damage_taken"] == 20
    assert first["damage_taken"] == second["damage_dealt"] == 0
    assert first["knockouts_dealt"] == second["knockouts_taken"] == 1
    assert first["attacks_attempted"] == 1
    assert second["attacks_attempted"] == 0
    assert first["danger_zone_pct"] == 0
    assert second["danger_zone_pct"] == pytest.approx(100 * 31 / steps)
    assert first["survival_time"] == pytest.approx(steps * DT)
    assert set(first) >= {column.name for column in registry.resolve("platform_fighter").columns}


def test_facts_and_opponents_are_of_one_episode_and_go_with_a_snapshot() -> None:
    env = make(1)
    env.set_next_seats(0, (LEARNER, CONSTANT))
    face_off(env)
    press(env, "k", "j")
    for _ in range(14):
        press(env)
    shot, facts = env.snapshot(0), env.facts.copy()
    assert facts[:, s.ATTACKS].tolist() == [1, 1]
    env.request_reset(np.ones(1, np.bool_))
    press(env)
    assert not env.facts.any()
    assert env.active.tolist() == [True, False]
    env.restore(0, shot)
    assert (env.facts == facts).all()
    assert env.active.all()
    press(env, "", "a")
    assert env.state.whole[0, 1, s.HELD] == s.KEY_A
    env.request_reset(np.ones(1, np.bool_))
    press(env)
    assert env.active.tolist() == [True, False]


def test_milestones_come_in_their_order_once() -> None:
    env = make()
    env.poll_events()
    face_off(env)
    press(env, "k")
    for _ in range(14):
        press(env)
    for _ in range(3):
        env.state.real[0, 1, s.X] = 14.5
        for _ in range(91):
            press(env)
            if env.terminals.any():
                break
    events = [(event.row, env.spec.milestones[event.milestone].name) for event in env.poll_events()]
    assert events == [(0, "first_hit"), (0, "first_knockout"), (0, "second_knockout"), (0, "win")]


# -- savestates --------------------------------------------------------------------------------------------------------
def test_a_world_goes_on_as_it_was_in_another_environment() -> None:
    env, other = make(1, opponent="constant"), make(2, opponent="constant")
    for step in range(600):
        press(env, "dj" if step % 3 else "h_")
    other.load_state(1, env.save_state(0))
    assert (other.observations[2:] == env.observations).all()
    assert not other.facts[2:].any()
    assert other.milestones_held[2:, 0].tolist() == (env.state.real[0, ::-1, s.DAMAGE] > 0).tolist()
    for step in range(20):
        press(env, "aj"[step % 2])
        press(other, "", "", "aj"[step % 2])
    assert (other.observations[2:] == env.observations).all()


def test_a_world_that_kernels_would_go_astray_in_is_refused() -> None:
    env = make()
    for column, value in ((s.STATE, 13), (s.POWER, 10_000), (s.MOVE, -1), (s.FACING, 0), (s.WEAPON, 7)):
        shot = env.snapshot(0)
        env.state.whole[0, 1, column], before = value, env.state.whole[0, 1, column]
        bad = env.save_state(0)
        env.state.whole[0, 1, column] = before
        with pytest.raises(StateFileError, match="make no match"):
            env.load_state(0, bad)
        assert env.snapshot(0) == shot
    env.state.real[0, 0, s.X], before = np.nan, env.state.real[0, 0, s.X]
    bad = world.pack(env.state, 0)
    env.state.real[0, 0, s.X] = before
    with pytest.raises(StateFileError, match="no number"):
        env.load_state(0, bad)


def test_an_end_is_no_beginning() -> None:
    env = make()
    assert env.can_begin(0)
    env.state.whole[0, 0, s.STOCKS_LEFT] = 0
    assert not env.can_begin(0)
    env.state.whole[0, 0, s.STOCKS_LEFT] = 1
    env.state.numbers[0, s.FRAME] = 2_700
    assert not env.can_begin(0)
