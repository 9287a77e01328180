"""What nobody should train on with unnoticed: a reward that never comes, one action for ever, not a single win.

Each fault is a sentence, said once, and again only after it had gone.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.game import Game
from puffer_envs.contract.vector_env import VectorEnv
from training.common.ledger import FinishedEpisode, Step, score
from training.telemetry.metrics import WINDOW

# Decisions without a reward term: half of the 50,000 that the shortest presets last, so that they can tell of it, too.
TERM_DECISIONS = 25_000
PATIENCE = 4  # times a term's longest silence so far: rare ones are not told of again and again
STUCK = 0.98  # share of the decisions above which a choice is the only one; a policy that still explores is below
STEADY = 1e-3  # deviation of a Box's number, in parts of its range, below which it is a constant
# Sampled actions that are judged at once: a choice of 95% comes in 98% of so many by chance in one case of 6,000.
LEAST_ACTIONS = 500
MATCHES = 20  # that tell of an opponent: one that is still in a fifth of them is in most by chance once in 1,700
LEAST_MOVES = 8  # of an opponent that a match tells of: a coin falls on one side as often in one case of 128

Faults = dict[str, str]  # what is wrong now -> its sentence, whose figures may change while it lasts


class Watch(Protocol):
    """Looks for one kind of fault."""

    def faults(self) -> Faults:
        """At a log line."""

    def state_dict(self) -> dict[str, Any]:
        """Everything."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""


