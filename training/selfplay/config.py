"""The settings of self-play."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge


@dataclass(frozen=True)
class SelfPlayConfig:
    """Who sits opposite, drawn anew for each episode."""

    snapshots: Annotated[float, Ge(0)] = 0.8
    """Weight of a snapshot as opponent; while there is none, and with draw latest, the network plays itself and learns
    from both seats."""
    scripts: dict[str, float] = field(default_factory=dict)
    """Weight of each player by rule, by its name."""
    draw: Literal["uniform", "pfsp", "latest"] = "uniform"
    """Which snapshot: any alike, those more often that are seldom beaten, or the network as it is now."""
    snapshot_interval: Annotated[int, Ge(1)] = 100_000
    """Decisions between two snapshots."""
    keep: Annotated[int, Ge(1)] = 100
    """Snapshots that are kept, the last ones."""
    live: Annotated[int, Ge(2)] = 4
    """Snapshots that play, or are to play next, at the most; each is a forward pass at every step."""
