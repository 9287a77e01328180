"""A swarm of agents with a view of 27 cells builds shapes by following a scent."""

from functools import cache
from typing import Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from puffer_envs.voxel_swarm import kernels, observe, render, rewards, shapes, step, world
from puffer_envs.voxel_swarm.config import (
    EUCLIDEAN,
    MAX_NORMALISED,
    RELATIVE,
    WALK,
    Config,
    agents_of,
    reward_weights,
)
from puffer_envs.voxel_swarm.scent import straight
from puffer_envs.voxel_swarm.state import (
    NUM_ACTIONS,
    ORIGINAL_LAYOUT,
    RELATIVE_LAYOUT,
    Rules,
    Scent,
    Shapes,
    State,
    allocate,
    allocate_scratch,
    numbers_of,
    ways,
)

NAME = "voxel_swarm"
BUILT = {"quarter_built": 0.25, "half_built": 0.5, "nearly_built": 0.75, "finished": 1.0}  # share of the targets filled
MOST_AGENTS = 32_767  # that `State.crowd` can count
_SHARES = np.array(list(BUILT.values()))


def check(config: Config) -> None:
    """Refuse settings that no environment can be made of.

    Raises:
        ValueError: the message says which setting, and what it can be.
    """
    if not shapes.SMALLEST_GRID <= config.grid_size <= shapes.LARGEST_GRID:
        raise ValueError(
            f"grid_size is {config.grid_size}; it must be from {shapes.SMALLEST_GRID} to {shapes.LARGEST_GRID}"
        )
    if agents_of(config) > MOST_AGENTS:
        raise ValueError(f"num_agents is {agents_of(config)}; it can be at most {MOST_AGENTS:,}")
    for name, allowed in (("metric", (WALK, EUCLIDEAN)), ("reading", (RELATIVE, MAX_NORMALISED))):
        if getattr(config, name) not in allowed:
            raise ValueError(f"{name} is '{getattr(config, name)}'; it can be {' or '.join(allowed)}")
    library(config)


def spec(config: Config) -> EnvSpec:
    """What the outside needs to know, from the configuration alone."""
    deadline = 150 * config.grid_size // 8
    names, tiers = list(BUILT), ("early", "mid", "mid", "late")
    before = (None, *names)
    return EnvSpec(
        name=NAME,
        layout=RELATIVE_LAYOUT if config.reading == RELATIVE else ORIGINAL_LAYOUT,
        action_space=spaces.Discrete(NUM_ACTIONS),
        reward_weights=reward_weights(config),
        milestones=tuple(
            Milestone(name, tier, previous, deadline)
            for name, tier, previous in zip(names, tiers, before, strict=False)
        ),
        agents_per_env=agents_of(config),
        texts=tuple(dict.fromkeys(shape.text for shape in library(config))),
    )


def memory_bytes(config: Config, num_envs: int) -> int:
    """What a batch of environments takes: worlds, working space, and the library with what it is made from."""
    cells, agents = (config.grid_size + 2) ** 3, num_envs * agents_of(config)
    world = 6 + 4 * (config.reading == MAX_NORMALISED)  # blocks, targets, agents, field; the original's scent
    scratch = sum(array.itemsize for array in allocate_scratch(1))
    voxels = sum(shape.voxels.size for shape in library(config))
    outputs = 2 * spec(config).layout.nbytes + 100  # observations, those of the ends, rewards and their terms
    return cells * (num_envs * world + scratch) + voxels * 5 + voxels // 3 * 4 + agents * outputs


@cache
def library(config: Config) -> tuple[shapes.Shape, ...]:
    """The shapes that a configuration draws from, the one with the fewest voxels first.

    Raises:
        ShapeError: the file of shapes cannot be used.
    """
    if config.shapes is None:
        return tuple(shapes.library(config.grid_size, config.split, config.family))  # type: ignore[arg-type]
    found = shapes.load_shapes(config.shapes, config.grid_size)
    return tuple(sorted(found, key=lambda shape: len(shape.voxels)))


