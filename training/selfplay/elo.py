"""Ratings by who beats whom (Elo 1978): a difference of 400 is ten wins to one."""

START = 1000.0
STEP = 16.0  # what a game between equals moves


def expected(ours: float, theirs: float) -> float:
    """Score that a rating expects against another, in [0, 1]."""
    return 1.0 / (1.0 + 10.0 ** ((theirs - ours) / 400.0))


def after(ours: float, theirs: float, score: float) -> tuple[float, float]:
    """Both ratings after a game; ``score`` is 1 where we won, 0 where we lost, between them for a draw."""
    moved = STEP * (score - expected(ours, theirs))
    return ours + moved, theirs - moved
