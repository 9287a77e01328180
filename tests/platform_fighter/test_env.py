"""The environment around the rules: rows, actions, observations, opponents, settings."""

import hashlib
import json

import numpy as np
import pytest

from puffer_envs import registry
from puffer_envs.contract.vector_env import GUEST, LEARNER
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.config import BASED, Config, reward_weights
from puffer_envs.platform_fighter.env import PlatformFighter
from puffer_envs.platform_fighter.rules.scripts import keys_of
from tests.platform_fighter.driver import LETTERS
from tests.platform_fighter.envs import face_off, field, make, press

WEIGHTS = reward_weights(Config())


# -- rows, actions, observations ---------------------------------------------------------------------------------------
def test_rows_and_fields() -> None:
    env = make(3)
    assert env.num_agents == 6
    assert env.actions.shape == (6, 10)
    assert [(each.name, each.shape) for each in env.spec.layout] == [("own", (32,)), ("opponent", (32,))]
    for _ in range(40):
        press(env, "d", "aj")
    own, opponent = (env.spec.layout.unpack(env.observations, name) for name in ("own", "opponent"))
    assert (own[0::2] == opponent[1::2]).all()
    assert (own[1::2] == opponent[0::2]).all()
    assert (own[:, 0] != opponent[:, 0]).all()


def test_a_key_out_of_range_presses_none() -> None:
    for bad in (2, -1):
        env, idle = make(), make()
        for each in (env, idle):
            for _ in range(30):
                press(each)
        actions = np.zeros((2, 10), np.int8)
        actions[0, 1], actions[0, 5] = 1, bad
        env.step(actions)
        press(idle)
        assert (env.observations == idle.observations).all()


def test_sides_are_drawn_fairly() -> None:
    env = make(400)
    right = env.observations[0::2, 0] > 0
    assert (right != (env.observations[1::2, 0] > 0)).all()
    assert 160 < right.sum() < 240  # four standard deviations
    assert (env.observations[:, 4] == (env.observations[:, 0] < 0)).all()  # both look inward


def test_fields_that_the_present_state_does_not_keep_are_zero_and_kept_ones_are_old() -> None:
    env = make()
    face_off(env, 3.0)
    assert [field(env, 0, i) for i in (7, 8, 9, 14)] == [0, s.STAND, 0, 0]
    press(env, "_")
    assert [field(env, 0, i) for i in (7, 8, 9)] == [2, s.IN_AIR, 1]
    for _ in range(8):
        press(env)
    press(env, "l")  # a dodge in the air keeps its jumps ...
    assert [field(env, 0, i) for i in (7, 8, 9, 10)] == [2, s.DODGE, 1, 10]
    for _ in range(120):
        press(env)
    assert [field(env, 0, i) for i in (7, 8, 9)] == [0, s.STAND, 0]
    press(env, "l")  # ... and one on the ground shows them still
    assert [field(env, 0, i) for i in (7, 8, 9, 10)] == [2, s.DODGE, 1, 10]


def test_damage_and_stun_are_seen() -> None:
    env = make()
    face_off(env, damage=70.0)
    assert field(env, 1, 12) == 0
    press(env, "j")
    assert field(env, 1, 12) == np.float32(0.1)
    seen = []
    for _ in range(5):
        press(env)
        seen.append([field(env, 1, i) for i in (8, 11)])
    assert seen == [[s.STAND, 0], [s.STAND, 0], [s.STUN, 8], [s.STUN, 7], [s.STUN, 6]]
    assert field(env, 1, 12) == np.float32(73 / 700)


# -- opponents ---------------------------------------------------------------------------------------------------------
def test_a_scripted_row_is_inactive_and_its_actions_are_ignored() -> None:
    ignored, obeyed = make(2, opponent="constant"), make(2)
    assert ignored.active.tolist() == [True, False] * 2
    assert obeyed.active.all()
    for _ in range(40):
        press(ignored, "", "a")
        press(obeyed, "", "a")
    assert abs(field(ignored, 1, 0)) == 5
    assert field(obeyed, 1, 0) != field(ignored, 1, 0)
    ignored.request_reset(np.ones(2, np.bool_))
    press(ignored)
    assert ignored.active.tolist() == [True, False] * 2


def test_based_walks_to_its_opponent_jumps_and_attacks() -> None:
    env = make(opponent="based")
    toward, jumped, attacked = 0, False, False
    for step in range(200):
        before = abs(field(env, 1, 0) - field(env, 0, 0))
        press(env)
        toward += abs(field(env, 1, 0) - field(env, 0, 0)) < before
        held, time = env.state.whole[0, 1, s.HELD], step + 1
        assert not held & s.KEY_SPACE or time % 2 == 0
        jumped |= bool(held & s.KEY_SPACE)
        attacked |= bool(held & s.KEY_J)
    assert toward > 20
    assert jumped
    assert attacked


