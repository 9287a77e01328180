"""Slow twin of the voxel swarm: one grid, plain Python, from the specification.

`Swarm` plays and observes it, `walk_field` and `euclidean_field` compute the scent afresh, `scripted_builder` finishes
every shape that can be climbed. What begins with `original` follows the rules of the game that this one descends from.
"""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

Cell = tuple[int, int, int]  # x, y (up), z
Field = dict[Cell, float | None]  # every cell of the grid; None: no way from here

MOVES: tuple[Cell, ...] = ((-1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 0, -1), (0, 1, 0), (0, -1, 0))  # actions 0..5
UP, PLACE, PICK_UP = 4, 6, 7
OFFSETS: tuple[Cell, ...] = tuple(itertools.product((-1, 0, 1), repeat=3))  # dx slowest, dz fastest
TERMS = ("placed", "wrong", "mended", "iou", "step", "success")


def cells_of(size: int) -> Iterator[Cell]:
    """Every cell of a grid, z fastest."""
    return itertools.product(range(size), repeat=3)


def add(cell: Cell, offset: Cell) -> Cell:
    """The cell so far away."""
    return cell[0] + offset[0], cell[1] + offset[1], cell[2] + offset[2]


def is_inside(cell: Cell, size: int) -> bool:
    """Whether the grid has such a cell."""
    return all(0 <= coordinate < size for coordinate in cell)


def destination(cell: Cell, action: int, size: int, filled: set[Cell]) -> Cell | None:
    """Where a move (action 0..5) leads, None when the grid ends there or the climb rule forbids it."""
    there = add(cell, MOVES[action])
    if not is_inside(there, size):
        return None
    if action == UP and cell[1] > 0 and add(cell, (0, -1, 0)) not in filled:
        return None
    return there


# The field


def walk_field(size: int, filled: set[Cell], sources: Iterable[Cell]) -> Field:
    """Least number of moves from each cell to a source: breadth first from the sources, each move backwards."""
    distances: Field = dict.fromkeys(cells_of(size))
    distances.update(dict.fromkeys(sources, 0))
    queue = deque(cell for cell, distance in distances.items() if distance == 0)
    while queue:
        cell = queue.popleft()
        for action, (dx, dy, dz) in enumerate(MOVES):
            before = add(cell, (-dx, -dy, -dz))
            if not is_inside(before, size) or distances[before] is not None:
                continue
            if destination(before, action, size, filled) == cell:
                distances[before] = distances[cell] + 1
                queue.append(before)
    return distances


