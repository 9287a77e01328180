"""The list of faults fits the sources, and the runner tells who is killed from who survives."""

import pytest

from tests.mutants import __main__ as runner
from tests.mutants.faults import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.on_policy import RETURNS

TESTS = ("tests/training/on_policy/test_returns.py",)
KILLED = Mutant("killed", RETURNS, "+ gamma * next_values", "- gamma * next_values", TESTS)
SURVIVOR = Mutant("survivor", RETURNS, "return advantages, advantages + values", "return advantages, values", TESTS)
STALE = Mutant("stale", RETURNS, "gamma", "beta", TESTS)  # it is there more than once


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_fault_replaces_is_there_exactly_once(mutant):
    assert runner.fits(mutant)
    assert all((runner.ROOT / path.partition("::")[0]).exists() for path in mutant.tests)


def test_names_are_names_of_one():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.slow
def test_the_killed_are_told_from_the_survivors(monkeypatch, capsys):
    only = (f"{TESTS[0]}::test_nothing_follows_a_terminal_and_a_truncation_is_followed_by_its_final_observation",)
    sources = (runner.ROOT / RETURNS).read_text()
    pair = tuple(mutant._replace(tests=only) for mutant in (KILLED, SURVIVOR))  # that one looks at no returns
    monkeypatch.setattr(runner, "MUTANTS", pair)
    assert runner.main([]) == 1
    killed, survivor, sum_up = capsys.readouterr().out.splitlines()
    assert killed.split()[0] == "killed"
    assert killed.endswith(only[0])
    assert survivor.split()[0] == "survivor"
    assert survivor.endswith("SURVIVES")
    assert sum_up == "1 of 2 killed; survivors: survivor"
    assert runner.main(["killed"]) == 0
    assert (runner.ROOT / RETURNS).read_text() == sources


def test_a_list_that_is_out_of_date_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(runner, "MUTANTS", (KILLED, STALE))
    assert runner.main([]) == 2
    assert "bring them up to date: stale" in capsys.readouterr().err
    assert runner.main(["no_such"]) == 2
    assert "no fault is called no_such" in capsys.readouterr().err
