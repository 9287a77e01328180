"""Which savestate does the next episode begin from: the probabilities, as pure functions.

P(new game) >= 1/4, else P(state) = P(tier) * P(state | tier): tiers weigh early .5, mid .3, late .2 (renormalised over
those that have states), and inside a tier p ~ max(.05, 1 + score) with score = 8 theta (1 - theta) - 1 of the state's
next milestone, so that what the swarm neither masters nor always misses is tried most.

Always missed is not beyond reach: theta of the next milestone counts as at least half of the state's own. Without this
the edge of what the swarm can do went out of use just when it was reached: in one run 265 first tries at a trainer had
failed, the states before him were soon drawn once in 1,500 starts, and by 2,300,000 decisions he was beaten in 8 of
2,149 tries.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from puffer_envs.contract.milestone import Milestone

TIERS = ("early", "mid", "late")
MIN_WEIGHT = 0.05  # no state is ever forgotten
DECIDED = -1.0  # score of a state after which nothing is left to reach


def undecided(theta: np.ndarray) -> np.ndarray:
    """8 theta (1 - theta) - 1: 1 at theta = .5, -1 at 0 and 1."""
    return 8 * theta * (1 - theta) - 1


def next_milestones(milestones: "Sequence[Milestone]") -> list[tuple[int, ...]]:
    """What can come next after each milestone: those that name it as predecessor, else the next row of the table."""
    successors: list[tuple[int, ...]] = []
    for m, milestone in enumerate(milestones):
        named = tuple(n for n, other in enumerate(milestones) if other.predecessor == milestone.name)
        following = (m + 1,) if m + 1 < len(milestones) else ()
        successors.append(named or following)
    return successors


def milestone_scores(theta: np.ndarray, successors: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Score of a state saved at each milestone, float64 [M] in [-1, 1]: its next one's, the best of several.

    Args:
        theta: float64 [M], posterior means.
        successors: `next_milestones` of the table.
    """
    return np.array(
        [
            max((undecided(max(theta[n], theta[m] / 2)) for n in following), default=DECIDED)
            for m, following in enumerate(successors)
        ],
        np.float64,
    )


def tier_probabilities(present: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Tier weights renormalised over the tiers that have states, float64 [3].

    >>> tier_probabilities(np.array([True, False, True]), (.5, .3, .2))  # .5/.7, 0, .2/.7
    array([0.71428571, 0.        , 0.28571429])
    """
    p = np.where(present, np.asarray(weights, np.float64), 0.0)
    if p.sum() == 0:  # only tiers of weight 0 have states: better one of those than none
        p = present.astype(np.float64)
    return p / p.sum()


def state_probabilities(tiers: np.ndarray, scores: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Probability of each of S states, float64 [S].

    Args:
        tiers: int [S], index into `TIERS`.
        scores: float64 [S].
        weights: of the three tiers.
    """
    preference = np.maximum(MIN_WEIGHT, 1 + scores)
    total = np.bincount(tiers, preference, minlength=len(TIERS))  # [3]
    share = tier_probabilities(total > 0, weights)
    return share[tiers] * preference / total[tiers]


def draw(probabilities: np.ndarray, u: float) -> int:
    """The index at which the cumulative probability passes u in [0, 1): the inverse of the distribution function."""
    index = int(np.searchsorted(np.cumsum(probabilities), u, side="right"))
    return min(index, len(probabilities) - 1)  # the sum may end a rounding error below 1


def new_game_due(new_games: int, starts: int, fraction: float) -> bool:
    """Whether the next start must be a new game, for new games to be at least ``fraction`` of all starts with it.

    >>> [new_game_due(1, starts, .25) for starts in (1, 2, 3, 4)]  # 1 of 2, 3, 4 is enough; 1 of 5 is not
    [False, False, False, True]
    """
    return new_games < fraction * (starts + 1)