@pytest.mark.parametrize(
    ("x", "y", "other_x", "state", "keys"),
    [
        (5.4, 0.0, 6.0, s.STAND, "aj"),  # off the edge: back
        (-5.4, 0.0, -9.0, s.STAND, "d"),
        (0.0, 0.0, 3.0, s.STAND, "d"),
        (0.0, 0.0, -3.0, s.STAND, "a"),
        (0.0, 0.0, -1.9, s.STAND, "aj"),
        (0.0, 1.7, 3.0, s.STUN, "_"),  # low: jump; a stunned opponent is not followed
        (0.0, 0.1, 3.0, s.KO, "_"),  # below its opponent
    ],
)
def test_the_rule_of_based(x: float, y: float, other_x: float, state: int, keys: str) -> None:

    match = make().match(0)
    match.real[1, :2], match.real[0, :2] = (x, y), (other_x, 0.0)
    match.whole[0, s.STATE] = state
    expected = sum(1 << LETTERS.index(letter) for letter in keys)
    assert keys_of(BASED, match, 1, 2) == expected
    assert keys_of(BASED, match, 1, 3) == expected & ~s.KEY_SPACE


def test_random_presses_each_key_half_of_the_time() -> None:
    env = make(20, opponent="random")
    held = np.zeros(10)
    for _ in range(200):
        press(env)
        held += (env.state.whole[:, 1, s.HELD, None] >> np.arange(10) & 1).sum(0)
    assert (np.abs(held / 4000 - 0.5) < 0.04).all()
    assert not env.state.whole[:, 0, s.HELD].any()


def test_matches_know_who_plays_against_whom() -> None:
    env = make(2)
    env.set_next_seats(1, (LEARNER, BASED))
    assert env.active.all()
    names = []
    for _ in range(3):
        press(env)
        env.request_reset(np.ones(2, np.bool_))
        press(env)
        names.append([episode.summary["opponent"] for episode in env.poll_episodes()])
        env.set_next_seats(1, (LEARNER, GUEST))
    assert names == [
        ["learner"] * 4,
        ["learner", "learner", "based", "learner"],
        ["learner", "learner", "guest", "learner"],
    ]


def test_a_script_can_play_the_first_fighter() -> None:
    env = make(1)
    env.set_next_seats(0, (BASED, LEARNER))
    press(env)
    env.request_reset(np.ones(1, np.bool_))
    press(env)
    assert env.active.tolist() == [False, True]
    match = env.match(0)
    expected = keys_of(BASED, match, 0, 1)
    press(env, "", "a")
    assert env.state.whole[0, :, s.HELD].tolist() == [expected, s.KEY_A]
    assert expected


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="opponent is 'nobody'; it can be learner, based"):
        PlatformFighter(Config(opponent="nobody"))


# -- moves, settings, speed --------------------------------------------------------------------------------------------
def test_the_table_of_moves_is_whole() -> None:
    moves = m.load()
    assert len(moves.starts) == 33
    assert len(moves.powers) == len(moves.on_hit_speed)
    assert len(moves.casts) == len(moves.blows) == len(moves.changes_at) == 206
    boxes = moves.casts[:, [m.FIRST_BOX, m.LAST_BOX]]
    assert (boxes[1:, 0] == boxes[:-1, 1]).all()
    assert boxes[-1, 1] == len(moves.boxes)
    following = moves.powers[:, [m.ON_HIT, m.ON_MISS, m.ON_GROUND]]
    assert following.min() == -1
    assert following.max() < len(moves.powers)
    # Every charge has a power to go on with, or a fighter would never leave it.
    charges = moves.powers[:, m.TRAITS] & m.CHARGES > 0
    assert (moves.powers[charges, m.ON_MISS] >= 0).all()


def test_of_two_changes_for_one_frame_the_first_one_counts() -> None:
    """The hammer's heavy side attack names frames 0 and 1 at 60 a second: speed 5 and .5."""
    moves = m.load()
    power = moves.starts[2 * len(m.NAMES) + m.NAMES.index("SSig")] + 1
    change = moves.changes_at[moves.powers[power, m.FIRST_CAST], 0]
    assert moves.changes[change, m.SET_X] == 5


def test_presets_differ_in_budget_and_saving_only() -> None:
    training = registry.resolve("platform_fighter").training()
    test, full = training["presets"]["test"], training["presets"]["full"]
    rows = 2 * test.pop("num_envs")
    assert test["total_steps"] >= 20 * rows * training["learner"]["num_steps"]  # twenty updates at least
    assert test["total_steps"] == 2 * test.pop("evaluation")["interval"]
    assert full["total_steps"] == 200 * test["total_steps"] == 10_000_000
    for preset in (test, full):
        assert preset.keys() == {"total_steps", "save_interval", "selfplay"}
        assert preset["selfplay"].keys() == {"snapshot_interval", "keep"}
    assert (test["selfplay"]["snapshot_interval"], test["selfplay"]["keep"]) == (5_000, 10)
    assert (full["selfplay"]["snapshot_interval"], full["selfplay"]["keep"]) == (100_000, 100)


PROGRAM = """
import hashlib
from tests.platform_fighter.test_env import digest
print(digest())
"""


def digest() -> str:
    """What 200 steps of random keys with weapons in hand look like."""
    env, random = make(4), np.random.default_rng(0)
    env.state.whole[:, 0, s.WEAPON] = (1, 2, 1, 2)
    seen = hashlib.sha256()
    for _ in range(200):
        env.step(random.integers(0, 2, (8, 10), dtype=np.int8))
        seen.update(env.observations.tobytes() + env.rewards.tobytes())
    return json.dumps(seen.hexdigest())


@pytest.mark.parametrize("variable", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_same_bytes_compiled_checked_and_plain(variable: str) -> None:
    from tests.contract.test_contract import _run

    assert _run(PROGRAM, **{variable: "1"}).strip() == digest()
