"""The kernels against the slow twin, which somebody wrote from the specification without having seen them."""

import numpy as np
import pytest

from benchmarks.fighter.twin import FighterTwin
from puffer_envs.kit import rng
from puffer_envs.platform_fighter.env import Config, PlatformFighter
from tests.reference.platform_fighter import scripted
from tests.reference.platform_fighter.match import WEIGHTS, Match

NEAR = 0.02  # world units; they differ by 1e-5 as a rule
STEPS = 4_000  # of each kind of hands
PAID = WEIGHTS | {"approach": 1.0}  # all terms, also those that cost nothing by default
EQUIPPED, DROPPED, MANY_KEYS = (list(WEIGHTS).index(name) for name in ("equip", "drop", "many_keys"))


class Hands:
    """Keys: as random fingers hold them, as dice throw them, with the weapons' key as often as not, or a brawl of two
    scripted fighters whose fingers slip, in which the environment's own script plays the second."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.random = kind, np.random.default_rng(seed)
        self.held = np.zeros((2, 10), np.bool_)

    def __call__(self, twin: Match) -> np.ndarray:
        if self.kind == "brawl":
            first, second = (scripted.based(twin.observe(i), twin.steps + 1) for i in range(2))
            return np.array([first ^ (self.random.random(10) < 0.1), second])
        if self.kind == "dice":
            return self.random.random((2, 10)) < 0.25
        self.held ^= self.random.random((2, 10)) < 0.1
        if self.random.random() < 0.05:
            self.held[:] = False
        if self.kind == "greedy":
            self.held[:, 5] = self.random.random(2) < 0.5
        return self.held


def compare(env: PlatformFighter, twin: Match) -> None:
    """One step of both: what is seen, and each reward."""
    over = bool(env.terminals[0] or env.truncations[0])
    assert bool(env.terminals[0]) == twin.terminal
    assert bool(env.truncations[0]) == (twin.truncated and not twin.terminal)
    seen = env.final_observations if over else env.observations
    wanted = np.array([twin.observe(i) for i in range(2)])
    np.testing.assert_allclose(seen, wanted, rtol=0, atol=NEAR)
    exact = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, *range(18, 28, 3)]  # no places and no speeds
    np.testing.assert_array_equal(seen[:, exact], wanted[:, exact].astype(np.float32))
    terms = np.array([[own[name] * weight for name, weight in PAID.items()] for own in twin.rewards])
    np.testing.assert_allclose(env.reward_terms, terms, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["fingers", "dice", "greedy", "brawl"])
def test_matches_go_as_in_the_slow_twin(kind: str) -> None:
    seen, steps, seed = np.zeros(len(WEIGHTS)), 0, 0
    while steps < STEPS:
        env = PlatformFighter(
            Config(opponent="based" if kind == "brawl" else "learner", reward_approach=1.0), 1, seed=seed
        )
        env.reset(seed)
        twin, hands, over = Match(rng.streams(seed, 0, 1)[0]), Hands(kind, seed), False
        assert list(env.spec.reward_weights) == list(WEIGHTS)
        while not over:
            keys = hands(twin)
            twin.step(keys.tolist())
            actions = keys.astype(env.actions.dtype)
            actions[1] &= kind != "brawl"
            env.step(actions)
            compare(env, twin)
            over = bool(env.terminals[0] or env.truncations[0])
            seen += (env.reward_terms != 0).sum(0)
            steps += 1
        seed += 1
    if kind == "greedy":
        assert (seen[[EQUIPPED, DROPPED]] > 10).all()
    if kind == "brawl":  # blows, knockouts, combos, wins
        assert (np.delete(seen, [EQUIPPED, DROPPED, MANY_KEYS]) > 3).all()


def test_the_twin_that_is_timed_does_the_work_of_a_match() -> None:
    """Match 3 of the benchmark: what both fighters see, the first one's reward, ends and what follows them."""
    env = PlatformFighter(Config(), 4, seed=0)
    twin, random, ends, paid = FighterTwin(3), np.random.default_rng(0), 0, 0.0
    env.reset(0)
    np.testing.assert_allclose(twin.reset()[0], env.observations[6:], rtol=0, atol=NEAR)
    for _ in range(1_500):
        keys = random.integers(0, 2, (8, 10), np.int8)
        env.step(keys)
        seen, reward, terminal, truncated, _ = twin.step(keys[6:])
        assert (terminal, truncated) == (env.terminals[6], env.truncations[6])
        over = terminal or truncated
        np.testing.assert_allclose(seen, (env.final_observations if over else env.observations)[6:], rtol=0, atol=NEAR)
        assert reward == pytest.approx(env.rewards[6], abs=1e-3)
        ends, paid = ends + over, paid + abs(reward)
        if over:
            np.testing.assert_allclose(twin.reset()[0], env.observations[6:], rtol=0, atol=NEAR)
    assert ends > 0
    assert paid > 1
    assert FighterTwin.observation_space.contains(seen)


def test_the_twin_that_is_timed_begins_in_the_middle_of_a_match() -> None:
    first, second = (FighterTwin(number, warm_up=100) for number in range(2))
    rows = [twin.reset()[0] for twin in (first, second)]
    assert first.match.steps == second.match.steps == 100
    assert (rows[0] != rows[1]).any()
    first.reset()
    assert first.match.steps == 0
