"""What the Game Boys are to the rest of the house."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from puffer_envs.contract.game import Alias, Column, Game
from puffer_envs.pokemon_red import savestate
from puffer_envs.pokemon_red.config import PRESETS, Config
from puffer_envs.pokemon_red.env import NAME, PokemonRed, spec
from puffer_envs.pokemon_red.new_game import check
from puffer_envs.pokemon_red.observe import LAYOUT

EMULATOR_BYTES = 1 << 20  # resident, of one


def memory_bytes(config: Config, num_envs: int) -> int:
    """What the emulators take beside their processes."""
    return num_envs * EMULATOR_BYTES


def evaluation(config: Config, max_steps: int, idle_frames: int) -> Config:
    """New games that last ``max_steps`` whatever happens: patience would end those of a policy that stands still."""
    config = config._replace(idle_frames=idle_frames)
    return config._replace(new_game_steps=max_steps, patience_steps=max_steps) if max_steps else config


def sense(observations: np.ndarray) -> Mapping[str, np.ndarray]:
    """Where rows are, and their badges."""
    place = LAYOUT.raw(observations, "position")
    return {
        "map_id": LAYOUT.raw(observations, "map_id")[:, 0],
        "y": place[:, 0],
        "x": place[:, 1],
        "badges": LAYOUT.unpack(observations, "badges").sum(axis=1),
    }


GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=PokemonRed,
    presets=PRESETS,
    check=check,
    in_workers=True,
    preload=("pyboy",),
    worker_options={"num_threads": 1},  # the workers are the parallelism
    memory_bytes=memory_bytes,
    aliases={"rom": Alias("rom", "A Game Boy ROM of your own; the built-in game where left out.")},
    learners=("dqn",),
    network="pokemon_red",
    training_file=Path(__file__).with_name("training.toml"),
    fixed=("rom", "new_game_steps", "savestate_steps"),
    evaluation=evaluation,
    columns=(Column("badges", "bdg", ">3"), Column("map", "map", "<14")),
    places=("map_id", "y", "x"),
    sense=sense,
    step_columns=("map_id",),
    position_columns=("map_id", "y", "x", "badges"),
    world_id=savestate.world_id,
    inspect_state=savestate.inspect_state,
    try_state=savestate.try_state,
)