class Sanity:
    """Watches over a run; all of it is in the checkpoint, so that a resumed run says the same.

    Args:
        versus: whether the second agents are opponents (`Game.versus`).
    """

    def __init__(self, env: VectorEnv, game: Game, versus: bool) -> None:
        self.env = env
        self.active = env.active.copy()  # bool [N], rows that are learned from in the decision under way
        self.terms = Terms(env.spec.reward_weights, env.num_envs)
        self.habit = Habit(env.spec.action)
        self.rival = Rival(env) if versus else None
        self.wins = Wins(game.outcome) if versus or game.outcome else None
        self.watches: dict[str, Watch] = {"terms": self.terms, "habit": self.habit}
        if self.rival is not None:
            self.watches["rival"] = self.rival
        if self.wins is not None:
            self.watches["wins"] = self.wins
        self.told: set[str] = set()  # the faults of the last look

    def begin(self) -> None:
        """Take note of who plays before the first step, of a run that begins or goes on."""
        self.active[:] = self.env.active

    def add(self, step: Step, sampled: bool) -> None:
        """Take in one decision of all rows; actions are looked at where it is ``sampled``."""
        env, rows = self.env, self.active & step.alive
        self.terms.add(env.reward_terms, rows, len(step.episodes))
        if sampled:
            self.habit.add(env.actions[rows])
        if self.rival is not None:
            self.rival.add(step, env.actions, self.active)
        if self.wins is not None:
            self.wins.add(step.episodes)
        self.begin()

    def check(self) -> list[str]:
        """Sentences that are new, at a log line."""
        faults: Faults = {}
        for watch in self.watches.values():
            faults |= watch.faults()
        new = [sentence for fault, sentence in faults.items() if fault not in self.told]
        self.told = set(faults)
        return new

    def state_dict(self) -> dict[str, Any]:
        """Everything; `begin` finds who plays."""
        return {"told": sorted(self.told)} | {name: watch.state_dict() for name, watch in self.watches.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.told = set(state["told"])
        for name, watch in self.watches.items():
            watch.load_state_dict(state[name])


class Terms:
    """Reward terms that pay the learner nothing, though they weigh something and there was time for it.

    Time is `TERM_DECISIONS` and an episode for every second environment: some terms are paid at the end alone. A term
    that has only cost so far may fall silent: what it forbids has been unlearned.
    """

    def __init__(self, weights: dict[str, float], num_envs: int) -> None:
        self.names, self.num_envs = tuple(weights), num_envs
        self.meant = np.array(list(weights.values())) != 0.0  # bool [K]
        k = len(self.names)
        # Since the last look
        self.decisions, self.episodes = 0, 0
        self.paid = np.zeros(k, np.bool_)
        # Over the run
        self.ever, self.gained = np.zeros(k, np.bool_), np.zeros(k, np.bool_)  # paid anything, more than nothing
        self.silent = np.zeros((k, 2), np.int64)  # decisions and episodes until the last look
        self.longest = np.zeros(k, np.int64)  # silence that ended, in decisions
        self._open = np.flatnonzero(self.meant)  # terms of which something is yet to be seen before the next look

    def add(self, reward_terms: np.ndarray, rows: np.ndarray, episodes: int) -> None:
        """``reward_terms`` float32 [N, K]; ``rows`` bool [N], the learner's."""
        self.decisions += int(rows.sum())
        self.episodes += episodes
        if self._open.size:
            paid = reward_terms[rows][:, self._open]
            self.paid[self._open] |= (paid != 0).any(0)
            self.gained[self._open] |= (paid > 0).any(0)
            self._open = np.flatnonzero(self.meant & ~(self.paid & self.gained))

    def faults(self) -> Faults:
        self._look()
        silent, enough = self.silent, np.maximum(TERM_DECISIONS, PATIENCE * self.longest)
        due = (silent[:, 0] >= enough) & (2 * silent[:, 1] >= self.num_envs) & (self.gained | ~self.ever)
        return {
            f"term {self.names[k]}": f"reward term {self.names[k]} has paid nothing in {silent[k, 0]:,} decisions "
            f"and {silent[k, 1]:,} episodes"
            for k in np.flatnonzero(self.meant & due).tolist()
        }

    def _look(self) -> None:
        paid = self.paid
        self.longest[paid] = np.maximum(self.longest, self.silent[:, 0])[paid]
        self.silent += self.decisions, self.episodes
        self.silent[paid] = 0
        self.ever |= paid
        self.decisions, self.episodes, self.paid[:] = 0, 0, False
        self._open = np.flatnonzero(self.meant)

    def state_dict(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).copy() for name in ("paid", "ever", "gained", "silent", "longest")}
        return {"decisions": self.decisions, "episodes": self.episodes} | arrays

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.decisions, self.episodes = int(state["decisions"]), int(state["episodes"])
        for name in ("paid", "ever", "gained", "silent", "longest"):
            getattr(self, name)[:] = state[name]
        self._open = np.flatnonzero(self.meant & ~(self.paid & self.gained))


