"""Exploration: the ladder, actions that last, and rows that are bored."""

import numpy as np
import pytest

from training.off_policy.config import DQNConfig
from training.off_policy.explore import LONGEST, Explorer, exploration


def test_exploration_ramps_to_the_ladder():
    config = DQNConfig(epsilon_base=0.4, epsilon_alpha=7.0, epsilon_ramp=100)
    assert exploration(3, 0, config).tolist() == [1.0, 1.0, 1.0]
    wanted = [0.4, 0.4**4.5, 0.4**8]
    np.testing.assert_allclose(exploration(3, 100, config), wanted)
    np.testing.assert_allclose(exploration(3, 50, config), (1 + np.array(wanted)) / 2)
    assert exploration(1, 1000, config).tolist() == [0.4]


def explorer(rows: int, **settings: float) -> Explorer:
    return Explorer(rows, 7, DQNConfig(**settings))  # type: ignore[arg-type]


def test_without_zeta_a_random_action_is_for_one_decision():
    rng, greedy = np.random.default_rng(0), np.full(20_000, 9, np.int32)
    random = explorer(20_000, epsilon_zeta=0.0)
    for _ in range(3):
        chosen = random.choose(greedy, np.full(20_000, 0.3), rng)
        assert abs((chosen != 9).mean() - 0.3) < 0.02
        assert (random.left == 0).all()


def test_random_actions_last_as_long_as_a_zeta_law_says():
    # P(n) ~ n^-2: 1 / 1.645 = .608 of the actions are for one decision, .152 for two.
    rng, rows = np.random.default_rng(0), 50_000
    random = explorer(rows, epsilon_zeta=2.0)
    random.choose(np.zeros(rows, np.int32), np.ones(rows), rng)
    lasts = random.left + 1
    assert abs((lasts == 1).mean() - 0.608) < 0.01
    assert abs((lasts == 2).mean() - 0.152) < 0.01
    assert lasts.max() == LONGEST


def test_the_share_of_random_decisions_is_more_than_epsilon():
    # 19 greedy decisions between two random actions on average, and 3.49 that such an action lasts: the sum of
    # min(n, 64) n^-2 over that of n^-2, (4.74 + .99) / 1.645. So 3.49 / 22.49 = .155 of all.
    rng, rows = np.random.default_rng(0), 2_000
    random, greedy = explorer(rows, epsilon_zeta=2.0), np.full(2_000, 9, np.int32)
    for _ in range(200):
        random.choose(greedy, np.full(rows, 0.05), rng)
    random.take_random_share()
    counted = np.mean([random.choose(greedy, np.full(rows, 0.05), rng) != 9 for _ in range(100)])
    share = random.take_random_share()
    assert share == pytest.approx(counted, abs=1e-9)
    assert share == pytest.approx(0.155, abs=0.01)
    assert random.take_random_share() == 0.0  # nothing since then


def test_a_random_action_goes_on_until_it_is_over_or_the_episode_is():
    random, rng = explorer(2), np.random.default_rng(0)
    random.left[:], random.action[:] = 3, 5
    random.forget(np.array([1]))
    chosen = [random.choose(np.full(2, 6, np.int32), np.zeros(2), rng).tolist() for _ in range(4)]
    assert chosen == [[5, 6], [5, 6], [5, 6], [6, 6]]


def test_no_random_action_begins_while_another_goes_on():
    random, rng = explorer(200), np.random.default_rng(0)
    random.left[:], random.action[:] = 3, 5
    chosen = [random.choose(np.zeros(200, np.int32), np.ones(200), rng) for _ in range(4)]
    assert [(actions == 5).all() for actions in chosen] == [True, True, True, False]


def test_a_row_without_new_places_explores_until_it_finds_one():
    random = explorer(2, boredom=3, epsilon_bored=0.5, epsilon_base=0.1, epsilon_alpha=0.0, epsilon_ramp=1)
    for _ in range(3):
        np.testing.assert_allclose(random.epsilon(10), [0.1, 0.1])
        random.observe(np.array([False, True]))
    np.testing.assert_allclose(random.epsilon(10), [0.5, 0.1])
    random.observe(np.array([True, True]))
    np.testing.assert_allclose(random.epsilon(10), [0.1, 0.1])


def test_a_bored_row_never_explores_less_than_its_place_says():
    random = explorer(3, boredom=1, epsilon_bored=0.3, epsilon_base=0.4, epsilon_alpha=1.0, epsilon_ramp=100)
    random.observe(np.zeros(3, np.bool_))
    np.testing.assert_allclose(random.epsilon(0), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(random.epsilon(100), [0.4, 0.3, 0.3])  # the ladder: .4, .253, .16


def test_boredom_ends_with_its_episode():
    random = explorer(2, boredom=2, epsilon_bored=0.5, epsilon_base=0.1, epsilon_alpha=0.0, epsilon_ramp=1)
    for _ in range(2):
        random.observe(np.array([False, False]))
    random.forget(np.array([1]))
    np.testing.assert_allclose(random.epsilon(10), [0.5, 0.1])


def test_exploration_goes_on_after_a_resume():
    one, other = explorer(8), explorer(8)
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    greedy, epsilon = np.zeros(8, np.int32), np.full(8, 0.5)
    for _ in range(5):
        one.choose(greedy, epsilon, first)
        other.choose(greedy, epsilon, second)
    copy = explorer(8)
    copy.load_state_dict(other.state_dict())
    for _ in range(20):
        assert (one.choose(greedy, epsilon, first) == copy.choose(greedy, epsilon, second)).all()
