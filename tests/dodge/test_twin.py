"""The kernels against the slow twin: the same arenas from the same random numbers, step by step and pixel by pixel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from puffer_envs.dodge.config import Config
from puffer_envs.dodge.env import Dodge
from puffer_envs.dodge.state import COUNTDOWN, LEFT, NEAREST, NUM_BALLS, STEP, THROWN, WAITS
from puffer_envs.kit import rng
from tests.reference import dodge as reference

STEPS = 10_000


def stream_of(env: Dodge) -> Callable[[], float]:
    """The random numbers that an environment is about to draw."""
    stream = env.rng[0].copy()
    return lambda: float(rng.uniform(stream))


def draw(env: Dodge, random: np.random.Generator) -> Any:
    """An action that is held for a while by whoever asks; one of thirty is out of range."""
    space = env.spec.action_space
    if env.config.actions == "discrete":
        return int(random.integers(-1 if random.random() < 1 / 30 else 0, 5))
    numbers = random.uniform(-1, 1, space.shape).astype(np.float32)
    if random.random() < 1 / 30:
        numbers[random.integers(len(numbers))] = 1.5
    return numbers


def compare(env: Dodge, twin: reference.Dodge) -> None:
    """All that moves, bit for bit."""
    state = env.state
    assert state.player[0].tolist() == twin.player
    assert state.numbers[0, NUM_BALLS] == len(twin.balls)
    assert state.balls[0, : len(twin.balls)].tolist() == twin.balls
    assert not state.balls[0, len(twin.balls) :].any()
    assert (state.thrower[0].tolist() if state.numbers[0, WAITS] else None) == twin.thrower
    assert state.numbers[0, [COUNTDOWN, STEP]].tolist() == [twin.countdown, twin.steps]
    facts = env.facts[0]
    assert [facts[THROWN], facts[LEFT], facts[NEAREST]] == [twin.thrown, twin.left, twin.nearest]
    np.testing.assert_array_equal(env.observations[0], twin.observation().ravel())


def play_beside(settings: dict[str, Any], steps: int, seed: int = 0) -> int:
    """Play kernels and twin side by side; the number of episodes that ended."""
    env, twin = Dodge(Config(**settings), 1, seed=seed), reference.Dodge(**settings)
    uniform = stream_of(env)
    env.reset()
    twin.reset(uniform)
    random, episodes = np.random.default_rng(seed), 0
    for step in range(steps):
        if step % 7 == 0:
            action = draw(env, random)
        env.step(np.array([action]))
        terms, terminal, truncated = twin.step(action)
        assert (env.terminals[0], env.truncations[0]) == (terminal, truncated)
        np.testing.assert_allclose(
            env.reward_terms[0], np.multiply(terms, reference.WEIGHTS).astype(np.float32), rtol=1e-6
        )
        if terminal or truncated:
            np.testing.assert_array_equal(env.final_observations[0], twin.observation().ravel())
            twin.reset(uniform)
            episodes += 1
        compare(env, twin)
    return episodes


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("with_thrower", [False, True])
def test_ten_thousand_steps(level: int, with_thrower: bool) -> None:
    episodes = play_beside({"level": level, "with_thrower": with_thrower, "max_steps": 400}, STEPS, seed=level)
    assert episodes > 20


@pytest.mark.parametrize("actions", ["basic_4d_jump", "tilt_5d", "full_6d", "discrete"])
@pytest.mark.parametrize("frame_skip", [1, 3])
def test_every_kind_of_action(actions: str, frame_skip: int) -> None:
    settings = {"actions": actions, "frame_skip": frame_skip, "sprint_multiplier": 1.0, "spawn_angle_degrees": 60.0}
    assert play_beside(settings | {"max_steps": 100}, 1_000, seed=frame_skip) > 5


@pytest.mark.parametrize(("size", "colour", "steps"), [(84, "gray", 300), (33, "rgb", 500), (256, "gray", 20)])
def test_pictures_pixel_by_pixel(size: int, colour: str, steps: int) -> None:
    settings = {"observation": "image", "image_size": size, "colour": colour, "level": 3, "max_steps": 90}
    play_beside(settings, steps)


def test_a_thrower_in_sight_is_drawn_below_balls_and_player() -> None:
    """In play it stands too far away to be seen."""
    settings: dict[str, Any] = {"observation": "image", "colour": "rgb", "image_size": 120, "with_thrower": True}
    env, twin = Dodge(Config(**settings), 1), reference.Dodge(**settings)
    uniform = stream_of(env)
    env.reset()
    twin.reset(uniform)
    for x in (9.0, 0.9, 0.4, 0.0, 11.99, 12.0):  # from afar to behind the player, and out of the picture
        for place in (0, -12.0 + 1e-9):
            body = [x, float(place), 1.0, 0.0, 0.0, 0.0]
            env.state.thrower[0], env.state.numbers[0, WAITS], twin.thrower = body, 1, list(body)
            env.state.balls[0, 0], env.state.numbers[0, NUM_BALLS] = body, 1
            env.state.balls[0, 0, 0] += 0.3
            twin.balls = [[x + 0.3, *body[1:]]]
            env.observe(env.observations, env.agent_ids)
            np.testing.assert_array_equal(env.observations[0], twin.image().ravel())


def test_more_balls_than_an_arena_holds_and_than_an_observation_tells_of() -> None:
    """The oldest goes for the new one, and the two newest of twelve are not told of."""
    env, twin = Dodge(Config(), 1), reference.Dodge()
    uniform = stream_of(env)
    env.reset()
    twin.reset(uniform)
    twin.balls = [[20.0, i - 6.0, 15.0, 0.0, 0.0, 0.0] for i in range(12)]
    env.state.balls[0], env.state.numbers[0, NUM_BALLS] = twin.balls, 12
    env.state.numbers[0, COUNTDOWN] = twin.countdown = 2
    for _ in range(3):
        env.step(np.zeros((1, 3), np.float32))
        twin.step([0.0, 0.0, 0.0])
        compare(env, twin)
    assert twin.balls[0][1] == -5.0
    assert len(twin.balls) == 12
