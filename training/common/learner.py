"""What a run asks of whoever learns: `off_policy.OffPolicy` and `on_policy.OnPolicy` answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from puffer_envs.contract.vector_env import VectorEnv
from training.common.ledger import Ledger, Step


class NonFiniteError(RuntimeError):
    """The loss or a gradient was NaN or infinite; ``batch`` (tensors by name) is what did it."""

    def __init__(self, message: str, batch: dict[str, Any]) -> None:
        super().__init__(message)
        self.batch = batch


class Player(Protocol):
    """A policy playing in environments that nobody learns from."""

    first: np.ndarray  # bool [N], set by who plays: the row's next observation begins an episode

    def choose(self) -> np.ndarray:
        """Actions int32 [N] for the environments' present observations; a memory moves on."""


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

    def finish(self, theta: np.ndarray) -> Step:
        """Wait for the step and store it; ``theta`` float64 [M] is the posterior of each milestone."""

    def player(self, env: VectorEnv, seed: int) -> Player:
        """Who plays evaluations and videos in ``env``."""

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
