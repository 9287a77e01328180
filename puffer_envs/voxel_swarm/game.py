"""What the voxel swarm is to the rest of the house."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from puffer_envs.contract.game import Column, Game
from puffer_envs.voxel_swarm.config import PRESETS, Config
from puffer_envs.voxel_swarm.env import NAME, VoxelSwarm, check, memory_bytes, spec
from puffer_envs.voxel_swarm.world import export

CHOOSE_SHAPES = {"split", "shapes", "family"}  # settings that say which shapes are built


def held_out(config: Config, given: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Sizes and families that are held out; with a library of one's own, or shapes chosen by hand, just those."""
    if config.shapes is not None or CHOOSE_SHAPES & set(given):
        return {"": {"curriculum": False}}
    return {split: {"split": split, "curriculum": False} for split in ("sizes", "families")}


GAME = Game(
    name=NAME,
    Config=Config,
    spec=spec,
    make=VoxelSwarm,
    presets=PRESETS,
    check=check,
    memory_bytes=memory_bytes,
    learners=("ppo",),
    network="voxel_swarm",
    training_file=Path(__file__).with_name("training.toml"),
    fixed=("grid_size", "num_agents", "reading"),
    evaluation_sets=held_out,
    export=export,
    columns=(
        Column("text", "shape", "<18"),
        Column("family"),
        Column("iou", "IoU", ">6"),
        Column("wrong"),
    ),
    headline=("iou",),
    group="family",
)
