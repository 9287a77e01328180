"""The `.state` of an environment: its targets, its blocks and its agents, whatever the episode around them."""

from typing import Any

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.voxel_swarm.state import FILLED, State, voxels_of

KIND = "voxel_swarm/world"


def pack(state: State, env: int, size: int, text: str) -> bytes:
    """The world of an environment of a grid of ``size``; ``text`` describes its shape."""
    arrays = {
        "grid": np.int32(size),
        "targets": voxels_of(np.flatnonzero(state.targets[env]), size),
        "filled": voxels_of(np.flatnonzero(state.blocks[env] == FILLED), size),
        "agents": voxels_of(state.cells[env], size),
        "carrying": state.carrying[env],
        "text": np.frombuffer(text.encode(), np.uint8),
    }
    return state_file.pack(KIND, arrays)


def unpack(data: bytes, size: int, agents: int) -> dict[str, np.ndarray]:
    """A world's arrays: ``targets``, ``filled``, ``agents`` int16 [V, 3], ``carrying`` bool [A], ``text`` as bytes.

    Raises:
        StateFileError: they make no world of this size and number of agents.
    """
    world = state_file.unpack(KIND, data)
    try:
        if int(world["grid"]) != size:
            raise StateFileError(f"this is a world of {int(world['grid'])} cells along each edge, not of {size}")
        if len(world["agents"]) != agents or world["carrying"].shape != (agents,):
            raise StateFileError(f"this is a world of {len(world['agents'])} agents, not of {agents}")
        for name in ("targets", "filled", "agents"):
            if not _lie_within(world[name], size):
                raise StateFileError(f"the world's {name} are no cells of a grid of {size}")
        if not len(world["targets"]):
            raise StateFileError("the world has no targets")
        world["text"].tobytes().decode()
    except StateFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise StateFileError(f"this is a world of another version of voxel_swarm: {error}") from error
    return world


def _lie_within(voxels: np.ndarray, size: int) -> bool:
    if voxels.ndim != 2 or voxels.shape[1] != 3:
        return False
    return not len(voxels) or bool(0 <= voxels.min() <= voxels.max() < size)


def export(world: bytes) -> dict[str, Any]:
    """A world's building for viewers elsewhere: what `shapes.load_shapes` reads, and its wrong blocks."""
    arrays = state_file.unpack(KIND, world)
    voxels, targets = (arrays[name].tolist() for name in ("filled", "targets"))
    text, grid = arrays["text"].tobytes().decode(), int(arrays["grid"])
    right = set(map(tuple, targets))
    wrong = [voxel for voxel in voxels if tuple(voxel) not in right]
    return {"text": text, "grid": grid, "voxels": voxels, "voxel_count": len(voxels), "wrong": wrong}
