"""All faults that the tests must notice."""

from tests.mutants import off_policy, on_policy, shared

MUTANTS = (*on_policy.MUTANTS, *off_policy.MUTANTS, *shared.MUTANTS)
