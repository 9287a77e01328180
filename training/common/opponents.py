"""What a learner asks of those who sit opposite: `selfplay.league.League` answers."""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from policies.protocol import ActorCritic
from training.common.acting import Seen
from training.common.ledger import Step


class Opponents(Protocol):
    """Play the rows that nobody learns from in games of two, and draw who plays the next episodes."""

    def play(self, seen: Seen, actions: Tensor, state: Tensor) -> Tensor:
        """The actions that are sent: ``actions`` but for the rows that a guest plays.

        Args:
            actions: [N, *action shape], of the network that learns.
            state: float32 [N, S], recurrent, after the decision; the guests' rows are written in place.
        """

    def follow(self, step: Step, global_step: int) -> None:
        """Take in what a step of all rows brought."""

    def oldest(self) -> ActorCritic | None:
        """The network as it was at the first snapshot that is kept."""

    def figures(self) -> dict[str, float]:
        """What stands in a log line."""

    def files(self) -> list[Path]:
        """What a checkpoint links, on the disk now."""

    def state_dict(self) -> dict[str, Any]:
        """Everything but the files."""

    def load_state_dict(self, state: dict[str, Any], files: dict[str, Path]) -> None:
        """Inverse of `state_dict`; ``files`` are those that the checkpoint has linked."""
