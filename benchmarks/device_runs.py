"""Runs on a device: where their time goes, and whether another device can go on with their checkpoints."""

import contextlib
import io
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.device_parts import error, float32
from policies.protocol import ActorCritic
from training.common.clock import Clock
from training.on_policy.runner import OnPolicy
from training.run import cli
from training.run.build import build
from training.run.run import Run

RESUMED = 1e-2  # largest error of what follows a checkpoint: an update of Adam enlarges what rounding left
FOLLOWED = 20  # decisions after a checkpoint, with an update among them
SEGMENT = 8  # decisions between two updates of these runs
SMALL_RUN = (
    *("--num-envs", "4", "--num-workers", "auto", "--evaluation.interval", "0", "--dashboard", "plain"),
    *("--total-steps", "1000000"),
)
SEGMENTS = {
    "ppo": ("--learner.num-steps", str(SEGMENT)),
    "dqn": ("--learner.learning-starts", "64", "--learner.replay-size", "4096", "--batch-size", str(4 * SEGMENT)),
}
SAMPLED_S = 0.5  # between two looks at the device


@contextlib.contextmanager
def built(game: str, device: torch.device | str, folder: Path, flags: Sequence[str]) -> Iterator[Run]:
    """A run as the command builds it, closed at the end; what it says to people is not shown."""
    where = ["--runs-dir", str(folder / "runs"), "--savestates-dir", str(folder / "savestates")]
    with contextlib.redirect_stdout(io.StringIO()):
        run = build(cli.parse(["--env", game, "--device", str(device), *where, *flags]))
    with run:
        yield run


# -- training ----------------------------------------------------------------------------------------------------------
def training(run: Run, seconds: float) -> dict[str, Any]:
    """Train for a while after the first update; the shares of the time, the speed, and what the device says."""
    learner, clock, end = run.learner, Clock(), time.perf_counter() + 1.5 * seconds
    while not learner.trained and time.perf_counter() < end:
        _decide(run, Clock())
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    steps, trained, busy = run.ledger.global_step, learner.trained, learner.busy_seconds
    clock.take()
    begin = time.perf_counter()
    with Watch(run.device) as watch:
        while time.perf_counter() - begin < seconds:
            _decide(run, clock)
    split = clock.take()
    total = split.pop("total")
    told: dict[str, Any] = {"sps": (run.ledger.global_step - steps) / total, "seconds": total}
    told |= {"trained_sps": (learner.trained - trained) / total, "share_learner": (learner.busy_seconds - busy) / total}
    told |= {f"share_{part}": spent / total for part, spent in split.items()}
    return told | {"memory_mb": _memory(run.device)} | watch.figures()


def _decide(run: Run, clock: Clock) -> list[dict[str, float]]:
    """One decision of all rows, in the order of the command; figures of the updates that it brought."""
    with clock("act"):
        run.learner.begin()
    with clock("learn"):
        figures = list(run.learner.learn())
    with clock("env"):
        step = run.learner.finish(run.manager.theta)
    with contextlib.redirect_stdout(io.StringIO()):
        run.report(step)
    return figures


def _memory(device: torch.device) -> float | None:
    """The most that tensors took on the device since the last reset, MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return torch.mps.driver_allocated_memory() / 1e6 if device.type == "mps" else None


class Watch:
    """Looks at the device's utilisation, %, in a thread of its own, while the context lasts."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seen: list[float] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        if self.device.type == "cuda":
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread.is_alive():
            self.thread.join(5.0)

    def _look(self) -> None:
        while not self.over.wait(SAMPLED_S):
            now = utilisation(self.device)
            if now is None:
                return
            self.seen.append(now)

    def figures(self) -> dict[str, float | None]:
        """Mean and most; None where nothing could be seen."""
        seen = self.seen
        return {
            "utilisation": sum(seen) / len(seen) if seen else None,
            "utilisation_most": max(seen) if seen else None,
        }


def utilisation(device: torch.device) -> float | None:
    """Share of the last moment in which the device worked, %; None where nobody can say."""
    try:
        return float(torch.cuda.utilization(device))
    except Exception:  # without NVIDIA's Python package it raises one thing or another
        pass
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--id={device.index or 0}"]
    try:
        return float(subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


# -- checkpoints -------------------------------------------------------------------------------------------------------
def resumed(game: str, saved_on: torch.device, goes_on: torch.device, folder: Path, flags: Sequence[str]) -> dict:
    """Save a run on one device, and compare what follows there with what follows on another that loads it."""
    name = f"{game}_{saved_on.type}"
    flags = [*flags, "--run-name", name]
    with float32(strict=True), built(game, saved_on, folder, flags) as run:
        while not run.learner.trained:
            _decide(run, Clock())
        for _ in range(SEGMENT // 2):  # the checkpoint lies within a segment
            _decide(run, Clock())
        run.save()
        reference = _follow(run)
    with float32(strict=True), built(game, goes_on, folder, [*flags, "--resume"]) as run:
        ours = _follow(run)
    errors = {name: error(ours[name], x, RESUMED) for name, x in reference.items()}
    worst = max(errors, key=errors.__getitem__)
    told = {"error": errors[worst], "worst": worst, "tolerance": RESUMED, "updates": int(reference["loss"].numel())}
    return {"what": f"{saved_on.type} to {goes_on.type}"} | told | {"ok": errors[worst] <= RESUMED}


def _follow(run: Run) -> dict[str, Tensor]:
    """A few decisions, the likeliest ones where they are drawn: generators of two devices draw other numbers."""
    learner = run.learner
    if isinstance(learner, OnPolicy):
        _likeliest(learner.policy)
    seen: dict[str, list[np.ndarray]] = {"rewards": [], "outputs": [], "loss": []}
    for _ in range(FOLLOWED):
        figures = _decide(run, Clock())
        decided = learner.decision.values if isinstance(learner, OnPolicy) else learner.choice.state
        seen["outputs"].append(decided.cpu().numpy().copy())
        seen["rewards"].append(run.env.rewards.copy())
        seen["loss"] += [np.array(each["loss"], np.float32) for each in figures]
    return {name: torch.from_numpy(np.stack(values)) for name, values in seen.items()}


def _likeliest(policy: ActorCritic) -> None:
    """From now on its distributions give their mode where a sample is asked for."""
    step = policy.step

    def decided(*shown: Tensor) -> tuple:
        distribution, values, state = step(*shown)
        distribution.sample = lambda generator: distribution.mode()
        return distribution, values, state

    policy.step = decided  # type: ignore[method-assign]
