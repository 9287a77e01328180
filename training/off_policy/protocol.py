"""What a learner from a replay is beside the `runner`: its networks, its update, and how it explores: DQN and SAC."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, device

from policies.protocol import Network
from puffer_envs.contract.vector_env import VectorEnv
from training.common.acting import Player, Seen
from training.off_policy.replay import SequenceBatch


class Choice(NamedTuple):
    """A decision of all rows."""

    actions: np.ndarray  # [N, *action shape]
    features: Tensor | None  # float32 [N, F] of the network that acts, for the curiosity
    state: Tensor  # float32 [N, S], recurrent, after it


class Behaviour(Protocol):
    """How the swarm acts while it learns."""

    def choose(self, seen: Seen, global_step: int) -> Choice:
        """What all rows do now."""

    def observe(self, new: np.ndarray) -> None:
        """Which rows came to a new place, bool [N]."""

    def forget(self, rows: np.ndarray) -> None:
        """Begin anew in `rows` (indices), whose episodes ended."""

    def figures(self) -> dict[str, float]:
        """What stands in a log line, since the last call."""

    def state_dict(self) -> dict[str, Any]:
        """Everything but the network."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""


class Algorithm(Protocol):
    """Networks and their update."""

    device: device

    @property
    def acting(self) -> Network:
        """The network that acts, as of the last `publish`: an update may run in another thread."""

    def update(self, batch: SequenceBatch) -> tuple[dict[str, float], Tensor | None]:
        """One gradient step: its figures, and features of what was trained for the curiosity, float32 [B, F].

        Raises:
            NonFiniteError: before the weights are touched.
        """

    def publish(self) -> None:
        """Act with the weights as they are now."""

    def behaviour(self, num_rows: int, seed: int) -> Behaviour:
        """How the swarm acts while it learns."""

    def player(self, env: VectorEnv, seed: int, random_share: float) -> Player:
        """Who plays evaluations and videos."""

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, counters."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""


class ReplaySettings(Protocol):
    """Settings that every learner from a replay has."""

    burn_in: int
    sequence: int
    n_step: int
    batch_size: int
    replay_ratio: float
    replay_size: int
    learning_starts: int
