"""Rewards for the new: random network distillation, episodic novelty, and a bonus for undecided milestones."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from puffer_envs.contract.records import Event

# Decisions that the statistics of the surprise look back on. All of the run would not do: the predictor gets better
# and better, so on the scale of the beginning nothing would ever surprise again.
RND_WINDOW = 10_000
NOVEL = 1  # column of the places among the parts of `Curiosity.rewards`


@dataclass(frozen=True)
class IntrinsicConfig:
    """Rewards for the new: r_total = r_env + rnd r_rnd + novel r_novel + bayes r_bayes."""

    rnd: Annotated[float, Ge(0)] = 0.1
    """Weight of random network distillation on the encoder's features."""
    novel: Annotated[float, Ge(0)] = 0.05
    """Weight of 1 / visits^novel_power, visits in this episode of where the last action led."""
    # The original's .5 pays so much for the tenth visit that going in circles is worth as much as going on: in single
    # probes with .5 no episode from the first companion left for the next place in 600 tries.
    novel_power: Annotated[float, Ge(0)] = 2.0
    """How fast a place loses its novelty, see novel; 0 pays every visit alike."""
    bayes: Annotated[float, Ge(0)] = 0.05
    """Weight of 1 - theta of a milestone when it is reached."""
    rnd_hidden: Annotated[int, Ge(1)] = 256
    """Width of the predictor and of the target of random network distillation."""
    rnd_learning_rate: Annotated[float, Interval(gt=0, le=1)] = 1e-4
    """Of the predictor's Adam."""
    rnd_gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    """Discount of the sum of errors whose deviation is the unit of surprise."""
    rnd_clip: Annotated[float, Gt(0)] = 5.0
    """Surprise is clipped to this."""


class RND:
    """Random network distillation on the encoder's features (Burda et al. 2018, https://arxiv.org/abs/1810.12894).

    The surprise of a row is the predictor's squared error against a fixed random network, over the running deviation of
    its discounted sum. (Over the deviation of the error itself it outweighed the game's own rewards, which then fell.)
    `reward` uses the predictor as it was at the last `publish`, so `update` may run in another thread.
    """

    def __init__(self, num_rows: int, feature_size: int, config: IntrinsicConfig, device: torch.device | str) -> None:
        width = config.rnd_hidden
        self.target = _mlp(feature_size, width).to(device).requires_grad_(False)
        self.predictor = _mlp(feature_size, width).to(device)
        self.acting = copy.deepcopy(self.predictor).requires_grad_(False)
        self.clip, self.gamma, self.learning_rate = config.rnd_clip, config.rnd_gamma, config.rnd_learning_rate
        self.optimizer = torch.optim.Adam(self.predictor.parameters(), lr=self.learning_rate)
        self.returns = np.zeros(num_rows)  # discounted sum of each row's errors
        self.moments = np.array([0.0, 1.0, 1e-4])  # mean, variance and weight of the returns

    def reward(self, features: Tensor, alive: np.ndarray) -> np.ndarray:
        """Surprise of each row, float32 [N] in [0, clip]; its statistics take those alive (bool [N]) in first."""
        with torch.no_grad():
            error = self._error(self.acting, features).cpu().double().numpy()
        self.returns[alive] = self.gamma * self.returns[alive] + error[alive]
        if alive.any():
            self._observe(self.returns[alive])
        return np.clip(error / (np.sqrt(self.moments[1]) + 1e-8), 0.0, self.clip).astype(np.float32)

    def update(self, features: Tensor) -> float:
        """One step of the predictor on features [B, F]; returns its loss, and leaves out a batch that is not finite."""
        loss = self._error(self.predictor, features).mean()
        if torch.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def publish(self) -> None:
        """Reward by the trained predictor from now on."""
        for acting, trained in zip(self.acting.parameters(), self.predictor.parameters(), strict=True):
            acting.copy_(trained)

    def _error(self, predictor: nn.Module, features: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.target(features)
        return (predictor(features) - wanted).square().mean(-1)

    def _observe(self, values: np.ndarray) -> None:
        """Running mean and variance (Chan's parallel update, the past weighing RND_WINDOW at most)."""
        mean, variance, count = self.moments
        n, count = values.size, min(count, RND_WINDOW)
        delta, total = values.mean() - mean, count + n
        spread = variance * count + values.var() * n + delta**2 * count * n / total
        self.moments[:] = mean + delta * n / total, spread / total, total

    def state_dict(self) -> dict[str, Any]:
        """The networks, the optimiser and the statistics."""
        return {
            "target": self.target.state_dict(),
            "predictor": self.predictor.state_dict(),
            "acting": self.acting.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "returns": self.returns.copy(),
            "moments": self.moments.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.target.load_state_dict(state["target"])
        self.predictor.load_state_dict(state["predictor"])
        self.acting.load_state_dict(state["acting"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:  # a resumed run may have been given another
            group["lr"] = self.learning_rate
        self.returns[:] = state["returns"]
        self.moments[:] = state["moments"]


class EpisodicNovelty:
    """1 / n^power at the n-th visit of a key within the episode."""

    def __init__(self, num_rows: int, power: float) -> None:
        self.power = power
        self.visits: list[dict[int, int]] = [{} for _ in range(num_rows)]

    def reward(self, keys: np.ndarray) -> np.ndarray:
        """Pay each row for where its action led, keys uint64 [N]; float32 [N]."""
        counts = np.empty(len(keys), np.float32)
        for row, key in enumerate(keys.tolist()):
            visits = self.visits[row]
            counts[row] = visits[key] = visits.get(key, 0) + 1
        return counts**-self.power

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


class Curiosity:
    """The rewards for the new of all rows: surprise, new places, milestones."""

    def __init__(self, num_rows: int, feature_size: int, config: IntrinsicConfig, device: torch.device | str) -> None:
        self.weights = {"rnd": config.rnd, "novel": config.novel, "bayes": config.bayes}
        self.rnd = RND(num_rows, feature_size, config, device)
        self.novelty = EpisodicNovelty(num_rows, config.novel_power)

    def surprise(self, features: Tensor | None, alive: np.ndarray) -> np.ndarray:
        """Of each row, float32 [N]; 0 where it pays nothing, as it is the dear one."""
        if features is None or not self.weights["rnd"]:
            return np.zeros(len(alive), np.float32)
        return self.rnd.reward(features, alive)

    def rewards(self, surprise: np.ndarray, keys: np.ndarray, events: Sequence[Event], theta: np.ndarray) -> np.ndarray:
        """Unweighted parts, float32 [N, 3]: the surprise, and what the places (uint64 [N]) and milestones pay."""
        return np.stack([surprise, self.novelty.reward(keys), milestone_bonus(events, theta, len(keys))], 1)

    def forget(self, rows: np.ndarray) -> None:
        """Begin anew in `rows` (indices), whose episodes ended."""
        self.novelty.forget(rows)


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
