"""What a run's settings leave open, settled: so that those that are saved say what really ran."""

import dataclasses
import time
from typing import Any

from puffer_envs.contract.game import Game
from puffer_envs.contract.spec import EnvSpec
from training.off_policy.config import DQNConfig, SACConfig
from training.on_policy.config import PPOConfig
from training.run.config import RunConfig
from training.run.preflight import UserError

# Learners that cannot learn any actions: the kind that they can, and what that is.
KINDS = {"dqn": ("discrete", "a single choice"), "sac": ("box", "numbers between bounds")}


def settle(config: RunConfig, game: Game) -> RunConfig:
    """The same settings with those of flags by another name, the learner's sizes and the run's name.

    Raises:
        UserError: they do not go together.
    """
    given = {flag: alias for flag, alias in game.aliases.items() if getattr(config, flag) is not None}
    chosen = {alias.setting: getattr(config, flag) for flag, alias in given.items()}
    settled: dict[str, Any] = {"game": config.game._replace(**chosen), **dict.fromkeys(given)}
    config = dataclasses.replace(config, **settled)
    if len(game.learners) > 1:  # a game that has one only has chosen it for its actions
        _check_actions(config, game)
    learner, batch_size = _replay_learner(config) if config.off_policy else _ppo_learner(config, game)
    run_name = config.run_name or f"{config.env}_{time.strftime('%Y%m%d_%H%M%S')}"
    return dataclasses.replace(config, learner=learner, batch_size=batch_size, run_name=run_name)


def _check_actions(config: RunConfig, game: Game) -> None:
    """A learner learns the actions that it can."""
    kind = _spec(config, game).action.kind
    wanted, words = KINDS.get(config.algo, (kind, ""))
    if wanted != kind:
        others = " or ".join(algo for algo in game.learners if KINDS.get(algo, (kind,))[0] == kind)
        raise UserError(
            f"--algo {config.algo} learns actions that are {words}, and with these settings {game.name}'s are {kind}: "
            f"take --algo {others}, or other actions"
        )


def _replay_learner(config: RunConfig) -> tuple[DQNConfig | SACConfig, int]:
    """The learner's settings, and the transitions that an update trains on."""
    learner = config.learner
    if config.batch_size is not None:
        learner = dataclasses.replace(learner, batch_size=config.batch_size)
    if not learner.replay_size:
        learner = dataclasses.replace(learner, replay_size=200_000 if config.model_size == "slim" else 400_000)
    if learner.batch_size < learner.sequence or learner.batch_size % learner.sequence:
        raise UserError(
            f"--batch-size {learner.batch_size} must be a multiple of --learner.sequence {learner.sequence}: "
            "an update trains whole sequences"
        )
    return learner, learner.batch_size


def _ppo_learner(config: RunConfig, game: Game) -> tuple[PPOConfig, int]:
    """The learner's settings, and the decisions that an update trains on: `num_steps` of all rows."""
    learner = config.learner
    rows = config.num_envs * _spec(config, game).agents_per_env
    if config.batch_size is not None:
        if config.batch_size < rows or config.batch_size % rows:
            raise UserError(
                f"--batch-size {config.batch_size} must be a multiple of the {rows} rows that act together: "
                "an update trains whole steps of all of them"
            )
        learner = dataclasses.replace(learner, num_steps=config.batch_size // rows)
    return learner, rows * learner.num_steps


def _spec(config: RunConfig, game: Game) -> EnvSpec:
    try:
        return game.spec(config.game)
    except ValueError as error:
        raise UserError(str(error)) from error
