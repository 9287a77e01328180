"""The books of starts: what each environment has been told to begin next, and what was really played.

A start waits until its environment says that it has begun: one that is overridden, evicted or lost on the way is never
counted.
"""

from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from curriculum import sampling

RECENT_STARTS = 256  # that `Starts.mix` looks back on
NEW_GAME = -1  # kind of a start; others are the index of the tier


class Start(NamedTuple):
    """Where an environment begins its next episode."""

    state_id: str | None  # None for a new game
    kind: int


A_NEW_GAME = Start(None, NEW_GAME)


class Starts:
    """What waits and what was played."""

    def __init__(self) -> None:
        self.waiting: dict[int, Start] = {}  # of each environment
        self.played, self.new_games = 0, 0
        self.recent: deque[int] = deque(maxlen=RECENT_STARTS)  # kinds of the latest that were played

    def begin(self, env: int) -> None:
        """An environment has begun what it was told."""
        start = self.waiting.pop(env, None)
        if start is not None:
            self.played += 1
            self.new_games += start.kind == NEW_GAME
            self.recent.append(start.kind)

    def withdraw(self, state_ids: Collection[str | None], env: int | None = None) -> None:
        """States cannot be used, by one environment or by any: new games are begun in their place."""
        for other, start in self.waiting.items():
            if start.state_id in state_ids and env in (None, other):
                self.waiting[other] = A_NEW_GAME

    def new_game_due(self, fraction: float) -> bool:
        """Whether a state now could bring new games below ``fraction`` of what is played.

        That is so if all states that wait were played before the new games that wait. Only the very first starts
        begin together.
        """
        new = sum(start.kind == NEW_GAME for start in self.waiting.values())
        if self.played == 0:
            return sampling.new_game_due(new, len(self.waiting), fraction)
        return sampling.new_game_due(self.new_games, self.played + len(self.waiting) - new, fraction)

    def mix(self) -> dict[str, float]:
        """Fractions of the recent starts: new games and the three tiers."""
        kinds = np.bincount(np.array(self.recent, np.int64) - NEW_GAME, minlength=len(sampling.TIERS) + 1)
        return dict(zip(("new", *sampling.TIERS), (kinds / max(1, kinds.sum())).tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        waiting = [[env, *start] for env, start in self.waiting.items()]
        return {
            "waiting": waiting,
            "played": self.played,
            "new_games": self.new_games,
            "recent": list(self.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.waiting = {env: Start(state_id, kind) for env, state_id, kind in state["waiting"]}
        self.played, self.new_games = int(state["played"]), int(state["new_games"])
        self.recent = deque(state["recent"], maxlen=RECENT_STARTS)
