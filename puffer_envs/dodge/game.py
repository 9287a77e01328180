"""What dodge is to the rest of the house."""

from pathlib import Path

from puffer_envs.contract.game import Column, Game
from puffer_envs.dodge.config import Config
from puffer_envs.dodge.env import NAME, Dodge, check, memory_bytes, spec

GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=Dodge,
    check=check,
    memory_bytes=memory_bytes,
    learners=("ppo", "sac", "dqn"),
    training_file=Path(__file__).with_name("training.toml"),
    fixed=("actions", "observation", "image_size", "colour", "with_thrower"),
    frame_skip="frame_skip",
    columns=(
        Column("survived", "survived", "<8"),
        Column("steps", "steps", ">6"),
        Column("balls_thrown", "balls", ">5"),
        Column("balls_gone"),
        Column("nearest_ball"),
    ),
    headline=("survived", "steps"),
)
