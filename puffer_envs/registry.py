"""THE table of games: name -> where it is. Modules load when they are asked for."""

import difflib
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import Any

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.game import Game
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.kit.process import usable_cores

TABLE: dict[str, str] = {
    "dodge": "puffer_envs.dodge.game:GAME",
    "platform_fighter": "puffer_envs.platform_fighter.game:GAME",
    "pokemon_red": "puffer_envs.pokemon_red.game:GAME",
    "territory": "puffer_envs.territory.game:GAME",
    "voxel_swarm": "puffer_envs.voxel_swarm.game:GAME",
}
DEFAULT = "pokemon_red"  # the game of a command that names none


def resolve(name: str) -> Game:
    """The game of this name.

    Raises:
        ValueError: there is none; the message lists those that are.
    """
    if name not in TABLE:
        known = ", ".join(sorted(TABLE))
        raise ValueError(f"there is no game '{name}'{_hint(name, TABLE)}; the games are {known}")
    module, attribute = TABLE[name].split(":")
    return getattr(import_module(module), attribute)


def configure(name: str, config: Any = None, **overrides: Any) -> Any:
    """A game's ``Config``: its defaults or the one given, with single fields replaced.

    Raises:
        ValueError: for a field that the game's Config does not have.
    """
    config = resolve(name).Config() if config is None else config
    for field in overrides:
        if field not in config._fields:
            known = ", ".join(config._fields)
            raise ValueError(f"{name} has no setting '{field}'{_hint(field, config._fields)}; it has {known}")
    return config._replace(**overrides)


def _hint(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def make(
    name: str,
    num_envs: int,
    config: Any = None,
    seed: int = 0,
    num_workers: int | None = None,
    report_interval: int = 128,
    **overrides: Any,
) -> VectorEnv:
    """A batch of environments of a game.

    Args:
        config: the game's ``Config``; its defaults without.
        num_workers: processes; None: as many as this one may use cores where the game needs processes, else 0.
            0: all in this process.
        report_interval: steps between two info dicts.
        overrides: single fields of the configuration.
    """
    game = resolve(name)
    config = configure(name, config, **overrides)
    if num_workers is None:
        num_workers = min(usable_cores(), num_envs) if game.in_workers else 0
    if num_workers == 0:
        return game.make(config, num_envs, seed=seed, report_interval=report_interval)
    from puffer_envs.workers.pool import WorkerPool

    return WorkerPool(
        partial(game.make, config, **game.worker_options),
        game.spec(config),
        num_envs,
        num_workers=min(num_workers, num_envs),
        seed=seed,
        report_interval=report_interval,
        preload=game.preload,
        pack_state=getattr(game.make, "pack_state", BatchedEnv.pack_state),
    )
