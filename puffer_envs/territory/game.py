"""What territory is to the rest of the house."""

from pathlib import Path

from puffer_envs.contract.game import Column, Game
from puffer_envs.territory.config import PRESETS, Config
from puffer_envs.territory.env import NAME, Territory, check, memory_bytes, spec

GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=Territory,
    presets=PRESETS,
    check=check,
    memory_bytes=memory_bytes,
    learners=("ppo",),
    network="territory",
    training_file=Path(__file__).with_name("training.toml"),
    fixed=("num_agents", "build"),
    columns=(
        Column("map", "map", "<14"),
        Column("won", "won", "<3"),
        Column("land", "land", ">6"),
        Column("rank", "rank", ">4"),
        Column("ticks"),
    ),
)
