"""Turns on the clock, and the rows that come of them."""

import statistics
import time
from collections.abc import Callable
from typing import Any

TURN_S = 0.5

Total = dict[str, list[float]]  # steps and seconds of each turn


def timed(work: Callable[[], int], seconds: float) -> Total:
    """Steps and seconds of one long turn, after a warm-up of two."""
    work()
    work()
    return _turn({"steps": [], "seconds": []}, work, seconds)


def in_turns(first: Callable[[], int], second: Callable[[], int], seconds: float) -> tuple[Total, Total]:
    """Steps and seconds of both, in turns A B B A."""
    works = (first, second)
    totals: tuple[Total, Total] = ({"steps": [], "seconds": []}, {"steps": [], "seconds": []})
    for work in works:
        work()
    for turn in range(max(2, round(seconds / TURN_S))):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            _turn(totals[which], works[which], TURN_S)
    return totals


def _turn(total: Total, work: Callable[[], int], seconds: float) -> Total:
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        steps += work()
    total["steps"].append(steps)
    total["seconds"].append(time.perf_counter() - begin)
    return total


def spread(reference: Total, ours: Total) -> dict[str, float]:
    """Our speed over the reference's, turn by turn: median, least and most."""
    turns = zip(reference["steps"], reference["seconds"], ours["steps"], ours["seconds"], strict=True)
    ratios = [(our_steps / our_time) / (steps / seconds) for steps, seconds, our_steps, our_time in turns]
    return {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def row(common: dict[str, Any], part: str, total: Total) -> dict[str, Any]:
    """A machine-readable row."""
    steps, seconds = sum(total["steps"]), sum(total["seconds"])
    head = {"env": common["env"], "part": part}
    return head | common | {"steps": int(steps), "seconds": round(seconds, 3), "sps": round(steps / seconds, 1)}
