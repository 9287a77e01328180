"""Posteriors against episodes judged by hand."""

import math

import numpy as np
import pytest

from curriculum import beta
from curriculum.posteriors import Posteriors, judge
from puffer_envs.contract.milestone import Milestone
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, PET, TABLE, episode


def verdict(**facts) -> str:
    """One letter a milestone: S success, F failure, - does not count."""
    cut = facts.pop("cut", False)
    table = Posteriors(TABLE, math.inf)
    counts, success = judge(episode(**facts), table.predecessor, table.deadline, cut)
    assert not (success & ~counts).any()
    return "".join("S" if s else "F" if c else "-" for c, s in zip(counts, success, strict=True))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # deadlines: door 10, field 20 after it, pet 30 and cave 40 after the field, crown 50 after the cave
        ({}, "F----"),  # only the door needs nothing beforehand
        ({"reached": {DOOR: 10}}, "SF---"),  # on the last step of the deadline
        ({"reached": {DOOR: 11}}, "FF---"),  # one late: a failure, yet the field could be reached from it
        ({"reached": {DOOR: 4, FIELD: 24}}, "SSFF-"),  # 24 - 4 = 20
        ({"reached": {DOOR: 4, FIELD: 25}}, "SFFF-"),  # 25 - 4 = 21
        ({"held": (DOOR,), "reached": {FIELD: 20}}, "-SFF-"),  # held at the start counts as step 0
        ({"held": (DOOR,), "reached": {FIELD: 21}}, "-FFF-"),
        ({"held": (DOOR, FIELD, CAVE)}, "--F-F"),  # what was held at the start does not count
        ({"held": (DOOR, FIELD, PET, CAVE, CROWN)}, "-----"),
        ({"held": (CAVE,), "reached": {CROWN: 50}}, "F---S"),  # a start that lacks early ones
        ({"reached": {FIELD: 5}}, "F-FF-"),  # the field without its door: that the door was missed is known, no more
        ({"reached": {FIELD: 5, DOOR: 8}}, "SSFF-"),  # before its predecessor: within any deadline
    ],
)
def test_judged_by_hand(facts, expected):
    assert verdict(**facts) == expected


def test_an_episode_that_ends_by_its_own_rules_before_the_deadline_is_a_failure():
    assert verdict(held=(DOOR,), length=3) == "-F---"
    assert verdict(held=(DOOR,), length=3, truncated=False) == "-F---"


def test_an_episode_cut_by_the_curriculum_is_silent_about_what_was_open():
    assert verdict(held=(DOOR,), length=19, cut=True) == "-----"  # one more step might have done it
    assert verdict(held=(DOOR,), length=20, cut=True) == "-F---"  # the deadline was over
    assert verdict(reached={DOOR: 4, FIELD: 10}, length=12, cut=True) == "SS---"  # what was reached stays reached
    assert (
        verdict(reached={DOOR: 4, FIELD: 30}, length=61, cut=True) == "SFF--"
    )  # 61 - 30: past pet's 30, not cave's 40


def test_counts_means_and_bonus():
    posteriors = Posteriors(TABLE, math.inf)
    assert posteriors.theta.tolist() == [0.5] * 5
    posteriors.update(episode({DOOR: 3, FIELD: 9}))  # S S F F -
    posteriors.update(episode({DOOR: 3}))  # S F - - -
    assert posteriors.alpha.tolist() == [3, 2, 1, 1, 1]
    assert posteriors.beta.tolist() == [1, 2, 2, 2, 1]
    assert posteriors.theta == pytest.approx([3 / 4, 2 / 4, 1 / 3, 1 / 3, 1 / 2])
    assert posteriors.tries.tolist() == [2, 2, 1, 1, 0]
    assert posteriors.bonus(DOOR) == pytest.approx(0.25)
    assert posteriors.bonus(CAVE) == pytest.approx(2 / 3)


def test_an_alarm_needs_evidence():
    posteriors = Posteriors(TABLE, math.inf)
    assert not posteriors.alarm.any()  # what nobody has tried
    for _ in range(4):
        posteriors.update(episode())  # the door is missed
    # Beta(1, n): P(X <= x) = 1 - (1 - x)^n. Of n = 5 the upper end is 1 - .025^(1/5) = .522, of n = 6 .459
    assert posteriors.interval(DOOR)[1] == pytest.approx(0.522, abs=5e-4)
    assert posteriors.theta[DOOR] == pytest.approx(1 / 6)
    assert not posteriors.alarm.any()
    posteriors.update(episode())
    assert posteriors.interval(DOOR)[1] == pytest.approx(0.459, abs=5e-4)
    assert posteriors.alarm.tolist() == [True, False, False, False, False]
    for _ in range(3):
        posteriors.update(episode({DOOR: 3}, length=3), cut=True)
    assert not posteriors.alarm[DOOR]  # 3 of 8: .375, which may well be a half


