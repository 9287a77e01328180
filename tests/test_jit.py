"""Kernels write in place what they were given, and nobody loses it."""

import sys
from typing import NamedTuple

import numpy as np

from puffer_envs.jit import kernel


class Inner(NamedTuple):
    weights: np.ndarray  # float32 [N]
    offset: float


class Outer(NamedTuple):
    values: np.ndarray  # int32 [E, N]
    inner: Inner


@kernel
def add_up(outer: Outer, row: int) -> float:
    total = 0.0
    for i in range(outer.inner.weights.size):
        total += outer.values[row, i] * outer.inner.weights[i]
    return total + outer.inner.offset


@kernel
def add_up_all(outer: Outer, out: np.ndarray) -> None:
    for row in range(out.size):
        out[row:][0] = add_up(outer, row)
        outer.values[row, 0] += 1


def test_arrays_are_written_in_place_and_nobody_loses_them() -> None:
    values = np.arange(12, dtype=np.int32).reshape(4, 3)
    outer = Outer(values, Inner(np.array([1, 10, 100], np.float32), 0.5))
    out, counts = np.zeros(4), sys.getrefcount(values)
    wanted = values @ np.array([1, 10, 100]) + 0.5
    for n in range(1000):
        add_up_all(outer, out)
        assert out.tolist() == (wanted + n).tolist()
    assert values[:, 0].tolist() == [1000, 1003, 1006, 1009]
    assert sys.getrefcount(values) == counts
