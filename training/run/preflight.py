"""What can be known to fail is said before a run has written a byte, in one sentence that helps."""

import difflib
import os
import platform
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch

from puffer_envs.kit.process import usable_cores
from training.store.lock import LOCK, LockedError, RunLock
from training.telemetry.records import clean_text, size_text

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MIB, GIB = 1 << 20, 1 << 30
# Resident memory, measured: Python with torch, its optimisers and numba; a worker process without torch.
BASE_BYTES, WORKER_BYTES = 450 * MIB, 40 * MIB
# Weights, target, gradient and Adam's two moments.
COPIES_OF_WEIGHTS = 5
# Some hundred states of a Game Boy.
SAVESTATES_BYTES = 64 * MIB


class UserError(Exception):
    """Something that the person who started the run can mend; the message says how."""


# -- checks: each returns what it found out, or raises UserError -----------------------------------------------------
def preflight(
    runs_dir: Path,
    savestates_dir: Path,
    run_name: str,
    *,
    resume: bool,
    disk_bytes: int,
    memory: Mapping[str, int],
) -> Path:
    """Everything that can be checked without writing; the run's folder, which may not exist yet.

    Args:
        disk_bytes: what the run's checkpoints will take, see `predict_disk`; a resumed run has a part of it already.
        memory: what -> bytes that it will take, see `predict_memory`.
    """
    folder = check_run(runs_dir, savestates_dir, run_name, resume)
    held = held_bytes(folder / "checkpoints") if resume else 0
    savestates = savestates_dir / run_name
    for path, needed, option in (
        (folder, max(disk_bytes - held, 0), "--runs-dir"),
        (savestates, SAVESTATES_BYTES, "--savestates-dir"),
    ):
        check_writable(path)
        check_disk(path, needed, option)
    check_memory(memory)
    return folder


def check_run(runs_dir: Path, savestates_dir: Path, name: str, resume: bool) -> Path:
    """The run's folder: new without ``resume``, there with it."""
    folder, _ = check_name(runs_dir, savestates_dir, name)
    if resume and not _has_content(folder):
        raise UserError(f"there is no run '{name}' in {runs_dir} to resume{_similar(runs_dir, name)}")
    if not resume and _has_content(folder):
        raise UserError(f"run '{name}' exists in {runs_dir}: continue it with --resume, or choose another --run-name")
    if not resume and _has_content(savestates_dir / name):
        raise UserError(f"{savestates_dir / name} holds the savestates of something else: choose another --run-name")
    return folder


def check_name(runs_dir: Path, savestates_dir: Path, name: str) -> tuple[Path, Path]:
    """The run's folder and that of its savestates, which lie where they should."""
    if not RUN_NAME.fullmatch(name):
        raise UserError(
            f"'{clean_text(name)}' cannot be a run name: use 1 to 64 letters, digits, dots, dashes and underscores, "
            "the first a letter or digit"
        )
    for parent in (runs_dir, savestates_dir):
        if not (parent / name).resolve().is_relative_to(parent.resolve()):
            raise UserError(f"{parent / name} leads out of {parent}: remove that link or choose another --run-name")
    return runs_dir / name, savestates_dir / name


def lock_run(runs_dir: Path, savestates_dir: Path, name: str) -> RunLock:
    """The lock on a run's folders; it comes before all that is read or written there."""
    folders = check_name(runs_dir, savestates_dir, name)
    for path in folders:
        check_writable(path)
    try:
        return RunLock(name, folders)
    except LockedError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"cannot write to {error.filename or folders[0]}: {error.strerror}") from error


def check_writable(path: Path) -> Path:
    """The nearest folder on the way to ``path`` that exists, if we may write there."""
    existing = _existing(path)
    if not existing.is_dir():
        raise UserError(f"cannot write to {path}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {path}: no permission to write in {existing}")
    return existing


def check_disk(path: Path, needed: int, option: str = "--runs-dir") -> int:
    """Free bytes where ``path`` lies or will lie, which is where ``option`` says."""
    free = shutil.disk_usage(_existing(path)).free
    if free < needed:
        raise UserError(
            f"{size_text(free)} are free where {path} lies and the run needs {size_text(needed)}: "
            f"make room, or choose another place with {option}"
        )
    return free


def check_memory(parts: Mapping[str, int]) -> int:
    """Bytes of memory that are free, if the predicted parts fit in."""
    needed, free = sum(parts.values()), available_memory()
    if needed > free:
        largest = max(parts, key=lambda name: parts[name])
        raise UserError(
            f"the run needs about {size_text(needed)} of memory and {size_text(free)} are free; "
            f"most of it, {size_text(parts[largest])}, is for {largest}"
        )
    return free


