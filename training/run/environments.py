"""The environments of a run: those of its training, and those of evaluations and videos."""

from collections.abc import Mapping
from typing import Any

from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import VectorEnv
from training.run.config import RunConfig
from training.run.preflight import UserError


def make_env(config: RunConfig) -> VectorEnv:
    """The environments of the training."""
    return env_registry.make(config.env, config.num_envs, config.game, seed=config.seed, num_workers=config.workers)


def make_evaluation_env(config: RunConfig, test: Mapping[str, Any], num_envs: int, max_steps: int = 0) -> VectorEnv:
    """Environments for evaluations, in workers too: an emulator that hangs must not hang who asks.

    Args:
        test: settings of the game beside the run's own.
        max_steps: decisions that an episode must be able to last, where more than an evaluation's.

    Raises:
        UserError: they cannot be made of these settings.
    """
    settings = config.evaluation
    game = env_registry.resolve(config.env)
    played = game.evaluation(config.game, max(settings.max_steps, max_steps), settings.idle_frames)
    try:
        return env_registry.make(config.env, num_envs, played, num_workers=config.workers, **test)
    except ValueError as error:
        raise UserError(str(error)) from error


def by_single_frames(config: RunConfig) -> tuple[dict[str, Any], int]:
    """For films: settings with which a step of the game is one frame, and how many frames a decision lasts."""
    setting = env_registry.resolve(config.env).frame_skip
    return ({setting: 1}, getattr(config.game, setting)) if setting else ({}, 1)
