"""A picture of one world, seen from above one corner: blocks, missing targets as ghosts, wrong blocks in red, agents.

Cell (x, y, z) lies at ``((x - z) s, (x + z) s / 2 - y s)`` pixels from the corner of the ground, s being the size of a
block; cells are painted from the far corner to the near one.
"""

import numpy as np

from puffer_envs.kit import draw
from puffer_envs.kit.jit import kernel
from puffer_envs.voxel_swarm.config import Config
from puffer_envs.voxel_swarm.state import EMPTY, State

WIDTH = 768  # pixels, about
MARGIN, FOOT = 24, 40  # pixels around the world, and below it for the text

SKY, GROUND, GROUND_ODD = (24, 27, 34), (52, 58, 70), (48, 53, 64)
# Colours of the top, the left and the right face.
STONE = np.array([(222, 205, 170), (176, 152, 112), (140, 118, 84)], np.int64)
MISTAKE = np.array([(240, 96, 84), (196, 60, 54), (158, 44, 42)], np.int64)
GHOST = np.array([(120, 190, 255), (90, 150, 220), (70, 120, 190)], np.int64)
GHOST_PART = 40  # of 256 that a ghost covers what is behind it
CARRIER, SEEKER = (255, 214, 64), (64, 220, 200)  # agents with a block and without


def frame(state: State, config: Config, env: int) -> np.ndarray:
    """uint8 [H, W, 3]; H and W depend on the size of the grid alone."""
    size, pitch = config.grid_size, config.grid_size + 2
    block = max(2, (WIDTH - 2 * MARGIN) // (2 * size) // 2 * 2)
    width = 2 * size * block + 2 * MARGIN
    height = 2 * size * block + 2 * MARGIN + FOOT
    image = np.empty((height, width, 3), np.uint8)
    image[:] = SKY
    left, top = width // 2, MARGIN + size * block  # where the far corner of the ground is
    cube = (pitch, pitch, pitch)
    _ground(image, size, left, top, block)
    _world(
        image,
        state.blocks[env].reshape(cube),
        state.targets[env].reshape(cube),
        state.crowd[env].reshape(cube),
        _carriers(state, env).reshape(cube),
        left,
        top,
        block,
    )
    targets, right, wrong = state.counts[env].tolist()
    draw.text(image, f"IoU {right / (targets + wrong):.3f}", MARGIN, height - FOOT, draw.WHITE, 2)
    told = f"{right} of {targets} blocks, {wrong} wrong"
    draw.text(image, told, width - MARGIN - draw.text_size(told, 2)[0], height - FOOT, draw.WHITE, 2)
    return image


def _carriers(state: State, env: int) -> np.ndarray:
    """bool [C], cells with an agent that carries a block."""
    carriers = np.zeros(state.blocks.shape[1], np.bool_)
    carriers[state.cells[env][state.carrying[env]]] = True
    return carriers


@kernel
def _ground(image: np.ndarray, size: int, left: int, top: int, block: int) -> None:
    for x in range(size):
        for z in range(size):
            colour = GROUND if (x + z) % 2 == 0 else GROUND_ODD
            _top(image, left + (x - z) * block, top + (x + z + 1) * block // 2, block, colour, 256)


@kernel
def _world(
    image: np.ndarray,
    blocks: np.ndarray,
    targets: np.ndarray,
    crowd: np.ndarray,
    carriers: np.ndarray,
    left: int,
    top: int,
    block: int,
) -> None:
    size = blocks.shape[0] - 2
    for x in range(1, size + 1):
        for z in range(1, size + 1):
            for y in range(1, size + 1):
                column = left + (x - z) * block
                row = top + (x + z - 1) * block // 2 - y * block
                if blocks[x, y, z] != EMPTY:
                    _cube(image, column, row, block, STONE if targets[x, y, z] else MISTAKE, 256)
                elif targets[x, y, z]:
                    _cube(image, column, row, block, GHOST, GHOST_PART)
                if crowd[x, y, z]:
                    _agent(image, column, row + block // 2, block, CARRIER if carriers[x, y, z] else SEEKER)


@kernel
def _cube(image: np.ndarray, column: int, row: int, block: int, faces: np.ndarray, part: int) -> None:
    """A block whose upper face is centred at a pixel."""
    _top(image, column, row, block, (faces[0, 0], faces[0, 1], faces[0, 2]), part)
    for across in range(-block, block):
        face = 1 if across < 0 else 2
        colour = (faces[face, 0], faces[face, 1], faces[face, 2])
        begin = row + (block - abs(across)) // 2
        for down in range(begin, begin + block):
            _blend(image, down, column + across, colour, part)


@kernel
def _top(image: np.ndarray, column: int, row: int, block: int, colour: tuple, part: int) -> None:
    for across in range(-block, block):
        half = (block - abs(across)) // 2
        for down in range(row - half, row + half):
            _blend(image, down, column + across, colour, part)


@kernel
def _agent(image: np.ndarray, column: int, row: int, block: int, colour: tuple) -> None:
    """A disc in the middle of a cell."""
    radius = max(1, block * 3 // 8)
    for down in range(-radius, radius + 1):
        for across in range(-radius, radius + 1):
            distance = down * down + across * across
            if distance <= radius * radius:
                rim = distance > (radius - 2) * (radius - 2) and radius > 4
                _blend(image, row + down, column + across, (20, 20, 20) if rim else colour, 256)


@kernel
def _blend(image: np.ndarray, row: int, column: int, colour: tuple, part: int) -> None:
    if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
        for channel in range(3):
            behind = np.int64(image[row, column, channel])
            image[row, column, channel] = behind + (np.int64(colour[channel]) - behind) * part // 256