class Habit:
    """A policy that takes one action whatever it sees: one choice of each part, the same keys, the same numbers."""

    def __init__(self, action: ActionSpec) -> None:
        self.action = action
        self.counts = np.zeros((len(action.parts), max(action.parts, default=0)), np.int64)  # of each part's choices
        self.sums = np.zeros((2, action.size if action.low is not None else 0))  # of numbers in [0, 1], and squared
        self.taken = 0  # actions since they were last judged
        self.found: Faults = {}  # then

    def add(self, actions: np.ndarray) -> None:
        """Of rows that are learned from, [M, *shape]."""
        flat = actions.reshape(len(actions), self.action.size)
        self.taken += len(flat)
        if self.action.low is not None and self.action.high is not None:
            low, high = self.action.low.reshape(-1).astype(np.float64), self.action.high.reshape(-1)
            numbers = (flat - low) / (high - low)
            self.sums += numbers.sum(0), (numbers**2).sum(0)
        for part, choices in enumerate(self.action.parts):
            self.counts[part, :choices] += np.bincount(flat[:, part], minlength=choices)

    def faults(self) -> Faults:
        if self.taken >= LEAST_ACTIONS:
            self.found = self._numbers() if self.action.kind == "box" else self._choices()
            self.counts[:], self.sums[:], self.taken = 0, 0.0, 0
        return self.found

    def _numbers(self) -> Faults:
        means, squares = self.sums / self.taken
        if (squares - means**2 >= STEADY**2).any():
            return {}
        return {"habit": "the policy's actions are all the same, none of their numbers changes"}

    def _choices(self) -> Faults:
        first, shares = self.counts.argmax(1), self.counts.max(1) / self.taken
        if shares.min() <= STUCK:
            return {}
        share, others = f"{shares.min():.1%} of its decisions", f"less than {1 - STUCK:.0%}"
        taken = ", ".join(str(choice) for choice in first)
        if self.action.kind == "discrete":
            text = f"takes action {taken} in {share}"
        elif self.action.kind == "multi_discrete":
            text = f"takes the choices {taken} of its parts, each in {share} at least"
        elif first.any():
            held = ", ".join(str(key) for key in np.flatnonzero(first))
            text = f"presses nothing but key {held}, in {share} at least; the others in {others}"
        else:
            text = f"presses no key; each is held in {others} of its decisions"
        return {f"habit {taken}": f"the policy {text}"}

    def state_dict(self) -> dict[str, Any]:
        return {
            "counts": self.counts.copy(),
            "sums": self.sums.copy(),
            "taken": self.taken,
            "found": dict(self.found),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.counts[:], self.sums[:] = state["counts"], state["sums"]
        self.taken, self.found = int(state["taken"]), dict(state["found"])


class Rival:
    """Opponents that do one and the same from the begin of a match to its end, guests and scripts alike.

    A script may well stand still; so it is a fault only where most matches are so.
    """

    def __init__(self, env: VectorEnv) -> None:
        self.first = env.actions[1::2].copy()  # of each match
        self.moved = np.zeros(env.num_envs, np.bool_)  # another one has followed
        self.begins = np.ones(env.num_envs, np.bool_)  # the next action is the first
        self.still: deque[bool] = deque(maxlen=MATCHES)

    def add(self, step: Step, actions: np.ndarray, active: np.ndarray) -> None:
        """``actions`` [N, *shape] and ``active`` bool [N], of the decision that was made."""
        theirs = actions[1::2]
        self.first[self.begins] = theirs[self.begins]
        self.moved |= (theirs != self.first).reshape(len(theirs), -1).any(1)
        for finished in step.episodes:
            row, length = finished.episode.row, finished.episode.length
            if not active[row + 1] and length >= LEAST_MOVES:
                self.still.append(not self.moved[row // 2])
        self.begins = (step.began | ~step.alive)[::2]
        self.moved &= ~self.begins

    def faults(self) -> Faults:
        still = sum(self.still)
        if len(self.still) < MATCHES or still <= MATCHES // 2:
            return {}
        return {"rival": f"the opponent never changed its action in {still} of the last {MATCHES} matches"}

    def state_dict(self) -> dict[str, Any]:
        arrays = {"first": self.first, "moved": self.moved, "begins": self.begins}
        return {"still": list(self.still)} | {name: array.copy() for name, array in arrays.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first[:], self.moved[:] = state["first"], state["moved"]
        self.begins = np.array(state["begins"])
        self.still = deque(state["still"], maxlen=MATCHES)


class Wins:
    """Episodes of which none is won, in games that are won or lost.

    Args:
        outcome: `Game.outcome`.
    """

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        self.scores: deque[float] = deque(maxlen=WINDOW)

    def add(self, episodes: Iterable[FinishedEpisode]) -> None:
        self.scores.extend(score(finished.episode, self.outcome) for finished in episodes)

    def faults(self) -> Faults:
        if len(self.scores) < WINDOW or max(self.scores) > 0.5:
            return {}
        return {"wins": f"no episode of the last {WINDOW} was won"}

    def state_dict(self) -> dict[str, Any]:
        return {"scores": list(self.scores)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scores = deque(state["scores"], maxlen=WINDOW)
