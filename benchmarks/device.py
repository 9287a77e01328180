"""The check of a device: whether all games' networks do there what they do on a CPU, and how fast in which way.

    python -m benchmarks.device --device cuda

For each game: the network's outputs, losses and gradients against the CPU's; a checkpoint that another device goes on
with; some training and where its time goes; an update in float32, tf32 and bfloat16; a decision as it is, compiled and
as a CUDA graph. At most 8 minutes, with ``--quick`` 50 seconds once the environments are compiled: what finds no
time is left out, and named. The exit code is 1 where something is not as on the CPU. It writes FOLDER/device.json and
FOLDER/device.md.
"""

import argparse
import contextlib
import json
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import device_parts, device_runs
from puffer_envs import registry as env_registry
from puffer_envs.kit.process import usable_cores
from training.run import preflight

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("torch", "triton", "numpy", "numba", "pufferlib-core", "gymnasium", "pyboy")
COLUMNS = {
    "compiling": ("seconds",),
    "agreement": ("what", "error", "tolerance", "worst", "compared", "ok"),
    "checkpoints": ("what", "error", "tolerance", "worst", "updates", "ok"),
    "training": (
        *("sps", "trained_sps", "share_act", "share_env", "share_learn", "share_rest", "share_learner"),
        *("memory_mb", "utilisation", "utilisation_most"),
    ),
    "precision": ("what", "ms", "error"),
    "acting": ("what", "ms", "error", "prepare_s"),
}
Rows = Iterable[dict[str, Any]]


class Check:
    """What was found so far, and the time that is left."""

    def __init__(self, device: torch.device, quick: bool) -> None:
        self.device, self.quick = device, quick
        self.budget = 45.0 if quick else 465.0  # seconds; the rest is for the start and the end
        self.begin = time.perf_counter()
        self.rows: list[dict[str, Any]] = []

    @property
    def left(self) -> float:
        """Seconds."""
        return self.budget - (time.perf_counter() - self.begin)

    def part(self, part: str, game: str, size: str, work: Callable[[], Rows], needs: float, limit: float) -> None:
        """Do one part of one game, and go on whatever happens.

        Args:
            needs: seconds that must be left for it to begin.
            limit: seconds after which it is broken off.
        """
        head = {"part": part, "game": game, "model_size": size}
        if self.left < needs:
            self._add(head | {"skipped": f"{max(0.0, self.left):.0f} s were left"})
            return
        begin = time.perf_counter()
        try:
            with deadline(min(limit, self.left)):
                for row in work():
                    self._add(head | row)
        except TimeoutError:
            self._add(head | {"skipped": f"broken off after {time.perf_counter() - begin:.0f} s"})
        except Exception as problem:  # whatever is wrong with one part, the others are still worth knowing
            traceback.print_exc()
            self._add(head | {"what": f"{type(problem).__name__}: {problem}"[:200], "ok": False})

    def _add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        print(f"{self.budget - self.left:6.1f} s  {as_text(row)}", flush=True)

    @property
    def ok(self) -> bool:
        return all(row.get("ok", True) for row in self.rows)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what runs after so many seconds."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """Parse, check, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--out", type=Path, default=None, help="default benchmarks/results/device_<device>")
    args = parser.parse_args()
    try:
        device = preflight.pick_device(args.device)
    except preflight.UserError as error:
        parser.error(str(error))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    check = Check(device, args.quick)
    with tempfile.TemporaryDirectory(prefix="device_check_") as folder:
        for game in sorted(env_registry.TABLE):
            check.part("compiling", game, "", lambda game=game: [stepped(game)], 0, 300)
        if check.quick:  # the first run on a machine takes a minute to compile, all others none
            check.begin = time.perf_counter()
        measure(check, Path(folder))
    write(check, args.out or RESULTS / f"device_{device.type}")
    return 0 if check.ok else 1


def measure(check: Check, folder: Path) -> None:
    """All parts of all games; what must be right comes before what is only fast."""
    games, device, quick = sorted(env_registry.TABLE), check.device, check.quick
    size = "slim" if quick or device.type == "cpu" else "large"
    problems: dict[str, device_parts.Problem] = {}
    for game in games:
        for each in dict.fromkeys(("slim", size)):

            def compare(game: str = game, size: str = each) -> Rows:
                problems[game] = prepared(game, size, folder)
                return device_parts.agreement(problems[game], device)

            check.part("agreement", game, each, compare, 3, 60)
    ways = [(device, torch.device("cpu"))]
    ways += [(torch.device("cpu"), device)] if device.type != "cpu" else []
    for game in games:
        for way in ways:
            check.part("checkpoints", game, "slim", lambda g=game, w=way: [resumed(g, *w, folder)], 5, 60)
    for game in games:
        seconds = 2.5 if quick else 40.0
        check.part(
            "training", game, size, lambda g=game, s=seconds: [trained(check, g, size, s, folder)], 2 * seconds, 130
        )
    seconds = 0.3 if quick else 4.0
    for game, problem in problems.items():
        check.part("precision", game, size, lambda p=problem: device_parts.precisions(p, device, seconds), 3, 45)
    without = "--quick leaves it out" if quick else "" if hasattr(torch, "compile") else "this torch has no compiler"
    for game, problem in problems.items():
        work = lambda p=problem: device_parts.ways_to_act(p, device, seconds / 2, without)  # noqa: E731
        check.part("acting", game, size, work, 2, 60)


