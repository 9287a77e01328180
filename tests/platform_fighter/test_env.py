"""The environment around the rules: actions, opponents, records, savestates and reward terms."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from puffer_envs import registry
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.contract.vector_env import GUEST, LEARNER
from puffer_envs.platform_fighter import moves as m
from puffer_envs.platform_fighter import rewards, world
from puffer_envs.platform_fighter import state as s
from puffer_envs.platform_fighter.config import BASED, CONSTANT, DT, Config, reward_weights
from puffer_envs.platform_fighter.env import PlatformFighter
from puffer_envs.platform_fighter.rules.scripts import keys_of
from tests.platform_fighter.driver import LETTERS, Driver

WEIGHTS = reward_weights(Config())


def make(num_envs: int = 1, **settings: Any) -> PlatformFighter:
    env = PlatformFighter(Config(**settings), num_envs)
    env.reset(seed=0)
    env.keep_episodes(True)
    return env


def press(env: PlatformFighter, *rows: str) -> dict[str, np.ndarray]:
    """A step with these keys for the first rows, none for the others; the weighted terms by name, float32 [N]."""
    actions = np.zeros((env.num_agents, s.NUM_KEYS), np.int8)
    for row, letters in enumerate(rows):
        for letter in letters:
            actions[row, LETTERS.index(letter)] = 1
    env.step(actions)
    return dict(zip(rewards.TERMS, env.reward_terms.T.copy(), strict=True))


def field(env: PlatformFighter, row: int, number: int) -> float:
    return float(env.spec.layout.unpack(env.observations, "own")[row, number])


def face_off(env: PlatformFighter, gap: float = 0.9, **of_second: Any) -> None:
    """The first fighter at x = 4 looks at the second one, ``gap`` ahead; both stand."""
    driver = Driver.__new__(Driver)
    driver.env, driver.match = env, env.match(0)
    for _ in range(30):
        press(env)
    driver.place(0, 4.0, 0.4155, 1)
    driver.place(1, 4.0 + gap, 0.4155, -1, **of_second)


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


# -- rewards -----------------------------------------------------------------------------------------------------------
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
    presets, rows = training["presets"], 2 * training["num_envs"]
    test, full = presets["test"], presets["full"]
    assert test["total_steps"] >= 5 * rows * training["learner"]["num_steps"]  # five updates at least
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
