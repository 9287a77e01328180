"""The unit of the curriculum; a room of its own, as the tables of games need nothing else of `base`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Milestone:
    """Something worth reaching in a game. Games may extend it."""

    name: str
    tier: str  # "early", "mid" or "late"
    predecessor: str | None  # the milestone after which the deadline starts to run
    deadline: int  # T_m, decisions
