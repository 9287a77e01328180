"""Facts of the original, savestates, pictures after a load, and settings that make no arena."""

import math
from typing import Any

import numpy as np
import pytest

from puffer_envs import registry
from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.dodge import world
from puffer_envs.dodge.config import DT, Config
from puffer_envs.dodge.env import Dodge
from puffer_envs.dodge.state import COUNTDOWN, NUM_BALLS, STEP

STAND = np.zeros((1, 3), np.float32)


def make(num_envs: int = 1, **settings: Any) -> Dodge:
    env = Dodge(Config(**settings), num_envs, seed=1)
    env.reset()
    return env


def until_thrown(env: Dodge) -> np.ndarray:
    """Stand until the first ball is there; float64 [6]."""
    while not env.state.numbers[0, NUM_BALLS]:
        env.step(np.zeros_like(env.actions))
    return env.state.balls[0, 0]


# -- the original's figures ------------------------------------------------------------------------------------------
def test_a_ball_from_straight_ahead_comes_as_in_the_original() -> None:
    env = make(spawn_angle_degrees=0.0)
    ball = until_thrown(env)
    assert ball.tolist() == pytest.approx([0, 20, 1.5, 0, -25, 3.295])
    env.state.player[0, 0] = 5.0  # out of its way
    for _ in range(48):  # its flight of .8 s
        env.step(STAND)
    assert ball[1] == pytest.approx(0.0)
    assert ball[2] == pytest.approx(1.0 - 9.8 * 0.8 * DT / 2)  # steps take half a step's gravity more: .065


def test_a_slow_ball_of_level_1() -> None:
    ball = until_thrown(make(level=1))
    assert abs(ball[0]) <= 1.5
    assert ball[1:3].tolist() == [20, 2.5]
    assert ball[3:].tolist() == pytest.approx([-ball[0] / 2, -10, (1 - 2.5 + 4.9 * 4) / 2])


@pytest.mark.parametrize(("level", "interval"), [(1, 120), (2, 30), (3, 30)])
def test_balls_come_in_equal_times(level: int, interval: int) -> None:
    env = make(level=level)
    thrown = []
    for step in range(400):
        before = env.state.numbers[0, COUNTDOWN]
        env.state.player[0] = [0, 0, 50, 0, 0, 0]  # far above them all
        env.step(STAND)
        if before == 1:
            thrown.append(step)
    assert set(np.diff(thrown)) == {interval}


@pytest.mark.parametrize(("level", "angle"), [(2, 30.0), (2, 60.0), (3, 180.0)])
def test_directions_fill_the_arc(level: int, angle: float) -> None:
    env = make(500, level=level, **({} if level == 3 else {"spawn_angle_degrees": angle}))
    for _ in range(30):
        env.step(np.zeros((500, 3), np.float32))
    assert (env.state.numbers[:, NUM_BALLS] == 1).all()
    ball = env.state.balls[:, 0]
    start = ball[:, :2] - ball[:, 3:5] * (30 - env.state.numbers[:, COUNTDOWN, None]) * DT
    assert np.hypot(*start.T) == pytest.approx(20)
    angles = np.degrees(np.arctan2(*start.T))
    assert np.abs(angles).max() == pytest.approx(angle, rel=0.02)
    assert abs(angles.mean()) < angle / 6


def test_sprint_speeds_and_diagonals() -> None:
    env = make()
    for action, speed in (((1, 0, -1), (5, 0)), ((1, 0, 1), (15, 0)), ((1, 0, 0), (10, 0)), ((-1, 1, 1), (-15, 15))):
        env.step(np.array([action], np.float32))
        assert env.state.player[0, 3:5].tolist() == list(speed)


def test_the_zone_holds_the_player() -> None:
    env = make(level=1)
    for _ in range(60):
        env.step(np.array([[1, -1, 1]], np.float32))
    assert env.state.player[0, :2].tolist() == [5, -4]
    assert env.state.player[0, 3:5].tolist() == [15, -15]


def test_a_jump_lifts_the_player_for_the_time_that_gravity_takes() -> None:
    env = make(level=1, actions="basic_4d_jump")
    heights = []
    for _ in range(60):
        env.step(np.array([[0, 0, 0, 1 if not heights else 0]], np.float32))
        heights.append(float(env.state.player[0, 2]))
    assert max(heights) == pytest.approx(1 + 7 * 7 / 40, abs=0.07)
    assert 1 < heights[41] < heights[40]
    assert heights[44:] == [1.0] * 16


# -- rewards and ends --------------------------------------------------------------------------------------------------
def test_a_hit_pays_nothing_else_and_ends_the_episode() -> None:
    env = make(spawn_angle_degrees=0.0)
    env.keep_episodes(True)
    while not env.terminals[0]:
        env.step(STAND)
    assert env.reward_terms[0].tolist() == [0, 0, -100]
    episode = env.poll_episodes()[0]
    assert episode.summary["survived"] is False
    assert episode.summary["nearest_ball"] < 0.8
    assert episode.summary["steps"] == episode.length


def test_a_ball_that_passes_by_pays_by_how_near_it_is() -> None:
    env = make()
    env.state.balls[0, 0], env.state.numbers[0, NUM_BALLS] = [0, 1.5, 1, 0, 0, 0], 1
    env.step(STAND)
    distance = np.linalg.norm(env.state.balls[0, 0, :3] - env.state.player[0, :3])
    assert env.reward_terms[0].tolist() == pytest.approx([1, (2 - distance) / 2, 0])
    assert env.rewards[0] == pytest.approx(1 + (2 - distance) / 2)


