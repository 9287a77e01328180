"""What a run asks of whoever learns: `on_policy.runner.OnPolicy` and `off_policy.runner.OffPolicy` answer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from puffer_envs.contract.vector_env import VectorEnv
from training.common.acting import Player
from training.common.ledger import Ledger, Step


class NonFiniteError(RuntimeError):
    """The loss or a gradient was NaN or infinite; ``batch`` (tensors by name) is what did it."""

    def __init__(self, message: str, batch: dict[str, Any]) -> None:
        super().__init__(message)
        self.batch = batch


class Learner(Protocol):
    """Acts in the environments of a run and learns from them: `begin`, `learn`, `finish`, once a decision."""

    @property
    def ledger(self) -> Ledger:
        """The books of the rows."""

    @property
    def trained(self) -> int:
        """Decisions that updates have trained on."""

    @property
    def busy_seconds(self) -> float:
        """Of all updates."""

    @property
    def env_seconds(self) -> float:
        """From the orders to step until the last answers."""

    def begin(self) -> None:
        """Choose actions and start the step."""

    def learn(self) -> Iterator[dict[str, float]]:
        """Learn what is due by now, while the environments step; the figures of each update.

        Raises:
            NonFiniteError: the run must not go on.
        """

    def learn_last(self) -> Iterator[dict[str, float]]:
        """Learn what would have been due with one more decision: the run is over.

        Raises:
            NonFiniteError: as `learn`.
        """

    def finish(self, theta: np.ndarray) -> Step:
        """Wait for the step and store it; ``theta`` float64 [M] is the posterior of each milestone."""

    def player(self, env: VectorEnv, seed: int) -> Player:
        """Who plays evaluations and videos in ``env``."""

    def rivals(self) -> dict[str, Callable[[VectorEnv, int], Player]]:
        """Who else, by name, the second agents of evaluations are played by, in games of two; at first none."""

    def figures(self) -> dict[str, float]:
        """What else stands in a log line."""

    def files(self) -> list[Path]:
        """Files that a checkpoint links beside its parts, on the disk now."""

    def state_dict(self) -> dict[str, Any]:
        """Parts of a checkpoint by name: everything that moves but the environments."""

    def load_state_dict(self, parts: dict[str, Any], files: dict[str, Path]) -> None:
        """Inverse of `state_dict`; ``files`` are those that the checkpoint has linked."""

    def close(self) -> None:
        """Let go of threads."""
