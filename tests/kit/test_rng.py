"""Random streams: the same numbers everywhere, and numbers that look random."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from puffer_envs.kit import rng
from puffer_envs.kit.jit import kernel

MASK = (1 << 64) - 1


def _reference(key: int, counter: int) -> int:
    """The n-th number of a stream in plain integers."""

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        return z ^ (z >> 31)

    return mix(mix((key + counter * 0x9E3779B97F4A7C15) & MASK) ^ key)


@kernel
def _fill(stream: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(out)):
        out[i] = rng.next_u64(stream)


def _draw(stream: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros(n, np.uint64)
    _fill(stream, out)
    return out


def test_against_the_reference() -> None:
    stream = rng.streams(7, 3, 1)[0]
    key = int(stream[0])
    assert _draw(stream, 100).tolist() == [_reference(key, n) for n in range(1, 101)]
    assert int(stream[1]) == 100


def test_fresh_key_starts_a_new_stream_from_the_old_one() -> None:
    stream = rng.streams(7, 3, 1)[0]
    expected = _reference(int(stream[0]), 1)
    rng.fresh_key(stream)
    assert stream.tolist() == [expected, 0]


def test_streams_depend_on_the_global_index_alone() -> None:
    whole = rng.streams(5, 0, 12)
    assert np.array_equal(whole[4:9], rng.streams(5, 4, 5))
    assert len(np.unique(np.concatenate([whole[:, 0], rng.streams(6, 0, 12)[:, 0]]))) == 24


def test_streams_are_not_those_of_a_runs_other_users_of_the_seed() -> None:
    keys = rng.streams(5, 0, 8)[:, 0].tolist()
    for spawn_key in [(n,) for n in range(8)] + [(2, purpose, n) for purpose in range(3) for n in range(8)]:
        other = np.random.SeedSequence(5, spawn_key=spawn_key).generate_state(2, np.uint64).tolist()
        assert not set(keys) & set(other)


PROGRAM = """
import warnings
warnings.simplefilter("error")
from puffer_envs.kit import rng
s = rng.streams(11, 2, 3)
print([int(rng.next_u64(s[0])) for _ in range(5)], [float(rng.uniform(s[1])) for _ in range(5)])
print([int(rng.randint(s[2], n)) for n in (1, 2, 3, 7, 1000, 3_000_000_000, 2**32)])
rng.fresh_key(s[0])
print(s.tolist(), type(rng.uniform(s[0])) in (float, __import__("numpy").float64))
"""


def test_same_numbers_compiled_checked_plain_and_uncached(tmp_path) -> None:
    def run(**variables: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=os.environ | variables, capture_output=True, text=True, check=True
        )
        return result.stdout

    compiled = run()
    assert compiled.count("\n") == 3
    assert run(NUMBA_DISABLE_JIT="1") == compiled
    assert run(NUMBA_BOUNDSCHECK="1") == compiled
    (tmp_path / "file").touch()
    assert run(XDG_CACHE_HOME=str(tmp_path / "file" / "below")) == compiled  # no directory can be made there


def test_same_numbers_from_several_threads() -> None:
    streams = rng.streams(1, 0, 8)
    alone = [_draw(row.copy(), 20_000).tobytes() for row in streams]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: _draw(row, 20_000).tobytes(), streams)) == alone


@pytest.mark.parametrize("n", [1, 2, 3, 10, 97])
def test_randint_is_unbiased_and_in_range(n: int) -> None:
    stream = rng.streams(0, 0, 1)[0]
    counts = np.bincount([rng.randint(stream, n) for _ in range(200 * n)], minlength=n)
    assert len(counts) == n
    # chi-squared with n - 1 degrees of freedom: mean n - 1, standard deviation sqrt(2 (n - 1)); seeds are fixed
    assert abs(((counts - 200) ** 2 / 200).sum() - (n - 1)) <= 4 * np.sqrt(2 * (n - 1))


def test_randint_near_the_top_rejects() -> None:
    n = 3 << 30  # plain multiplication without rejection would give every third value twice
    stream = rng.streams(0, 0, 1)[0]
    values = np.array([rng.randint(stream, n) for _ in range(30_000)])
    assert 0 <= values.min() <= values.max() < n
    counts = np.bincount(values % 3, minlength=3)
    assert abs(counts - 10_000).max() < 4 * np.sqrt(30_000 * 2 / 9)


def test_uniform_moments_and_bits() -> None:
    stream = rng.streams(0, 0, 1)[0]
    values = _draw(stream, 200_000)
    ones = np.unpackbits(values.view(np.uint8)).reshape(len(values), 64).mean(axis=0)
    assert abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(len(values))
    uniforms = np.array([rng.uniform(stream) for _ in range(50_000)])
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    assert abs(uniforms.mean() - 0.5) < 4 / np.sqrt(12 * 50_000)
    assert abs(uniforms.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / 50_000)


def test_neighbours_are_independent() -> None:
    """Streams of neighbouring environments, keys one golden ratio apart, and consecutive draws do not correlate."""
    golden = 0x9E3779B97F4A7C15
    streams = rng.streams(0, 0, 4)
    streams[2:, 0] = 123456789, (123456789 + golden) & MASK
    draws = np.stack([_draw(row, 100_000) for row in streams])
    assert not np.intersect1d(draws[2], draws[3]).size  # one round of mixing would give the same numbers shifted by one
    values = draws.astype(np.float64) / 2.0**64 - 0.5
    limit = 5 / 12 / np.sqrt(values.shape[1])
    for i in range(4):
        for j in range(4):
            assert i == j or abs((values[i] * values[j]).mean()) < limit
        assert abs((values[i, 1:] * values[i, :-1]).mean()) < limit
