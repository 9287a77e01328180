"""Rewards for the new: random network distillation, episodic novelty, and a bonus for undecided milestones."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from puffer_envs.base import Event
from training.config import IntrinsicConfig

# Decisions that the statistics of the surprise look back on. All of the run would not do: the predictor gets better
# and better, so against the mean of the beginning nothing would ever surprise again.
RND_WINDOW = 10_000


class RND:
    """Random network distillation (Burda et al. 2018) on the encoder's features.

    The surprise of a row is the predictor's squared error against a fixed random network, less its running mean and
    over its running deviation; what surprises less than usual pays nothing.
    """

    def __init__(self, feature_size: int, config: IntrinsicConfig, device: torch.device | str) -> None:
        width = config.rnd_hidden
        self.target = _mlp(feature_size, width).to(device).requires_grad_(False)
        self.predictor = _mlp(feature_size, width).to(device)
        self.optimizer = torch.optim.Adam(self.predictor.parameters(), lr=config.rnd_learning_rate)
        self.clip = config.rnd_clip
        self.moments = torch.tensor([0.0, 1.0, 1e-4], dtype=torch.float64)  # mean, variance, count

    @torch.no_grad()
    def reward(self, features: Tensor) -> Tensor:
        """Surprise of each row, float32 [N] on the CPU, in [0, clip]; its statistics take the batch in first."""
        error = self._error(features).double().cpu()
        self._observe(error)
        mean, variance, _ = self.moments
        return ((error - mean) / (variance.sqrt() + 1e-8)).clamp(0.0, self.clip).float()

    def update(self, features: Tensor) -> float:
        """One step of the predictor on features [B, F]; returns its loss."""
        loss = self._error(features).mean()
        if not torch.isfinite(loss):
            return math.nan
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _error(self, features: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.target(features)
        return (self.predictor(features) - wanted).square().mean(-1)

    def _observe(self, error: Tensor) -> None:
        """Running mean and variance of the errors (Chan's parallel update, the past weighing RND_WINDOW at most)."""
        mean, variance, count = self.moments
        n = error.numel()
        count = count.clamp(max=RND_WINDOW)
        delta, total = error.mean() - mean, count + n
        spread = variance * count + error.var(unbiased=False) * n + delta**2 * count * n / total
        self.moments = torch.stack([mean + delta * n / total, spread / total, total])

    def state_dict(self) -> dict[str, Any]:
        """Both networks, the optimiser and the statistics."""
        return {
            "target": self.target.state_dict(),
            "predictor": self.predictor.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "moments": self.moments,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.target.load_state_dict(state["target"])
        self.predictor.load_state_dict(state["predictor"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.moments = state["moments"].cpu()


class EpisodicNovelty:
    """1 / sqrt(n) at the n-th visit of a key within the episode."""

    def __init__(self, num_rows: int) -> None:
        self.visits: list[dict[int, int]] = [{} for _ in range(num_rows)]

    def reward(self, keys: np.ndarray) -> np.ndarray:
        """Pay each row for where its action led, keys uint64 [N]; float32 [N]."""
        counts = np.empty(len(keys), np.float32)
        for row, key in enumerate(keys.tolist()):
            visits = self.visits[row]
            counts[row] = visits[key] = visits.get(key, 0) + 1
        return 1.0 / np.sqrt(counts)

    def forget(self, rows: np.ndarray) -> None:
        """Begin anew in `rows` (indices), whose episodes ended."""
        for row in rows.tolist():
            self.visits[row].clear()

    def state_dict(self) -> dict[str, Any]:
        """Keys and counts of each row."""
        return {
            "keys": [np.fromiter(visits.keys(), np.uint64, len(visits)) for visits in self.visits],
            "counts": [np.fromiter(visits.values(), np.int64, len(visits)) for visits in self.visits],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.visits = [
            dict(zip(np.asarray(keys).tolist(), np.asarray(counts).tolist(), strict=True))
            for keys, counts in zip(state["keys"], state["counts"], strict=True)
        ]


def milestone_bonus(events: Sequence[Event], theta: np.ndarray, num_rows: int) -> np.ndarray:
    """1 - theta_m to each row that reached milestone m in this step, so that mastered ones stop paying; float32 [N]."""
    bonus = np.zeros(num_rows, np.float32)
    for event in events:
        bonus[event.row] += 1.0 - theta[event.milestone]
    return bonus


def _mlp(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
