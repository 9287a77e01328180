"""Small faults that the tests must notice: `make mutants` plants one at a time and says which test sees it."""
