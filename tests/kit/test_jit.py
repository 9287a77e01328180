"""Kernels write in place what they were given, and nobody loses it."""

import sys
from typing import NamedTuple

import numpy as np

from puffer_envs.kit.jit import _copy_run_slowly, copy_run, kernel, unsigned


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


@kernel
def copy_some(source: np.ndarray, row: int, column: int, target: np.ndarray) -> None:
    copy_run(source, (row, unsigned(column)), target, (2,), 4)
    copy_run(target, (2,), source, (0, unsigned(0)), 3)


def test_runs_are_copied_from_any_place_to_any_place() -> None:
    """Compiled and as plain Python: over the end of a line, whatever the type, and nothing beside them."""
    for dtype in (np.uint8, np.uint16, np.float32):
        source, target = np.arange(1, 31).astype(dtype).reshape(3, 10), np.zeros(8, dtype)
        plain_source, plain_target = source.copy(), target.copy()
        copy_some(source, 1, 8, target)
        _copy_run_slowly(plain_source, (1, 8), plain_target, (2,), 4)
        _copy_run_slowly(plain_target, (2,), plain_source, (0, 0), 3)
        assert target.tolist() == plain_target.tolist() == [0, 0, 19, 20, 21, 22, 0, 0]
        assert source.tolist() == plain_source.tolist()
        assert source[0].tolist() == [19, 20, 21, *range(4, 11)]
