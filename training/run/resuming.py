"""What `--resume` goes on with, what it cannot change, and what it says of what has changed."""

from typing import Any

from curriculum.store import StateStore
from puffer_envs import registry as env_registry
from training.on_policy.config import PPOConfig
from training.run import cli, ranges
from training.run.config import RunConfig
from training.run.preflight import UserError
from training.run.run import Run
from training.store import checkpoint

# What a checkpoint's arrays are shaped by, beside what the game says of its own settings.
FIXED = (
    *("env", "algo", "num_envs", "model_size", "policy"),
    *("learner.replay_size", "learner.num_steps", "intrinsic.rnd_hidden"),
)
# No settings of what is learned: where the run lies, and what its settings came from.
ASIDE = ("--resume", "--config", "--preset", "--runs-dir", "--savestates-dir", "--batch-size")


def saved(config: RunConfig) -> checkpoint.Loaded | None:
    """The newest valid checkpoint, which fits the settings; None for a run that ended before its first.

    Raises:
        UserError: there is none that can be gone on from, or the settings would change its shape.
    """
    home = config.runs_dir / config.run_name
    folder = home / "checkpoints"
    if folder.is_dir():
        checkpoint.clean(folder)  # what the end of the last process left half-written
    if not (home / "config.toml").is_file():
        raise UserError(f"there is no run in {home} to resume, it has no config.toml: choose another --run-name")
    if not checkpoint.checkpoints(folder):
        return None
    _check_settings(config)
    path = checkpoint.latest_valid(folder)
    if path is None:
        raise UserError(
            f"run '{config.run_name}' has no valid checkpoint to resume from: begin a new one under another --run-name"
        )
    return checkpoint.load(path, "cpu")


def clear_savestates(config: RunConfig) -> None:
    """Put aside what a run saved that now begins again: it comes to its milestones anew."""
    folder = config.savestates_dir / config.run_name
    if folder.is_dir():
        StateStore(folder).load_state_dict(())


def load(run: Run, loaded: checkpoint.Loaded) -> None:
    """Go on where a checkpoint was made.

    Raises:
        UserError: it does not fit the run.
    """
    try:
        run.resume(loaded)
    except (ValueError, RuntimeError) as error:
        text = str(error)
        if text.startswith("Error(s) in loading state_dict"):  # and then every key and shape that differs
            text = (
                f"the checkpoint of run '{run.config.run_name}' holds a network of another shape than these settings "
                "make, which --resume cannot change: leave out what the run did not begin with"
            )
        raise UserError(text) from error


def changes(config: RunConfig, written: dict[str, Any], step: int) -> list[str]:
    """What is said where a resumed run has other settings than it wrote down: a line for all, one for the schedule."""
    lines = []
    if told := [f"{flag} {now} instead of {before}" for flag, before, now in _changed(config, written)]:
        lines.append(f"resumed with {', '.join(told)}")
    learner, before = config.learner, written.get("total_steps", config.total_steps)
    if isinstance(learner, PPOConfig) and learner.anneal == "linear" and before != config.total_steps:
        rates = [learner.learning_rate * max(0.0, 1 - step / total) for total in (before, config.total_steps)]
        lines.append(
            f"the learning rate goes on at {rates[1]:.3g} instead of {rates[0]:.3g} and falls to 0 at step "
            f"{config.total_steps:,} instead of {before:,}"
        )
    return lines


def _changed(config: RunConfig, written: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Flag, value before and value now of each setting that is not as it was written down."""
    changed = []
    for flag, path, _, value in ranges.settings(config):
        now, before = cli.plain(value), _setting(written, path)
        if flag not in ASIDE and now != before:
            changed.append((flag, "none" if before is None else before, "none" if now is None else now))
    return changed


def _check_settings(config: RunConfig) -> None:
    """A resumed run keeps the settings that its checkpoint is shaped by."""
    written, ours = cli.saved_settings(config), cli.plain(config)
    fixed = env_registry.resolve(config.env).fixed
    for name in (*FIXED, *(f"game.{setting}" for setting in fixed)):
        before = _setting(written, name)
        if before != _setting(ours, name):
            before = "none" if before is None else before
            raise UserError(f"run '{config.run_name}' has {name} = {before}, which --resume cannot change")


def _setting(settings: dict[str, Any], name: str) -> Any:
    """The value of a dotted name in nested tables; None where it is left out."""
    for part in name.split("."):
        settings = settings.get(part, {}) if isinstance(settings, dict) else {}
    return None if settings == {} else settings
