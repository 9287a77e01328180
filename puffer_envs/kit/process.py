"""What this process may use, and whether it is a worker."""

import os
import sys
from pathlib import Path

WORKER_VARIABLE = "PUFFER_ENVS_WORKER"  # set in the environment of workers and of the server that forks them
_SECRET_WORDS = ("API_KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_ONE_THREAD = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)


def in_worker() -> bool:
    """Whether this process is one of many that step environments: it keeps to one thread and prints nothing."""
    return WORKER_VARIABLE in os.environ


def usable_cores() -> int:
    """Cores that this process may use, which in a container is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_home() -> Path:
    """Where this package keeps for a user what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "puffer_envs"
    home = Path(os.path.expanduser("~"))
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "puffer_envs"


def clean_environment() -> dict[str, str]:
    """This process's environment without keys, for a worker: with one thread for every numeric library."""
    kept = {name: value for name, value in os.environ.items() if not any(w in name.upper() for w in _SECRET_WORDS)}
    return kept | dict.fromkeys((WORKER_VARIABLE, *_ONE_THREAD), "1")