def pick_device(name: str) -> torch.device:
    """The device of ``--device``; ``auto`` takes a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {clean_text(name)} is no device: use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        built = "no GPU is visible" if torch.version.cuda else "this torch is built without CUDA"
        raise UserError(f"--device {name} asks for a GPU, but {built}: use --device auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name} does not exist: GPUs here: {torch.cuda.device_count()}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps asks for Apple's GPU, which is not here: use --device auto or cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device {name} is not supported: use auto, cpu, cuda, cuda:1 or mps")
    return device


# -- predictions ---------------------------------------------------------------------------------------------------
def predict_memory(
    *, records: int, record_bytes: int, parameters: int, update: int, environments: int
) -> dict[str, int]:
    """What a run will take of the host's memory, part by part.

    Args:
        records: decisions that the learner holds.
        record_bytes: of one, with its share of the recurrent states; 0 where they lie on a GPU.
        parameters: of the acting network.
        update: bytes of what a network remembers of a batch between its layers; 0 where it lies on a GPU.
        environments: bytes of all, with their processes, those of evaluations too.
    """
    return {
        "Python and torch": BASE_BYTES,
        "the stored decisions": records * record_bytes,
        "the network and its optimiser": COPIES_OF_WEIGHTS * 4 * parameters,
        "an update": update,
        "the environments": environments,
    }


def predict_disk(
    *, records: int, record_bytes: int, parameters: int, total_steps: int, save_interval: int, kept: int
) -> int:
    """What the checkpoints of a run will take at the most: at the end, while one more than those kept is written.

    A record is written once and shared by all checkpoints that hold it. The newest ones are a save interval apart, so
    together they span the replay and `kept` intervals; the best one may be older, with a whole replay of its own.

    Args:
        save_interval: records between two checkpoints; 0 where they come at unknown times.
        kept: newest checkpoints that stay.
    """
    apart = min(save_interval or records, records)
    kept_records = min(records + kept * apart + records, total_steps)
    return kept_records * record_bytes + (kept + 2) * COPIES_OF_WEIGHTS * 4 * parameters


def held_bytes(folder: Path) -> int:
    """What a folder's files take; one with several names, as a segment of the replay has, counts once."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}.values())


def available_memory() -> int:
    """Bytes that can still be had, a container's limit included."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = _read(Path("/proc/meminfo"))
    if match := re.search(r"MemAvailable:\s+(\d+) kB", meminfo):
        free = int(match[1]) * 1024
    for folder, limit, used, cache in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        bound, taken = (_read(Path(folder, name)).strip() for name in (limit, used))
        if bound.isdigit() and taken.isdigit():
            # Files that were written and left, as checkpoints are, count as taken but give way at once.
            match = re.search(rf"^{cache} (\d+)$", _read(Path(folder, "memory.stat")), re.MULTILINE)
            free = min(free, max(0, int(bound) - int(taken) + (int(match[1]) if match else 0)))
    return free


# -- the banner ----------------------------------------------------------------------------------------------------
def banner(
    *,
    run_name: str,
    env: str,
    model: str,
    device: torch.device,
    num_envs: int,
    num_workers: int,
    torch_threads: int,
    memory: Mapping[str, int],
    folder: Path,
    savestates: Path,
    resume_step: int | None = None,
    begins_again: bool = False,
) -> str:
    """What a run is about to do, where and with what, in a few lines."""
    workers = f"{num_workers} workers" if num_workers else "this process"
    start = "begins again, as it had no checkpoint yet" if begins_again else "a new run"
    if resume_step is not None:
        start = f"goes on at step {resume_step:,}"
    rows = {
        "run": f"{run_name}, {start}",
        "game": f"{env}, {num_envs} environments in {workers}",
        "network": model,
        "device": f"{_device_text(device)}, {torch_threads} torch threads of {usable_cores()} cores",
        "versions": f"Python {platform.python_version()}, " + ", ".join(_versions()),
        "memory": f"{size_text(sum(memory.values()))} predicted, {size_text(available_memory())} free",
        "disk": f"{size_text(shutil.disk_usage(_existing(folder)).free)} free",
        "writes to": f"{folder} and {savestates}",
    }
    return "\n".join(f"{name:>9}  {clean_text(text)}" for name, text in rows.items())


def _device_text(device: torch.device) -> str:
    if device.type != "cuda":
        return device.type
    properties = torch.cuda.get_device_properties(device)
    return f"{device} ({properties.name}, {size_text(properties.total_memory)})"


def _versions() -> list[str]:
    return [f"{name} {metadata.version(name)}" for name in ("torch", "numba", "numpy", "pyboy", "pufferlib-core")]


def _similar(runs_dir: Path, name: str) -> str:
    known = sorted(path.name for path in runs_dir.iterdir() if _has_content(path)) if runs_dir.is_dir() else []
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean '{clean_text(close[0])}'?" if close else ""


def _has_content(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir()))


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
