"""A small change of the sources that leaves a run looking well and makes it learn worse."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault."""

    name: str
    file: str
    old: str  # stands in the file exactly once
    new: str
    tests: tuple[str, ...]  # paths that pytest is given