class VoxelSwarm(BatchedEnv):
    """E grids of G^3 cells with A agents each, that share one policy and act one after the other.

    Actions: 0 x-1, 1 z+1, 2 x+1, 3 z-1, 4 up (from the ground or above a block), 5 down, 6 place the carried block in
    the own cell, 7 pick up: a wrong block out of the own cell, with full hands too, or a new one out of the air.
    Observations: 27 cells each of blocks, scent and other agents, the own distance, whether it carries, and the number
    of the shape's text (`EnvSpec.texts`); nothing in them depends on G. Rewards: `rewards.TERMS`.
    An episode ends when the shape is whole and nothing else stands (terminal), or after `max_steps` (truncation).
    """

    def __init__(
        self,
        config: Config | None = None,
        num_envs: int = 1,
        *,
        seed: int = 0,
        first_env: int = 0,
        report_interval: int = 128,
        buf: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.config = config = config if config is not None else Config()
        check(config)
        super().__init__(
            spec(config), num_envs, seed=seed, first_env=first_env, report_interval=report_interval, buf=buf
        )
        self.library = library(config)
        self._text_number = {text: number for number, text in enumerate(self.spec.texts)}
        self.pitch = config.grid_size + 2
        self.state: State = allocate(num_envs, self.spec.agents_per_env, config.grid_size)
        self._scratch = allocate_scratch(config.grid_size)
        self._scent = Scent(config.metric == WALK, config.all_targets)
        self._unit = 1 if self._scent.walk else straight.UNIT
        self._lanes = observe.allocate_lanes(self._unit)
        self._deeds = np.zeros(self.num_agents, np.int8)
        self._iou = np.zeros(num_envs, np.float32)
        # Environments and milestones that a step has reached, and how many they are
        self._reached = np.zeros((num_envs * len(BUILT), 2), np.int32)
        self._num_reached = 0
        self._rules = Rules(
            self.pitch,
            ways(config.grid_size),
            config.collisions,
            self._scent,
            1.0 if config.success_recall is None else config.success_recall,
            any(getattr(config, f"reward_{term}") for term in rewards.TERMS[6:]),
            config.max_steps,
        )
        self._blurred = self._allocate_blurred()
        family = {shape.text: shape.family for shape in self.library}
        self._family = [family[text] for text in self.spec.texts]
        self._shapes = self._pack_library()
        self._spawned = np.zeros(self.spec.agents_per_env, np.int32)

    def _pack_library(self) -> Shapes:
        config = self.config
        shapes = [numbers_of(shape.voxels, config.grid_size) for shape in self.library]
        return Shapes(
            np.concatenate(shapes),
            np.cumsum([0, *map(len, shapes)]),
            np.array([self._text_number[shape.text] for shape in self.library], np.int32),
            config.easy_share if config.curriculum else 1.0,
            config.easy_episodes,
            config.growing_episodes,
        )

    def _allocate_blurred(self) -> np.ndarray:
        """The original's scent, float32 [E, C]; C = 0 where nobody reads it."""
        return np.zeros((self.num_envs, self.pitch**3 if self.config.reading == MAX_NORMALISED else 0), np.float32)

    def reset(self, seed: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]]]:
        self.state.begun[:] = 0
        return super().reset(seed)

    # -- a step ----------------------------------------------------------------------------------------------------
    def act(self) -> None:
        self._num_reached = step.play(
            self.state,
            self.actions,
            self._deeds,
            self._iou,
            self.reward_terms,
            self.terminals,
            self.truncations,
            self.episode_step,
            _SHARES,
            self.milestones_held,
            self._reached,
            self._rules,
            self._scratch,
        )
        if not self._scent.walk and self.state.stale.any():
            self._measure(np.flatnonzero(self.state.stale))

    def score(self) -> None:
        """The terms are written; what is left are the milestones."""
        for env, milestone in self._reached[: self._num_reached].tolist():
            rows = self._rows(env)
            self.reach(rows.start, milestone)
            self.milestones_held[rows, milestone] = True
            self.reached_at[rows, milestone] = self.reached_at[rows.start, milestone]

    def finish(self) -> None:
        """`step.play` has said who ends."""

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        if self.config.reading == MAX_NORMALISED:
            observe.write_original_rows(self.state, self._blurred, out, self.pitch, rows)
        else:
            observe.write_rows(self.state, out, self.pitch, self._unit, rows, self._lanes)

    # -- episodes and worlds ---------------------------------------------------------------------------------------
    def begin(self, env: int, state: bytes | None) -> None:
        if state is None:
            self.begin_new(np.array([env]))
            return
        arrays = world.unpack(state, self.config.grid_size, self.spec.agents_per_env)  # before anything is changed
        rng.fresh_key(self.rng[env])
        self._set_world(env, arrays)
        targets, right, _ = self.state.counts[env].tolist()
        self.milestones_held[self._rows(env)] = right / targets >= _SHARES

    def begin_new(self, envs: np.ndarray) -> None:
        made = self._iou, self.milestones_held
        step.begin(self.state, envs, self.rng, *made, self._shapes, self._rules, self._scratch, self._spawned)
        self._measure(envs)

    def _measure(self, envs: np.ndarray) -> None:
        """The scents that `step.settle` leaves: straight lines, and what the original read."""
        original = self.config.reading == MAX_NORMALISED
        if original or not self._scent.walk:
            for env in envs.tolist():
                if not self._scent.walk:
                    straight.measure(self.state, env, self.pitch, self._scent)
                if original:
                    self._blur(env)

    def _blur(self, env: int) -> None:
        inner = (slice(1, -1),) * 3
        targets = self.state.targets[env].reshape((self.pitch,) * 3)[inner] > 0
        self._blurred[env].reshape((self.pitch,) * 3)[inner] = straight.max_normalised(targets)

    def can_begin(self, env: int) -> bool:
        return not rewards.is_whole(self.state.counts, env)

    def write_world(self, env: int) -> bytes:
        return world.pack(self.state, env, self.config.grid_size, self.spec.texts[self.state.text[env]])

    def read_world(self, env: int, data: bytes) -> None:
        self._set_world(env, world.unpack(data, self.config.grid_size, self.spec.agents_per_env))

    def _set_world(self, env: int, arrays: dict[str, np.ndarray]) -> None:
        size = self.config.grid_size
        targets, filled, cells = (numbers_of(arrays[name], size) for name in ("targets", "filled", "agents"))
        kernels.set_world(self.state, env, np.unique(targets), np.unique(filled), cells)
        self.state.carrying[env] = arrays["carrying"]
        step.settle(self.state, env, self._iou, self._rules, self._scratch)
        self._measure(np.array([env]))
        self.state.text[env] = self._text_number.get(arrays["text"].tobytes().decode(), 0)

    def row_arrays(self) -> dict[str, np.ndarray]:
        state = self.state
        return {"crowded": state.crowded, "begun": state.begun, "limit": state.limit, "iou": self._iou}

    # -- what it says of itself --------------------------------------------------------------------------------------
    def summary(self, row: int) -> dict[str, Any]:
        env = row // self.spec.agents_per_env
        targets, right, wrong = self.state.counts[env].tolist()
        return {
            "text": self.spec.texts[self.state.text[env]],
            "family": self._family[self.state.text[env]],
            "iou": right / (targets + wrong),
            "recall": right / targets,
            "precision": right / max(1, right + wrong),
            "wrong": wrong,
            "finished": right == targets and wrong == 0,
            "crowded": int(self.state.crowded[env]),
        }

    def metrics(self) -> dict[str, float]:
        targets, right, wrong = self.state.counts.T.astype(np.float64)
        return {
            "iou": float((right / (targets + wrong)).mean()),
            "recall": float((right / targets).mean()),
            "precision": float((right / np.maximum(1, right + wrong)).mean()),
            "wrong": float(wrong.mean()),
        }

    def render(self, env: int = 0) -> np.ndarray:
        return render.frame(self.state, self.config, env)
