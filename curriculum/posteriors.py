"""How sure is the swarm of each milestone: one Beta posterior a milestone, learned from finished episodes.

Milestone m is a coin with unknown bias theta_m: Y = 1 when an episode reached m within T_m decisions of holding its
predecessor, else 0. Beta(1, 1) before the first toss; at each toss what was learned fades towards that by a factor
d = .5^(1/half-life), then Beta(alpha + Y, beta + 1 - Y); theta_m is the mean. The coin changes as the swarm learns:
without fading, 500 failures before the first success need 500 successes until theta_m says .5.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curriculum import beta

if TYPE_CHECKING:
    from puffer_envs.contract.milestone import Milestone
    from puffer_envs.contract.records import Episode

TARGET = 0.5  # a milestone below it raises the alarm
NONE = -1  # no predecessor; not reached


class MilestoneSummary(NamedTuple):
    """One row of progress.csv."""

    milestone: str
    alpha: float
    beta: float
    mean: float
    lo: float  # the equal-tailed 95% interval
    hi: float
    alarm_score: float  # how far the mean is below the target


def judge(
    episode: "Episode", predecessor: np.ndarray, deadline: np.ndarray, cut: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """What one episode says of each milestone.

    An episode counts for m if it did not hold m at its start and held m's predecessor then (step 0) or reached it
    (at step s). It is a success if m was reached at most T_m decisions later. An episode that ended by its own rules
    before the deadline without m counts as a failure, as the definition asks: the milestone was within its reach and
    it did not get there. One that the curriculum itself cut short says nothing of milestones still open (the trial
    was stopped from outside, whatever it would have become), so those are left out.

    Args:
        predecessor: int [M], index of each milestone's predecessor, -1 for none.
        deadline: int [M], T_m in decisions.
        cut: the episode was ended by the curriculum.

    Returns:
        counts, success: bool [M] each; ``success`` is False wherever ``counts`` is.
    """
    held, reached = np.asarray(episode.held, bool), np.asarray(episode.reached, np.int64)
    since = np.where(held, 0, reached)[predecessor]  # step at which the predecessor was held, -1 for never
    since[predecessor == NONE] = 0
    counts = ~held & (since >= 0)
    success = counts & (reached >= 0) & (reached - since <= deadline)
    if cut:
        counts &= (reached >= 0) | (episode.length >= since + deadline)
    return counts, success


class Posteriors:
    """Beta(1, 1) posteriors of a milestone table, vectorised over its M rows.

    Args:
        half_life: episodes that count for a milestone until an older one weighs half; infinity for never.
    """

    def __init__(self, milestones: "Sequence[Milestone]", half_life: float) -> None:
        self.names = [milestone.name for milestone in milestones]
        index = {name: m for m, name in enumerate(self.names)}
        if len(index) != len(self.names):
            raise ValueError(f"two milestones share a name: {sorted(self.names)}")
        for milestone in milestones:
            before = milestone.predecessor
            if before is not None and before not in index:
                raise ValueError(f"milestone '{milestone.name}' follows '{before}', which is no milestone")
            if milestone.deadline < 1:
                raise ValueError(f"milestone '{milestone.name}' has a deadline of {milestone.deadline} decisions")
        before_each = [NONE if m.predecessor is None else index[m.predecessor] for m in milestones]
        self.predecessor = np.array(before_each, np.int64)  # [M]
        self.deadline = np.array([m.deadline for m in milestones], np.int64)  # [M], decisions
        self.alpha = np.ones(len(milestones), np.float64)  # [M]
        self.beta = np.ones(len(milestones), np.float64)  # [M]
        self.tries = np.zeros(len(milestones), np.int64)  # [M], episodes that counted
        self._fading = 0.5 ** (1 / half_life)

    def update(self, episode: "Episode", cut: bool = False) -> None:
        """Take one finished episode into account; ``cut`` if the curriculum ended it (see `judge`)."""
        counts, success = judge(episode, self.predecessor, self.deadline, cut)
        fading = np.where(counts, self._fading, 1.0)
        self.alpha = 1 + (self.alpha - 1) * fading + success
        self.beta = 1 + (self.beta - 1) * fading + (counts & ~success)
        self.tries += counts

    @property
    def theta(self) -> np.ndarray:
        """Posterior means, float64 [M]."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def alarm(self) -> np.ndarray:
        """Milestones that are missed more often than not for sure, bool [M]: all of the 95% interval says so.

        Of Beta(1, 1) this takes five failures in a row.
        """
        return np.array([self.interval(m)[1] < TARGET for m in range(len(self.names))], np.bool_)

    def bonus(self, milestone: int) -> float:
        """What reaching a milestone pays: 1 - theta, so that a mastered one stops paying."""
        return float(1 - self.theta[milestone])

    def interval(self, milestone: int) -> tuple[float, float]:
        """The equal-tailed 95% interval of one milestone.

        Of counts rounded to three digits: fast games end a hundred episodes a second, and the quantiles of exact counts
        in the thousands would take a fifth of the time of the whole run.
        """
        a, b = float(f"{self.alpha[milestone]:.3g}"), float(f"{self.beta[milestone]:.3g}")
        return beta.quantile(0.025, a, b), beta.quantile(0.975, a, b)

    def summary(self) -> list[MilestoneSummary]:
        """All that is known, one row a milestone in table order."""
        rows = zip(self.names, self.alpha.tolist(), self.beta.tolist(), self.theta.tolist(), strict=True)
        return [
            MilestoneSummary(name, a, b, mean, *self.interval(m), TARGET - mean)
            for m, (name, a, b, mean) in enumerate(rows)
        ]

    def state_dict(self) -> dict[str, Any]:
        counts = {"alpha": self.alpha.copy(), "beta": self.beta.copy(), "tries": self.tries.copy()}
        return {"names": list(self.names), **counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`.

        Raises:
            ValueError: the state is of another milestone table.
        """
        if list(state["names"]) != self.names:
            raise ValueError("the saved posteriors are of another milestone table")
        self.alpha[:] = np.asarray(state["alpha"])
        self.beta[:] = np.asarray(state["beta"])
        self.tries[:] = np.asarray(state["tries"])