@pytest.mark.parametrize("frame_skip", [1, 3])
def test_who_survives_is_truncated_after_the_last_step(frame_skip: int) -> None:
    env = make(max_steps=100, frame_skip=frame_skip)
    env.keep_episodes(True)
    steps = 0
    while not env.truncations[0]:
        env.state.player[0] = [0, 0, 50, 0, 0, 0]
        env.step(STAND)
        steps += 1
    assert steps == math.ceil(100 / frame_skip)
    episode = env.poll_episodes()[0]
    assert episode.summary["survived"] is True
    assert episode.summary["steps"] == 100
    assert episode.term_returns.tolist() == [100, 0, 0]
    assert (episode.reached >= 0).all()


def test_whom_the_curriculum_ends_has_not_survived() -> None:
    env = make()
    env.keep_episodes(True)
    env.request_reset(np.ones(1, np.bool_))
    env.step(STAND)
    assert env.truncations[0]
    assert env.poll_episodes()[0].summary["survived"] is False


def test_milestones_are_shares_of_the_time() -> None:
    env = make(max_steps=40)
    held = []
    for _ in range(39):
        env.state.player[0] = [0, 0, 50, 0, 0, 0]
        env.step(STAND)
        held.append(env.milestones_held[0].sum())
    assert [held.index(count) + 1 for count in (1, 2, 3)] == [10, 20, 30]


# -- savestates --------------------------------------------------------------------------------------------------------
def test_a_savestate_goes_on_with_its_balls_its_clock_and_its_milestones() -> None:
    env = make(2)
    env.state.player[0] = [0, 0, 50, 0, 0, 0]
    for _ in range(300):
        env.state.player[:, 2] = 50.0
        env.step(np.zeros((2, 3), np.float32))
    state = env.save_state(0)
    env.load_state(1, state)
    assert env.state.balls[1].tolist() == env.state.balls[0].tolist()
    assert env.state.numbers[1].tolist() == env.state.numbers[0].tolist()
    assert env.state.numbers[1, STEP] == 300
    assert env.milestones_held[1].tolist() == [True, False, False, False]
    assert env.rng[0].tolist() != env.rng[1].tolist()


def test_no_savestate_is_taken_of_a_player_who_is_hit_in_the_same_decision() -> None:
    """A milestone in the second of four steps, the ball in the third."""
    env = make(frame_skip=4, max_steps=100, level=1)
    env.want_states(np.ones(4, np.bool_))
    for hit in (False, True):
        env.state.numbers[0, [STEP, NUM_BALLS, COUNTDOWN]] = [23, int(hit), 99]
        env.state.player[0] = [0, 0, 1, 0, 0, 0]
        env.state.balls[0, 0] = [0, 2.0, 1, 0, -25, 0] if hit else 0
        env.milestones_held[0] = False
        env.step(STAND)
        (event,) = env.poll_events()
        assert env.terminals[0] == hit
        assert (event.milestone, event.state is None) == (0, hit)


def test_pictures_are_whole_after_loads_and_restores() -> None:
    """What is drawn is changed from what was drawn: it must know what that was."""
    settings: dict[str, Any] = {"observation": "image", "image_size": 40, "level": 3}
    env, other = make(2, **settings), make(2, **settings)
    for step in range(200):
        actions = np.random.default_rng(step).uniform(-1, 1, (2, 3)).astype(np.float32)
        env.step(actions)
        if step % 20 == 7:
            other.restore(1, env.snapshot(0))
        elif step % 20 == 13:
            other.load_state(1, env.save_state(1))
        other.step(actions)
        for each in (env, other):
            fresh = Dodge(each.config, 2)
            for row in range(2):
                fresh.read_world(row, each.write_world(row))
            fresh.observe(fresh.observations, fresh.agent_ids)
            np.testing.assert_array_equal(each.observations, fresh.observations)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        *(("numbers", column, value) for column, value in ((0, 13), (0, -1), (1, 0), (1, 31), (2, -1), (3, 1))),
        *(("player", column, value) for column, value in ((0, 5.1), (1, -4.1), (2, 0.9), (0, np.nan))),
        ("balls", (0, 0), np.inf),
    ],
)
def test_a_world_that_no_episode_comes_to_is_refused(name: str, place: Any, value: float) -> None:
    env = make()
    arrays = state_file.unpack(world.KIND, env.save_state(0))
    arrays[name][place] = value
    before = env.snapshot(0)
    with pytest.raises(StateFileError):
        env.load_state(0, state_file.pack(world.KIND, arrays))
    assert env.snapshot(0) == before


def test_a_state_of_another_level_is_refused() -> None:
    slow = make(level=1)
    slow.state.numbers[0, COUNTDOWN] = 99
    with pytest.raises(StateFileError, match="99 steps"):
        make().load_state(0, slow.save_state(0))


# -- settings ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "settings",
    [
        *({name: "nothing"} for name in ("actions", "observation", "colour")),
        *({"level": 4}, {"level": 0}, {"image_size": 8}, {"spawn_angle_degrees": 181.0}, {"frame_skip": 0}),
        *({"max_steps": 0}, {"sprint_multiplier": -1.0}),
    ],
)
def test_settings_that_make_no_arena(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} is"):
        registry.make("dodge", 1, **settings)


def test_a_picture_of_it() -> None:
    env = make(with_thrower=True, actions="full_6d")
    pictures = []
    for _ in range(120):
        env.state.player[0, 2] = 2.0
        env.step(np.full((1, 6), 0.3, np.float32))
        pictures.append(env.render())
    assert {picture.shape for picture in pictures} == {(500, 800, 3)}
    assert len({picture.tobytes() for picture in pictures}) > 100
