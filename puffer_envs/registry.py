"""THE table of games: name -> where it is and what trains it. Modules load when they are asked for."""

import difflib
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.kit.process import usable_cores

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Entry(NamedTuple):
    """Where a game is. Its module has ``Config`` (a NamedTuple), ``PRESETS`` (name -> Config), ``spec(config)`` and the
    `BatchedEnv`."""

    module: str
    env: str  # name of the class
    policy: str  # default network, a name of policies.registry
    learner: str  # default algorithm
    in_workers: bool = False  # whether it runs in processes of its own: emulators, which may hang
    preload: tuple[str, ...] = ()  # modules that workers share, beside those that the game imports at once
    worker_options: Mapping[str, Any] = _NOTHING  # keywords for the class where it runs in a worker


TABLE: dict[str, Entry] = {
    "pokemon_red": Entry(
        "puffer_envs.pokemon_red.env",
        "PokemonRed",
        policy="pokemon_red",
        learner="dqn",
        in_workers=True,
        preload=("pyboy",),
        worker_options={"num_threads": 1},  # the workers are the parallelism
    ),
    "territory": Entry("puffer_envs.territory.env", "Territory", policy="territory", learner="ppo"),
    "voxel_swarm": Entry("puffer_envs.voxel_swarm.env", "VoxelSwarm", policy="voxel_swarm", learner="ppo"),
}


def entry(name: str) -> Entry:
    """The entry of a game.

    Raises:
        ValueError: there is none of this name; the message lists those that are.
    """
    if name not in TABLE:
        close = difflib.get_close_matches(name, TABLE, 1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise ValueError(f"there is no game '{name}'{hint}; the games are {', '.join(sorted(TABLE))}")
    return TABLE[name]


def module(name: str) -> ModuleType:
    """The module of a game: ``Config``, ``spec`` and the class."""
    return import_module(entry(name).module)


def configure(name: str, config: Any = None, **overrides: Any) -> Any:
    """A game's ``Config``: its defaults or the one given, with single fields replaced.

    Raises:
        ValueError: for a field that the game's Config does not have.
    """
    config = module(name).Config() if config is None else config
    unknown = [field for field in overrides if field not in config._fields]
    if unknown:
        close = difflib.get_close_matches(unknown[0], config._fields, 1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise ValueError(f"{name} has no setting '{unknown[0]}'{hint}; it has {', '.join(config._fields)}")
    return config._replace(**overrides)


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
    where = entry(name)
    config = configure(name, config, **overrides)
    game: Any = getattr(module(name), where.env)
    if num_workers is None:
        num_workers = min(usable_cores(), num_envs) if where.in_workers else 0
    if num_workers == 0:
        return game(config, num_envs, seed=seed, report_interval=report_interval)
    from puffer_envs.workers.pool import WorkerPool

    return WorkerPool(
        partial(game, config, **where.worker_options),
        module(name).spec(config),
        num_envs,
        num_workers=min(num_workers, num_envs),
        seed=seed,
        report_interval=report_interval,
        preload=where.preload,
        pack_state=game.pack_state,
    )


def memory_bytes(name: str, config: Any, num_envs: int) -> int:
    """Memory that a batch of environments in this process takes; 0 for games that take next to none."""
    measure = getattr(module(name), "memory_bytes", None)
    return 0 if measure is None else measure(config, num_envs)


def rom_sha1(name: str, config: Any) -> str:
    """SHA-1 of the cartridge that an emulated game plays, which its savestates belong to; "" for the other games."""
    load_rom = getattr(module(name), "load_rom", None)
    return "" if load_rom is None else load_rom(config.rom).sha1