def stepped(game: str) -> dict[str, Any]:
    """The environments once around: whatever they compile is compiled then, and kept for the next process."""
    begin = time.perf_counter()
    with contextlib.closing(env_registry.make(game, 1)) as env:
        env.reset(0)
        for _ in range(2):
            env.step(np.zeros_like(env.actions))
    return {"seconds": time.perf_counter() - begin}


def _learner(game: str) -> str:
    return env_registry.resolve(game).learners[0]


def prepared(game: str, size: str, folder: Path) -> device_parts.Problem:
    """Something for the network of a game to decide on and to learn from."""
    steps = {"ppo": ("--learner.num-steps", "16"), "dqn": device_runs.SEGMENTS["dqn"]}[_learner(game)]
    flags = [*device_runs.SMALL_RUN, *steps, "--model-size", size, "--run-name", f"{game}_{size}_problem"]
    with device_runs.built(game, "cpu", folder, flags) as run:
        return device_parts.problem(run)


def resumed(game: str, saved_on: torch.device, goes_on: torch.device, folder: Path) -> dict[str, Any]:
    """A checkpoint of one device that another goes on with."""
    flags = [*device_runs.SMALL_RUN, *device_runs.SEGMENTS[_learner(game)], "--model-size", "slim"]
    return device_runs.resumed(game, saved_on, goes_on, folder, flags)


def trained(check: Check, game: str, size: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Training as the command does it, with the machine's own preset where the game has one."""
    flags = ["--model-size", size, "--evaluation.interval", "0", "--dashboard", "plain", "--run-name", f"{game}_train"]
    if check.quick:
        flags += [*device_runs.SMALL_RUN, *device_runs.SEGMENTS[_learner(game)]]
    elif "machines" in env_registry.resolve(game).training():
        flags += ["--preset", "auto"]
    else:
        flags += ["--num-envs", "64"]
        flags += ["--learner.learning-starts", "1000"] if _learner(game) == "dqn" else []
    with device_runs.built(game, check.device, folder, flags) as run:
        return {"num_envs": run.config.num_envs} | device_runs.training(run, seconds)


# -- what is written ---------------------------------------------------------------------------------------------------
def machine(device: torch.device) -> dict[str, Any]:
    """What the figures belong to."""
    facts: dict[str, Any] = {"device": str(device), "platform": platform.platform(), "cores": usable_cores()}
    facts |= {"processor": _processor(), "python": platform.python_version(), "cuda": torch.version.cuda}
    facts |= {name: _version(name) for name in LIBRARIES}
    facts |= {
        "c_compiler": bool(shutil.which("cc") or shutil.which("gcc")),
        "name": None,
        "memory_gb": None,
        "driver": None,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"name": properties.name, "memory_gb": round(properties.total_memory / 1e9, 1)}
        facts |= {"capability": f"{properties.major}.{properties.minor}", "cudnn": torch.backends.cudnn.version()}
        facts |= {"driver": _driver()}
    return facts


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith("model name")).split(": ", 1)[1]
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, IndexError):
        return subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.split()[0]
    return None


def write(check: Check, folder: Path) -> None:
    """One JSON and one table."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine(check.device), "quick": check.quick, "ok": check.ok}
    told |= {"seconds": round(check.budget - check.left, 1), "rows": [_plain(row) for row in check.rows]}
    (folder / "device.json").write_text(json.dumps(told, indent=1) + "\n")
    lines = [", ".join(f"{name} {value}" for name, value in told["machine"].items() if value is not None), ""]
    for part, columns in COLUMNS.items():
        lines += table(part, columns, [row for row in check.rows if row["part"] == part])
    (folder / "device.md").write_text("\n".join(lines))
    verdict = "all as on the CPU" if check.ok else "NOT all as on the CPU"
    print(f"{verdict}; {told['seconds']:.0f} s; {folder / 'device.md'}")


def table(part: str, columns: Iterable[str], rows: list[dict[str, Any]]) -> list[str]:
    """A part as a table of Markdown."""
    columns = ("game", "model_size", *columns)
    lines = [f"## {part}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [_cell(row.get(name)) for name in columns]
        if "skipped" in row:
            cells[-1] = f"left out: {row['skipped']}".replace("|", "/")
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def as_text(row: dict[str, Any]) -> str:
    """A row for people."""
    head = f"{row['part']:<12} {row['game']:<12} {row['model_size']:<6}"
    told = {name: value for name, value in row.items() if name not in ("part", "game", "model_size")}
    return f"{head} " + ", ".join(f"{name} {_cell(value)}" for name, value in told.items() if value is not None)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return (
            f"{value:.1e}" if value and abs(value) < 1e-2 else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
        )
    return "" if value is None else str(value)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity."""
    return {name: str(x) if isinstance(x, float) and not abs(x) < float("inf") else x for name, x in row.items()}


if __name__ == "__main__":
    sys.exit(main())
