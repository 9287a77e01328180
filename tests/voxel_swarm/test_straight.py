"""Straight distances against the slow twin, and the original's scent against the figures measured of it."""

import numpy as np
import pytest

from puffer_envs.voxel_swarm import kernels
from puffer_envs.voxel_swarm.config import PRESETS
from puffer_envs.voxel_swarm.env import VoxelSwarm
from puffer_envs.voxel_swarm.scent import straight
from puffer_envs.voxel_swarm.shapes import library
from puffer_envs.voxel_swarm.state import voxels_of
from tests.reference import voxel_swarm as slow


def filled(cells, size: int = 8) -> np.ndarray:
    grid = np.zeros((size, size, size), np.bool_)
    grid[tuple(np.array(list(cells)).T)] = True
    return grid


@pytest.mark.parametrize("size", [4, 7, 8])
@pytest.mark.parametrize("count", [1, 2, 20])
def test_squared_distances_are_those_of_the_slow_twin(size, count) -> None:
    rng = np.random.default_rng(size * count)
    cells = {tuple(cell) for cell in rng.integers(0, size, (count, 3)).tolist()}
    squares = np.empty((size, size, size))
    straight.squared_distances(filled(cells, size), squares)
    np.testing.assert_array_equal(squares, slow.squared_distances(size, cells))


def test_the_originals_scent_of_one_target() -> None:
    scent = straight.max_normalised(filled([(4, 0, 4)]))
    found = [scent[cell] for cell in ((4, 0, 4), (4, 1, 4), (0, 0, 0), (7, 7, 7))] + [scent.mean()]
    assert found == pytest.approx([0.946219, 0.867771, 0.386156, 0.108012, 0.441302], abs=1e-5)


def test_the_originals_scent_of_a_pyramid() -> None:
    (shape,) = (shape for shape in library(8, "all") if shape.text == "pyramid 4")
    scent = straight.max_normalised(filled(shape.voxels))
    found = [scent[cell] for cell in ((4, 0, 4), (4, 3, 4), (0, 0, 0), (7, 7, 7))] + [scent.mean()]
    assert found == pytest.approx([0.996628, 0.838563, 0.588410, 0.024956, 0.551653], abs=1e-5)


def test_the_originals_rules_agree_with_the_slow_twin() -> None:
    config = PRESETS["original"]._replace(curriculum=False, split="all")
    env = VoxelSwarm(config, 2, seed=3)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        env.step(rng.integers(0, 8, env.num_agents, dtype=np.int32))
        for index in range(2):
            target = set(map(tuple, voxels_of(np.flatnonzero(env.state.targets[index]), 8).tolist()))
            blocks = set(map(tuple, voxels_of(np.flatnonzero(env.state.blocks[index] == 255), 8).tolist()))
            scent = slow.max_normalised(target, 8)
            agents = [
                (tuple(cell), bool(carrying))
                for cell, carrying in zip(
                    voxels_of(env.state.cells[index], 8).tolist(), env.state.carrying[index], strict=True
                )
            ]
            rows = slice(index * 5, index * 5 + 5)
            if env.truncations[rows].any() or env.terminals[rows].any():
                continue
            wanted = [slow.original_observation(*agent, blocks, scent) for agent in agents]
            np.testing.assert_allclose(env.observations[rows, :58], wanted, atol=1e-5)
            np.testing.assert_allclose(env.rewards[rows], slow.original_rewards(agents, blocks, target), rtol=1e-5)


def test_agents_begin_on_the_four_edges_of_the_ground() -> None:
    cells = np.zeros(4000, np.int32)
    kernels.spawn(np.array([7, 0], np.uint64), cells, 10)
    voxels = voxels_of(cells, 8)
    assert (voxels[:, 1] == 0).all()
    x, z = voxels[:, 0], voxels[:, 2]
    edges = [x == 0, z == 7, x == 7, z == 0]
    assert np.logical_or.reduce(edges).all()
    assert [edge.mean() for edge in edges] == pytest.approx([0.25 + 2 * 0.25 / 8] * 4, abs=0.03)  # corners are of two
