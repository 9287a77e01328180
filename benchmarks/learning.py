"""Learning curves of finished runs, from what they wrote: ``python -m benchmarks.learning runs/swarm64 ...``.

For each run: figures of its evaluations by steps and by minutes, the mean of the last five, when the threshold was
first passed, and where the time went. ``--out STEM`` writes STEM.json and a picture, STEM.png.

    python -m benchmarks.learning runs/voxel_1 runs/voxel_2 --figure eval/sizes/iou eval/families/iou --threshold .99
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.telemetry.records import read_jsonl

LAST = 5  # evaluations whose mean is the figure of a run
POINTS = 40  # of a curve of log lines, at the most


class Curve(NamedTuple):
    """One run's evaluations, in order."""

    name: str
    steps: list[int]
    minutes: list[float]
    figures: dict[str, list[float]]  # name, which begins with eval/ or league/ -> its value in each evaluation
    seconds: dict[str, float]  # part -> seconds in all


def read_curve(folder: Path) -> Curve:
    """The curve of one run's folder; its minutes lie between those of log lines.

    Raises:
        ValueError: there is no run, or none with evaluations.
    """
    for name in ("metrics.jsonl", "timing.jsonl"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} is no run with figures: it has no {name}")
    evaluations, matches, league = [], [], {}
    for line in read_jsonl(folder / "metrics.jsonl"):
        league |= {name: figure for name, figure in line.items() if name.startswith("league/")}
        if "eval/return_last5" in line:
            evaluations.append(line | league)
        elif "league/rating" in line:
            matches.append({"step": line["step"], **league})
    # Of a league that was not evaluated its matches tell
    evaluations = evaluations or matches[:: -(-len(matches) // POINTS) or 1]
    if not evaluations:
        raise ValueError(f"{folder} has no evaluations yet: there is nothing to draw")
    timing = read_jsonl(folder / "timing.jsonl")
    total = np.cumsum([line["seconds/total"] for line in timing])
    at = np.interp([line["step"] for line in evaluations], [line["step"] for line in timing], total)
    names = [name for name in evaluations[0] if name.startswith(("eval/", "league/"))]
    parts = {name for line in timing for name in line if name.startswith("seconds/")}
    return Curve(
        name=folder.name,
        steps=[line["step"] for line in evaluations],
        minutes=(at / 60).tolist(),
        figures={name: [line[name] for line in evaluations] for name in names},
        seconds={part.removeprefix("seconds/"): sum(line.get(part, 0.0) for line in timing) for part in sorted(parts)},
    )


def summary(curve: Curve, figure: str, threshold: float) -> dict[str, Any]:
    """What came of one figure in one run.

    Raises:
        ValueError: the run has no such figure.
    """
    if figure not in curve.figures:
        raise ValueError(f"{curve.name} has no figure {figure}; it has {', '.join(curve.figures)}")
    values = curve.figures[figure]
    passed = next((i for i, value in enumerate(values) if value >= threshold), None)
    total = curve.seconds["total"]
    return {
        "run": curve.name,
        "figure": figure,
        "evaluations": len(values),
        "steps": curve.steps[-1],
        "minutes": round(total / 60, 1),
        "last_five": round(float(np.mean(values[-LAST:])), 4),
        "best": max(values),
        "threshold": threshold,
        "steps_to_threshold": None if passed is None else curve.steps[passed],
        "minutes_to_threshold": None if passed is None else round(curve.minutes[passed], 1),
        "time_shares": {part: round(x / total, 3) for part, x in curve.seconds.items() if part != "total"},
        "last_five_of_each": {name: round(float(np.mean(x[-LAST:])), 3) for name, x in reached(curve).items()},
    }


def reached(curve: Curve) -> dict[str, list[float]]:
    """Shares of the episodes that reached each milestone, of those that were ever reached."""
    return {name.split("reached/")[1]: x for name, x in curve.figures.items() if "reached/" in name and any(x)}


def plot(curves: list[Curve], figures: list[str] | None, path: Path) -> None:
    """Figures against minutes of training; where none is named, the milestones of the first run, or its return."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colormaps, pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    if figures:
        lines = [(curve, f"{curve.name}: {name}", curve.figures[name]) for curve in curves for name in figures]
    else:
        shown = reached(curves[0]) or {"return": curves[0].figures["eval/return_last5"]}
        lines = [(curves[0], name, values) for name, values in shown.items()]
    colours = colormaps["viridis"](np.linspace(0, 0.92, len(lines)))
    for (curve, label, values), colour in zip(lines, colours, strict=True):
        axes.plot(curve.minutes, values, color=colour, marker="o", markersize=3, label=label)
    axes.set(xlabel="minutes of training")
    if all(0 <= value <= 1 for _, _, values in lines for value in values):
        axes.set_ylim(-0.02, 1.02)
    shares = not figures and bool(reached(curves[0]))
    axes.set_ylabel("share of the evaluation episodes that reached it" if shares else "evaluation")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--figure", nargs="+", help="default: the mean return of the last five evaluations")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--out", type=Path, help="stem of a JSON file and a picture")
    args = parser.parse_args()
    figures = args.figure or ["eval/return_last5"]
    try:
        curves = [read_curve(folder) for folder in args.runs]
        rows = [summary(curve, figure, args.threshold) for curve in curves for figure in figures]
    except ValueError as error:
        parser.error(str(error))
    for row in rows:
        print(json.dumps(row))
    if args.out:
        details = [curve._asdict() for curve in curves]
        args.out.with_suffix(".json").write_text(json.dumps({"summary": rows, "curves": details}, indent=1) + "\n")
        plot(curves, args.figure, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