def squared_distances(size: int, sources: Iterable[Cell]) -> np.ndarray:
    """i64 [G, G, G]: squared straight-line distance from each cell to the nearest source (at least one)."""
    x, y, z = np.indices((size, size, size))
    return np.min([(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 for a, b, c in sources], axis=0)


def euclidean_field(size: int, sources: Iterable[Cell]) -> Field:
    """Straight-line distance to the nearest source, in cells, to the nearest 1/128."""
    sources = set(sources)
    if not sources:
        return dict.fromkeys(cells_of(size))
    squares = squared_distances(size, sources)
    return {cell: round(128 * math.sqrt(squares[cell])) / 128 for cell in cells_of(size)}


def max_normalised(target: set[Cell], size: int) -> np.ndarray:
    """f64 [G, G, G]: 1 - d / max d, d straight to the nearest target, then a Gaussian blur of sigma 1/2."""
    distance = np.sqrt(squared_distances(size, target))
    scent = 1 - distance / distance.max() if distance.max() > 0 else np.ones_like(distance)
    weights = np.exp([-0.5 * (i / 0.5) ** 2 for i in range(-2, 3)])
    weights /= weights.sum()
    for axis in range(3):
        padded = np.pad(scent, [(2, 2) if a == axis else (0, 0) for a in range(3)], mode="symmetric")
        shifted = [np.take(padded, range(i, i + size), axis) for i in range(5)]
        scent = sum(weight * part for weight, part in zip(weights, shifted, strict=True))
    return scent


# The game


@dataclass
class Swarm:
    """A grid, its target and the agents; `step` plays, `observations` is what they see afterwards."""

    size: int
    target: set[Cell]
    agents: list[tuple[Cell, bool]]  # position, carrying
    filled: set[Cell] = field(default_factory=set)
    metric: str = "walk"  # or euclidean
    all_targets: bool = False  # the field leads to filled targets too
    collisions: bool = False  # refuse a move into a cell where an agent is
    steps: int = 0
    terminal: bool = False
    truncated: bool = False
    shared: int = 0  # agents in the cell of one of lower index after the last step: the metric `collisions`

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("a target needs a cell")

    @property
    def max_steps(self) -> int:
        """Steps after which an episode is cut."""
        return int(150 * self.size / 8 + 8 * len(self.target) / len(self.agents))

    @property
    def wrong_blocks(self) -> set[Cell]:
        """Blocks where none should be."""
        return self.filled - self.target

    def iou(self) -> float:
        """Intersection over union of the blocks and the target."""
        return len(self.filled & self.target) / len(self.filled | self.target)

    def step(self, actions: Iterable[int]) -> list[dict[str, float]]:
        """Play one action of each agent, one agent after the other; the unweighted terms of each."""
        iou, was_finished = self.iou(), self.filled == self.target
        events = [self._act(i, action) for i, action in enumerate(actions)]
        assert len(events) == len(self.agents)
        self.steps += 1
        self.terminal = self.filled == self.target
        self.truncated = self.steps >= self.max_steps and not self.terminal
        self.shared = len(self.agents) - len({position for position, _ in self.agents})
        all_share = {"iou": self.iou() - iou, "step": 1.0, "success": float(self.terminal and not was_finished)}
        return [dict.fromkeys(TERMS, 0.0) | all_share | ({event: 1.0} if event else {}) for event in events]

    def _act(self, i: int, action: int) -> str | None:
        """Play one agent's action; the name of the event, if it was one."""
        if action == PLACE:
            return self._place(i)
        if action == PICK_UP:
            return self._pick_up(i)
        self._move(i, action)
        return None

    def _move(self, i: int, action: int) -> None:
        position, carrying = self.agents[i]
        there = destination(position, action, self.size, self.filled)
        if there is None or (self.collisions and any(there == other for other, _ in self.agents)):
            return
        self.agents[i] = there, carrying

    def _place(self, i: int) -> str | None:
        position, carrying = self.agents[i]
        if not carrying or position in self.filled:
            return None
        self.filled.add(position)
        self.agents[i] = position, False
        return "placed" if position in self.target else "wrong"

    def _pick_up(self, i: int) -> str | None:
        position, _ = self.agents[i]
        if position in self.filled & self.target:
            return None
        self.agents[i] = position, True
        if position not in self.filled:
            return None  # a block out of the air
        self.filled.remove(position)
        return "mended"

    def sources(self) -> set[Cell]:
        """Cells that the field leads to."""
        if self.target <= self.filled:
            return self.wrong_blocks
        return set(self.target) if self.all_targets else self.target - self.filled

    def distances(self) -> Field:
        """Distance to the nearest source, with the blocks as they are."""
        if self.metric == "walk":
            return walk_field(self.size, self.filled, self.sources())
        return euclidean_field(self.size, self.sources())

    def observations(self) -> list[list[int]]:
        """83 bytes of each agent."""
        distances = self.distances()
        return [self._observation(i, distances) for i in range(len(self.agents))]

    def _observation(self, i: int, distances: Field) -> list[int]:
        position, carrying = self.agents[i]
        own = distances[position]
        return [
            *self._blocks(position),
            *self._scent(position, distances),
            *self._others(i),
            255 if own is None else round(min(own, 8) / 8 * 255),
            255 if carrying else 0,
        ]

    def _blocks(self, position: Cell) -> list[int]:
        cells = [add(position, offset) for offset in OFFSETS]
        return [128 if not is_inside(cell, self.size) else 255 if cell in self.filled else 0 for cell in cells]

    def _scent(self, position: Cell, distances: Field) -> list[int]:
        """How much nearer each cell is than the agent's own, 63 a cell about 128."""
        if not self.sources():
            return [128] * 27
        return [self._scent_byte(position, offset, distances) for offset in OFFSETS]

    def _scent_byte(self, position: Cell, offset: Cell, distances: Field) -> int:
        cell = add(position, offset)
        if not is_inside(cell, self.size):
            return 0
        if offset == MOVES[UP] and destination(position, UP, self.size, self.filled) is None:
            return 2
        own, there = distances[position], distances[cell]
        if there is None:
            return 2
        difference = 2 if own is None else max(-2, min(2, own - there))
        return 128 + round(63 * difference)

    def _others(self, i: int) -> list[int]:
        """Where others are; in the own cell only those count that act before this one."""
        position, _ = self.agents[i]
        others = [other for j, (other, _) in enumerate(self.agents) if j < i or other != position]
        return [255 * (add(position, offset) in others) for offset in OFFSETS]


# A player


def scripted_builder(swarm: Swarm) -> list[int]:
    """An action for each agent; finishes every target with a cell in each layer below its top, without a wrong block.

    Layers are reached as a whole, because moves sideways are free: layer y needs a block anywhere in layer y - 2. So
    the lowest unfilled target can always be walked to, and it is enough to go to the nearest one. Blocks that are
    wrong from the start are taken away by empty hands. Agents that refuse to share a cell may block each other.
    """
    targets = walk_field(swarm.size, swarm.filled, swarm.target - swarm.filled)
    wrong = walk_field(swarm.size, swarm.filled, swarm.wrong_blocks)
    air = walk_field(swarm.size, swarm.filled, set(cells_of(swarm.size)) - swarm.filled)
    actions = []
    for position, carrying in swarm.agents:
        if carrying:
            actions.append(_towards(swarm, position, targets, PLACE))
        else:
            actions.append(_towards(swarm, position, air if wrong[position] is None else wrong, PICK_UP))
    return actions


def _towards(swarm: Swarm, position: Cell, distances: Field, on_arrival: int) -> int:
    """The first move that leads one cell nearer, or what is to be done there."""
    if distances[position] == 0:
        return on_arrival
    for action in range(PLACE):
        there = destination(position, action, swarm.size, swarm.filled)
        if there is not None and distances[position] is not None and distances[there] == distances[position] - 1:
            return action
    return PICK_UP  # nowhere to go; never a wrong block


# The original's rules


def recall(filled: set[Cell], target: set[Cell]) -> float:
    """Share of the target that is filled; wrong blocks do not lower it."""
    return len(filled & target) / len(target)


def original_ended(filled: set[Cell], target: set[Cell], steps: int) -> bool:
    """Whether the original ends the episode after so many steps."""
    return steps >= 150 or recall(filled, target) > 0.85


def original_observation(position: Cell, carrying: bool, filled: set[Cell], scent: np.ndarray) -> list[float]:
    """58 numbers: position, blocks, scent (`max_normalised` of the target), carrying; 0 outside the grid."""
    size = len(scent)
    cells = [add(position, offset) for offset in OFFSETS]
    blocks = [float(cell in filled) for cell in cells]
    smells = [float(scent[cell]) if is_inside(cell, size) else 0.0 for cell in cells]
    return [coordinate / size for coordinate in position] + blocks + smells + [float(carrying)]


def original_rewards(agents: Iterable[tuple[Cell, bool]], filled: set[Cell], target: set[Cell]) -> list[float]:
    """What each agent is paid after a step, for where it stands and not for what it did."""
    return [_original_reward(position, carrying, filled, target) for position, carrying in agents]


def _original_reward(position: Cell, carrying: bool, filled: set[Cell], target: set[Cell]) -> float:
    reward = 20 * recall(filled, target) - 0.1
    if position in filled:
        reward += 100 if position in target else -2
    elif position in target and not carrying:
        reward -= 5
    return reward
