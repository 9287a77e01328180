"""Posteriors against episodes judged by hand."""

import numpy as np
import pytest

from curriculum.posteriors import Posteriors, judge
from puffer_envs.contract.milestone import Milestone
from tests.curriculum.conftest import CAVE, CROWN, DOOR, FIELD, PET, TABLE, episode


def verdict(**facts) -> str:
    """One letter a milestone: S success, F failure, - does not count."""
    cut = facts.pop("cut", False)
    table = Posteriors(TABLE)
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


def test_counts_means_alarm_and_bonus():
    posteriors = Posteriors(TABLE)
    assert posteriors.theta.tolist() == [0.5] * 5
    assert not posteriors.alarm.any()  # .5 is on target
    posteriors.update(episode({DOOR: 3, FIELD: 9}))  # S S F F -
    posteriors.update(episode({DOOR: 3}))  # S F - - -
    assert posteriors.alpha.tolist() == [3, 2, 1, 1, 1]
    assert posteriors.beta.tolist() == [1, 2, 2, 2, 1]
    assert posteriors.theta == pytest.approx([3 / 4, 2 / 4, 1 / 3, 1 / 3, 1 / 2])
    assert posteriors.alarm.tolist() == [False, False, True, True, False]
    assert posteriors.bonus(DOOR) == pytest.approx(0.25)
    assert posteriors.bonus(CAVE) == pytest.approx(2 / 3)


def test_summary_has_the_columns_of_progress_csv():
    posteriors = Posteriors(TABLE)
    posteriors.update(episode({DOOR: 3}))  # door Beta(2, 1)
    row = posteriors.summary()[DOOR]
    assert row._fields == ("milestone", "alpha", "beta", "mean", "lo", "hi", "alarm_score")
    assert row[:3] == ("door", 2.0, 1.0)
    assert row.mean == pytest.approx(2 / 3)
    assert (row.lo, row.hi) == pytest.approx((0.158113883, 0.987420883))
    assert row.alarm_score == pytest.approx(0.5 - 2 / 3)


def test_round_trip():
    one, other = Posteriors(TABLE), Posteriors(TABLE)
    one.update(episode({DOOR: 3}))
    saved = one.state_dict()
    one.update(episode())
    other.load_state_dict(saved)
    assert other.alpha.tolist() == [2, 1, 1, 1, 1]
    assert other.beta.tolist() == [1, 2, 1, 1, 1]
    with pytest.raises(ValueError, match="another milestone table"):
        Posteriors(TABLE[:2]).load_state_dict(saved)


def test_a_game_without_milestones():
    posteriors = Posteriors(())
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
        Posteriors(table)
