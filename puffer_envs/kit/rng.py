"""Random numbers that belong to a row: the n-th draw is a pure function of the row's key and n.

A stream is one row of a ``uint64 [n, 2]`` array: key and counter. Nothing is shared between rows, so the numbers are
the same for any number of threads or processes, compiled or as plain Python, and a snapshot is sixteen bytes.
"""

import numpy as np

from puffer_envs.kit.jit import kernel

# Constants of splitmix64 (Steele, Lea, Flood 2014). Everything is uint64: numba turns uint64 with int64 into float64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_S11, _S27, _S30, _S31, _S32 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW_32 = np.uint64(0xFFFFFFFF)
_2_TO_32 = np.uint64(1 << 32)
_2_TO_MINUS_53 = 1.0 / (1 << 53)


def streams(seed: int, first_env: int, num_envs: int) -> np.ndarray:
    """Streams of the environments ``first_env ... first_env + num_envs - 1`` under one seed, uint64 [num_envs, 2].

    The spawn keys (0, index) are theirs; those of a run's other users of the same seed begin with another number.
    """
    result = np.zeros((num_envs, 2), np.uint64)
    for i in range(num_envs):
        result[i, 0] = np.random.SeedSequence(seed, spawn_key=(0, first_env + i)).generate_state(1, np.uint64)[0]
    return result


@kernel
def mix(z: np.uint64) -> np.uint64:
    """The finaliser of splitmix64: a bijection that spreads each bit over all."""
    z = (z ^ (z >> _S30)) * _MULTIPLY_1
    z = (z ^ (z >> _S27)) * _MULTIPLY_2
    return z ^ (z >> _S31)


@kernel
def next_u64(stream: np.ndarray) -> np.uint64:
    """The next 64 bits of a stream."""
    stream[1] += _ONE
    # Mixed twice, with the key in between: one round alone would make streams whose keys lie a multiple of _GOLDEN
    # apart shifted copies of each other.
    return mix(mix(stream[0] + stream[1] * _GOLDEN) ^ stream[0])


@kernel
def uniform(stream: np.ndarray) -> float:
    """A float64 in [0, 1), of 53 random bits."""
    return np.float64(next_u64(stream) >> _S11) * _2_TO_MINUS_53


@kernel
def randint(stream: np.ndarray, n: int) -> np.int64:
    """An int64 in [0, n) without bias, for 1 <= n <= 2**32 (Lemire 2019)."""
    bound = np.uint64(n)
    product = (next_u64(stream) >> _S32) * bound
    if (product & _LOW_32) < bound:
        rejected = (_2_TO_32 - bound) % bound
        while (product & _LOW_32) < rejected:
            product = (next_u64(stream) >> _S32) * bound
    return np.int64(product >> _S32)


@kernel
def fresh_key(stream: np.ndarray) -> None:
    """Turn a stream into a new one that starts from its own next number: the key of the next episode."""
    stream[0] = next_u64(stream)
    stream[1] = np.uint64(0)
