"""All faults that the tests must notice."""

from tests.mutants import fighter, off_policy, on_policy, selfplay, shared

MUTANTS = (*on_policy.MUTANTS, *off_policy.MUTANTS, *selfplay.MUTANTS, *shared.MUTANTS, *fighter.MUTANTS)
