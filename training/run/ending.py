"""The last words of a run: what it did, its best figure and where that is, and what can be done next."""

import math
import shlex
from pathlib import Path

from training.run.config import RunConfig
from training.telemetry.widgets import clock_text


def last_words(
    config: RunConfig, *, began: int, step: int, seconds: float, figure: float, best: float, best_path: Path | None
) -> list[str]:
    """A few lines.

    Args:
        began: step at which this process began; seconds: what it took from there.
        figure: mean return of the last evaluations, NaN without any; best: the highest of those that counted.
    """
    lines = [_course(config, began, step, seconds)]
    if best_path is not None and math.isfinite(best):
        lines.append(f"best mean return of five evaluations in a row: {best:.2f}, in {best_path}")
    elif math.isfinite(figure):
        lines.append(f"mean return of the evaluations: {figure:.2f}; the best is kept from the fifth on")
    where = [] if config.runs_dir == RunConfig.runs_dir else ["--runs-dir", str(config.runs_dir)]
    own = config.savestates_dir != RunConfig.savestates_dir
    states = ["--savestates-dir", str(config.savestates_dir)] if own else []
    more = [] if step < config.total_steps else ["--total-steps", str(2 * config.total_steps)]
    resume = ["--resume", "--run-name", config.run_name, *where, *states, *more]
    lines.append(f"go on: python -m train_big {shlex.join(resume)}")
    lines.append(f"watch: python -m training.evaluate {shlex.join(['--run', config.run_name, *where])} --video")
    lines.append(f"curve: python -m benchmarks.learning {shlex.quote(str(config.runs_dir / config.run_name))}")
    return lines


def _course(config: RunConfig, began: int, step: int, seconds: float) -> str:
    if began >= config.total_steps:
        return f"run '{config.run_name}' was finished already: {step:,} of {config.total_steps:,} steps are done"
    what = "finished" if step >= config.total_steps else f"stopped before its {config.total_steps:,} steps"
    since = f" from step {began:,} on" if began else ""
    return f"run '{config.run_name}' {what}: {step:,} steps, {clock_text(seconds)}{since}"
