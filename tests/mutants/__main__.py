"""Plants the faults of `faults.MUTANTS` one at a time in a copy of the sources and runs the tests that must notice.

    python -m tests.mutants [NAME ...]

prints who was killed by which test and who survives. The exit code is 1 if any survives, 2 where the list is at fault:
a text that it would replace is not there exactly once, or the tests fail without any fault.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.faults import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("puffer_envs", "policies", "training", "curriculum", "tests", "train_big.py", "pyproject.toml")
PATIENCE = 300.0  # seconds of one run of the tests: a fault may make them wait for ever


def main(argv: Sequence[str]) -> int:
    """Run the named faults, or all."""
    unknown = set(argv) - {mutant.name for mutant in MUTANTS}
    if unknown:
        return fail(f"no fault is called {', '.join(sorted(unknown))}; tests/mutants lists them")
    mutants = [mutant for mutant in MUTANTS if not argv or mutant.name in argv]
    stale = [mutant.name for mutant in mutants if not fits(mutant)]
    if stale:
        return fail(f"what these replace is not there exactly once, bring them up to date: {', '.join(stale)}")
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        sound = killer(copy, tuple(dict.fromkeys(path for mutant in mutants for path in mutant.tests)))
        if sound is not None:
            return fail(f"without any fault {sound} fails; mend that first")
        killers = {mutant.name: tried(mutant, copy) for mutant in mutants}
    survivors = [name for name, test in killers.items() if test is None]
    print(f"{len(killers) - len(survivors)} of {len(killers)} killed; survivors: {', '.join(survivors) or 'none'}")
    return 1 if survivors else 0


def fail(message: str) -> int:
    """Say what is wrong with the call or the list."""
    print(message, file=sys.stderr)
    return 2


def fits(mutant: Mutant) -> bool:
    """Whether the fault can be planted: what it replaces is there once, and it replaces it by something else."""
    return (ROOT / mutant.file).read_text().count(mutant.old) == 1 and mutant.old != mutant.new


def copied(folder: Path) -> Path:
    """The sources in ``folder``: the working tree is never touched."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def tried(mutant: Mutant, copy: Path) -> str | None:
    """The test that kills a fault, None if it survives; a line is printed and the copy left as it was."""
    path, begin = copy / mutant.file, time.perf_counter()
    sound = path.read_text()
    path.write_text(sound.replace(mutant.old, mutant.new))
    test = killer(copy, mutant.tests)
    path.write_text(sound)
    print(f"{mutant.name:40} {time.perf_counter() - begin:5.0f} s  {test or 'SURVIVES'}", flush=True)
    return test


def killer(copy: Path, tests: Sequence[str]) -> str | None:
    """The first test that fails in the copy, None if all pass."""
    # No compiled files: of two versions of one length and second Python could not tell which one they are of
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", *tests]
    try:
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"no end within {PATIENCE:.0f} s"
    if ended.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
    return failed.group(1) if failed else f"pytest, which ends with {ended.returncode}: {ended.stdout[-200:].strip()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