def test_what_was_learned_fades():
    posteriors = Posteriors(TABLE, half_life=1)  # a factor of 1/2 at each episode that counts
    posteriors.update(episode({DOOR: 3}, length=3), cut=True)  # counts for the door alone
    assert (posteriors.alpha[DOOR], posteriors.beta[DOOR]) == (2, 1)
    posteriors.update(episode())
    assert (posteriors.alpha[DOOR], posteriors.beta[DOOR]) == (1.5, 2)
    posteriors.update(episode())
    assert (posteriors.alpha[DOOR], posteriors.beta[DOOR]) == (1.25, 2.5)
    assert posteriors.theta[DOOR] == pytest.approx(1 / 3)
    posteriors.update(episode(held=(DOOR,)))  # says nothing of the door, so nothing fades there
    assert (posteriors.alpha[DOOR], posteriors.beta[DOOR]) == (1.25, 2.5)
    assert posteriors.tries.tolist() == [3, 1, 0, 0, 0]


def test_half_as_many_weigh_half_after_the_half_life():
    posteriors = Posteriors(TABLE, half_life=10)
    posteriors.update(episode({DOOR: 3}))
    for _ in range(10):
        posteriors.update(episode())
    assert posteriors.alpha[DOOR] == pytest.approx(1.5)


def successes_until_a_half(half_life: float) -> int:
    posteriors = Posteriors(TABLE, half_life)
    for _ in range(500):
        posteriors.update(episode())
    n = 0
    while posteriors.theta[DOOR] < 0.5:
        posteriors.update(episode({DOOR: 3}))
        n += 1
    assert posteriors.tries[DOOR] == 500 + n
    return n


def test_five_hundred_failures_are_outlived():
    # What is remembered is at most 1 / (1 - d) = 144.8 episodes; 500 failures leave 144.8 (1 - 2^-5) = 140.3 of them,
    # and after n successes 144.8 (1 - 2^(-n/100)) are as many as 140.3 * 2^(-n/100) from n = 97.8 on.
    assert successes_until_a_half(100) == 98
    assert successes_until_a_half(math.inf) == 500


def test_the_interval_of_counts_that_are_not_whole():
    posteriors = Posteriors(TABLE, half_life=100)
    for n in range(1000):
        posteriors.update(episode({DOOR: 3} if n % 4 else {}))
    row = posteriors.summary()[DOOR]
    assert row.alpha % 1
    assert row.beta % 1
    assert row.lo < row.mean < row.hi
    # As wide as that of a normal distribution of the same variance, p (1 - p) / (alpha + beta + 1)
    deviation = math.sqrt(row.mean * (1 - row.mean) / (row.alpha + row.beta + 1))
    assert row.hi - row.lo == pytest.approx(2 * 1.96 * deviation, rel=0.02)
    assert beta.cdf(row.alpha, row.beta, row.hi) == pytest.approx(0.975, abs=2e-3)  # of counts to three digits


def test_summary_has_the_columns_of_progress_csv():
    posteriors = Posteriors(TABLE, math.inf)
    posteriors.update(episode({DOOR: 3}))  # door Beta(2, 1)
    row = posteriors.summary()[DOOR]
    assert row._fields == ("milestone", "alpha", "beta", "mean", "lo", "hi", "alarm_score")
    assert row[:3] == ("door", 2.0, 1.0)
    assert row.mean == pytest.approx(2 / 3)
    assert (row.lo, row.hi) == pytest.approx((0.158113883, 0.987420883))
    assert row.alarm_score == pytest.approx(0.5 - 2 / 3)


def test_round_trip():
    one, other = Posteriors(TABLE, math.inf), Posteriors(TABLE, math.inf)
    one.update(episode({DOOR: 3}))
    saved = one.state_dict()
    one.update(episode())
    other.load_state_dict(saved)
    assert other.alpha.tolist() == [2, 1, 1, 1, 1]
    assert other.beta.tolist() == [1, 2, 1, 1, 1]
    assert other.tries.tolist() == [1, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="another milestone table"):
        Posteriors(TABLE[:2], math.inf).load_state_dict(saved)


def test_a_game_without_milestones():
    posteriors = Posteriors((), math.inf)
    none = np.zeros(0)
    posteriors.update(episode()._replace(held=none.astype(bool), reached=none.astype(np.int32)))
    assert posteriors.summary() == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ((Milestone("a", "early", None, 1), Milestone("a", "mid", None, 1)), "share a name"),
        ((Milestone("a", "early", "b", 1),), "which is no milestone"),
        ((Milestone("a", "early", None, 0),), "deadline of 0"),
    ],
)
def test_impossible_tables(table, message):
    with pytest.raises(ValueError, match=message):
        Posteriors(table, math.inf)
