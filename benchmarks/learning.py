"""Learning curves of finished runs, from what they wrote: ``python -m benchmarks.learning runs/swarm64 ...``.

For each run: the share of evaluation episodes that reached a milestone, by steps and by minutes, the mean of the last
five evaluations, when the threshold was first passed, and where the time went. ``--out STEM`` writes STEM.json and a
picture, STEM.png.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.records import read_jsonl

LAST = 5  # evaluations whose mean is the figure of a run


class Curve(NamedTuple):
    """One run's evaluations, in order."""

    name: str
    steps: list[int]
    minutes: list[float]
    reached: dict[str, list[float]]  # milestone -> share of the episodes of each evaluation
    seconds: dict[str, float]  # part -> seconds in all


def read_curve(folder: Path) -> Curve:
    """The curve of one run's folder; minutes are those of the log line nearest before."""
    evaluations = [line for line in read_jsonl(folder / "metrics.jsonl") if "eval/return" in line]
    timing = read_jsonl(folder / "timing.jsonl")
    total = np.cumsum([line["seconds/total"] for line in timing])
    at = np.interp([line["step"] for line in evaluations], [line["step"] for line in timing], total)
    prefix = "eval/reached/"
    names = [name.removeprefix(prefix) for name in evaluations[0] if name.startswith(prefix)] if evaluations else []
    parts = {name for line in timing for name in line if name.startswith("seconds/")}
    return Curve(
        name=folder.name,
        steps=[line["step"] for line in evaluations],
        minutes=(at / 60).tolist(),
        reached={name: [line[prefix + name] for line in evaluations] for name in names},
        seconds={part.removeprefix("seconds/"): sum(line.get(part, 0.0) for line in timing) for part in sorted(parts)},
    )


def summary(curve: Curve, milestone: str, threshold: float) -> dict[str, Any]:
    """Figures of one run."""
    shares = curve.reached[milestone]
    passed = next((i for i, share in enumerate(shares) if share >= threshold), None)
    total = curve.seconds["total"]
    return {
        "run": curve.name,
        "milestone": milestone,
        "evaluations": len(shares),
        "steps": curve.steps[-1],
        "minutes": round(total / 60, 1),
        "last_five": round(float(np.mean(shares[-LAST:])), 3),
        "best": max(shares),
        "threshold": threshold,
        "steps_to_threshold": None if passed is None else curve.steps[passed],
        "minutes_to_threshold": None if passed is None else round(curve.minutes[passed], 1),
        "time_shares": {part: round(x / total, 3) for part, x in curve.seconds.items() if part != "total"},
        "last_five_of_each": {name: round(float(np.mean(x[-LAST:])), 3) for name, x in curve.reached.items() if any(x)},
    }


def plot(curves: list[Curve], milestone: str, path: Path) -> None:
    """Shares of evaluation episodes against minutes of training: of several runs one milestone, of one run all."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colormaps, pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    if len(curves) == 1:
        lines = {name: shares for name, shares in curves[0].reached.items() if any(shares)}
        colours = colormaps["viridis"](np.linspace(0, 0.92, len(lines)))
        for (name, shares), colour in zip(lines.items(), colours, strict=True):
            axes.plot(curves[0].minutes, shares, color=colour, label=name)
    else:
        for curve in curves:
            axes.plot(curve.minutes, curve.reached[milestone], marker="o", markersize=3, label=curve.name)
    what = "each milestone" if len(curves) == 1 else milestone
    axes.set(xlabel="minutes of training", ylabel=f"episodes that reached {what}", ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--milestone", default="badge_stone")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--out", type=Path, help="stem of a JSON file and a picture")
    args = parser.parse_args()
    curves = [read_curve(folder) for folder in args.runs]
    rows = [summary(curve, args.milestone, args.threshold) for curve in curves if curve.steps]
    for row in rows:
        print(json.dumps(row))
    if args.out:
        details = [curve._asdict() for curve in curves]
        args.out.with_suffix(".json").write_text(json.dumps({"summary": rows, "curves": details}, indent=1) + "\n")
        plot(curves, args.milestone, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
