"""Probabilities of starts against worked examples."""

import numpy as np
import pytest

from curriculum import sampling
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, PET, TABLE

WEIGHTS = (0.5, 0.3, 0.2)
EARLY, MID, LATE = range(3)


def test_score_is_highest_where_nothing_is_decided():
    # 8 * .5 * .5 - 1 = 1;  8 * .25 * .75 - 1 = .5;  8 * .1 * .9 - 1 = -.28;  0 at the ends
    assert sampling.undecided(np.array([0.5, 0.25, 0.75, 0.1, 0.0, 1.0])) == pytest.approx([1, 0.5, 0.5, -0.28, -1, -1])


def test_next_milestones_follow_predecessors_then_the_table():
    following = sampling.next_milestones(TABLE)
    assert following == [(FIELD,), (PET, CAVE), (CAVE,), (CROWN,), ()]  # nobody names pet: the next row


def test_score_of_a_state_is_that_of_its_next_milestone():
    theta = np.array([0.99, 0.5, 1.0, 0.25, 0.75])  # door, field, pet, cave, crown
    scores = sampling.milestone_scores(theta, sampling.next_milestones(TABLE))
    assert scores[DOOR] == pytest.approx(1)  # field .5
    assert scores[FIELD] == pytest.approx(0.5)  # the less decided of pet 1 and cave .25
    assert scores[PET] == pytest.approx(1)  # cave counts as .5, half of pet
    assert scores[CAVE] == pytest.approx(0.5)  # crown .75
    assert scores[CROWN] == -1  # nothing left


def test_the_edge_of_what_is_mastered_stays_in_use():
    theta = np.array([0.9, 0.88, 0.004, 0.003, 0.5])  # pet is always missed, and so is what comes after
    scores = sampling.milestone_scores(theta, sampling.next_milestones(TABLE))
    assert scores[FIELD] == pytest.approx(8 * 0.44 * 0.56 - 1)  # .97
    assert scores[PET] == pytest.approx(8 * 0.003 * 0.997 - 1)  # only states beyond the edge wait


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ((1, 1, 1), (0.5, 0.3, 0.2)),
        ((1, 1, 0), (0.625, 0.375, 0)),  # .5/.8, .3/.8
        ((0, 1, 1), (0, 0.6, 0.4)),
        ((1, 0, 1), (5 / 7, 0, 2 / 7)),
        ((0, 0, 1), (0, 0, 1)),
    ],
)
def test_tiers_are_renormalised_over_those_that_have_states(present, expected):
    assert sampling.tier_probabilities(np.array(present, bool), WEIGHTS) == pytest.approx(expected)


def test_a_lone_tier_of_weight_zero_is_still_used():
    assert sampling.tier_probabilities(np.array([False, False, True]), (1, 1, 0)).tolist() == [0, 0, 1]


def test_worked_example():
    tiers = np.array([EARLY, EARLY, LATE, EARLY])
    scores = np.array([1.0, -0.5, -1.0, -1.0])
    # early: max(.05, 2, .5, 0) -> 2, .5, .05, sum 2.55, share .5/.7; late: .05 of .05, share .2/.7
    p = sampling.state_probabilities(tiers, scores, WEIGHTS)
    assert p == pytest.approx([2 / 2.55 * 5 / 7, 0.5 / 2.55 * 5 / 7, 2 / 7, 0.05 / 2.55 * 5 / 7])
    assert p.sum() == pytest.approx(1)


def test_draw_inverts_the_cumulative_sum_in_the_order_given():
    p = np.array([0.25, 0.0, 0.5, 0.25])
    assert [sampling.draw(p, u) for u in (0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999)] == [0, 0, 2, 2, 3, 3]
    assert sampling.draw(np.full(3, 1 / 3), np.nextafter(1, 0)) == 2  # the sum may be below 1


def test_draws_have_the_frequencies():
    p = np.array([0.1, 0.6, 0.3])
    rng = np.random.default_rng(0)
    counts = np.bincount([sampling.draw(p, rng.random()) for _ in range(20_000)])
    assert counts / 20_000 == pytest.approx(p, abs=0.015)  # four standard deviations


def test_new_games_are_never_fewer_than_their_share():
    new = 0
    for starts in range(1000):
        new += sampling.new_game_due(new, starts, 0.25)
        assert new >= 0.25 * (starts + 1)
    assert new == 250  # and no more than asked for
