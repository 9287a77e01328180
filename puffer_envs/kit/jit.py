"""`@kernel`: the only place with numba flags, and a compilation cache that notices every change of the sources.

Numba's own cache looks at the file of the compiled function alone, so a change in a function that it calls from another
file goes unseen. Here the cache lives in a directory named by a hash of all sources that a kernel may use: those of
its game and those shared by all games (no game imports another).

``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python, ``NUMBA_BOUNDSCHECK=1`` checks every index.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import cgutils
from numba.extending import intrinsic

from puffer_envs.kit.process import cache_home

_config: Any = numba.config  # numba fills this module at run time, so a type checker finds it empty
F = TypeVar("F", bound=Callable[..., Any])

KIT = Path(__file__).parent  # whose kernels all games share
PACKAGE = KIT.parent

# Caches of former sources that nobody used for so long are removed when a new one is made.
STALE_AFTER_DAYS = 14


def kernel(function: F) -> F:
    """Compile a function of numbers and arrays to machine code that runs without the interpreter lock.

    No fastmath (it breaks isnan and the same bytes everywhere); division by zero gives inf or nan as NumPy does.

    It cannot make arrays (numba says that it requires its runtime), and returns none but to another kernel: nobody
    counts the users of those that it was given. Numba would count one more, atomically, wherever an array is handed on,
    taken out of a tuple or viewed, and one less after it: 500 ns for a call with a tuple of 13 arrays.
    """
    return _compile(function, allocates=False)


def allocating_kernel(function: F) -> F:
    """A `kernel` that may make arrays, and return them; calls with many arrays cost more."""
    return _compile(function, allocates=True)


def inlined_kernel(function: F) -> F:
    """A `kernel` that becomes part of those that call it, for what runs once a tile or an agent.

    A call copies the addresses and shapes of all arrays in its arguments, and LLVM does not always avoid it by itself:
    a tick of territory, with tuples of twenty arrays, takes 82 us without this and 62 us with it.
    """
    return _compile(function, allocates=False, forceinline=True)


def _compile(function: F, allocates: bool, forceinline: bool = False) -> F:
    if _config.DISABLE_JIT:
        # Integers wrap silently in compiled code; NumPy's scalars would warn at every draw of a random number.
        return np.errstate(all="ignore")(function)
    directory = cache_directory(_game_of(function.__module__))
    with _numba_caches_in(directory):
        options: dict[str, Any] = {"_nrt": allocates, "forceinline": forceinline}  # not in numba's stubs
        compiled = numba.njit(nogil=True, cache=directory is not None, error_model="numpy", **options)
        return cast(F, compiled(function))


def _game_of(module: str) -> str:
    """The folder of games that a module lies in; "" for this room, which all share, and modules from elsewhere."""
    package, *rest = module.split(".")
    return rest[0] if package == PACKAGE.name and len(rest) > 1 and rest[0] != KIT.name else ""


@cache
def source_hash(game: str = "") -> str:
    """Names everything that decides what the compiled code of a game does, beside numba's own keys."""
    digest = hashlib.sha256()
    # The flags are here because numba's cache would hand out code compiled without bounds checks under BOUNDSCHECK=1.
    flags = (_config.BOUNDSCHECK, _config.OPT, _config.DEBUGINFO_DEFAULT)
    digest.update(repr((numba.__version__, np.__version__, sys.version_info[:3], flags)).encode())
    for path in sorted([*KIT.glob("*.py"), *((PACKAGE / game).rglob("*.py") if game else ())]):
        digest.update(f"\0{path.relative_to(PACKAGE)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


@cache
def cache_directory(game: str = "") -> Path | None:
    """Where this process keeps compiled code of a game; None where no directory can be written."""
    return _prepare(cache_home() / "kernels" / source_hash(game))


def _prepare(directory: Path) -> Path | None:
    try:
        is_new = not directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
        os.utime(directory)  # marks it as in use for `_remove_stale`
    except OSError:
        return None
    if is_new:
        _remove_stale(directory)
    return directory


def _remove_stale(current: Path) -> None:
    oldest = time.time() - STALE_AFTER_DAYS * 86_400
    for other in current.parent.iterdir():
        try:
            if other != current and other.stat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)
        except OSError:
            continue  # another process was faster


@contextmanager
def _numba_caches_in(directory: Path | None) -> Iterator[None]:
    # A dispatcher asks for its cache directory when it is made, so kernels of other packages keep their own.
    before = _config.CACHE_DIR
    if directory is not None:
        _config.CACHE_DIR = str(directory)
    try:
        yield
    finally:
        _config.CACHE_DIR = before


@kernel
def wide(value: int) -> int:
    """A byte to compute with, int64: numba makes a uint64 of int(uint8), and a float64 of uint64 - int64."""
    return int(np.int64(value))


@kernel
def unsigned(value: int) -> int:
    """An index to compute with, uint64: of a signed one numba asks, at each access, whether it counts from the end.

    With other uint64 only: together with an int64 it becomes a float64.
    """
    return int(np.uint64(value))


@kernel
def copy(source: np.ndarray, start: int, count: int, target: np.ndarray, at: int) -> None:
    """Elements of one line into another: a slice assigned to a slice would make an array in between."""
    for i in range(count):
        target[at + i] = source[start + i]


def _copy_run_slowly(source: np.ndarray, at: Any, target: np.ndarray, to: Any, count: int) -> None:
    first, into = (int(np.ravel_multi_index(place, array.shape)) for place, array in ((at, source), (to, target)))
    count = min(count, source.size - first)
    target.flat[into : into + count] = source.flat[first : first + count]


@intrinsic
def _copy_run(typing_context: Any, source: Any, at: Any, target: Any, to: Any, count: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def pointer(kind: Any, array: Any, place: Any) -> Any:
            struct = context.make_array(kind)(context, builder, array)
            return cgutils.get_item_pointer(context, builder, kind, struct, cgutils.unpack_tuple(builder, place))

        source_pointer = pointer(signature.args[0], args[0], args[1])
        target_pointer = pointer(signature.args[2], args[2], args[3])
        cgutils.raw_memcpy(builder, target_pointer, source_pointer, args[4], source.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return numba.types.void(source, at, target, to, count), generate


# Neighbours in memory: (source, (i, j), target, (i,), count). A count known when compiling makes it a load and a store
# or two; LLVM does not find that by itself, as it cannot know that the arrays are apart. No index is checked.
copy_run = _copy_run_slowly if _config.DISABLE_JIT else cast(Callable[..., None], _copy_run)


# -- bits --------------------------------------------------------------------------------------------------------------
@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

    return numba.types.int64(numba.types.uint64), generate


def _counted_zeros(word: int) -> int:
    return (int(word) & -int(word)).bit_length() - 1


# Number of the lowest bit that is set in a word, uint64 and not 0.
lowest_bit = _counted_zeros if _config.DISABLE_JIT else cast(Callable[[int], int], _trailing_zeros)
