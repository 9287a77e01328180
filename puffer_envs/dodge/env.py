"""Arenas in which balls are thrown at a player."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.dodge import kernels, observe, render, world
from puffer_envs.dodge.config import (
    ACTIONS,
    FAST_FLIGHT,
    FAST_INTERVAL,
    SLOW_FLIGHT,
    SLOW_INTERVAL,
    SURVIVED,
    Config,
    reward_weights,
)
from puffer_envs.dodge.state import LEFT, NEAREST, NUM_BALLS, STEP, THROWN, Arena, Rules, State, allocate, layout
from puffer_envs.kit import rng

NAME = "dodge"
MILESTONES = ("survived_quarter", "survived_half", "survived_three_quarters", "survived")
NUM_CHOICES = 5  # of the discrete actions
# Columns of the sprint and of the jump in the actions of each kind, and how many there are.
_COLUMNS = {"basic_3d": (2, -1, 3), "basic_4d_jump": (2, 3, 4), "tilt_5d": (4, -1, 5), "full_6d": (5, 2, 6)}


def check(config: Config) -> None:
    """Refuse settings that no environment can be made of.

    Raises:
        ValueError: the message says which setting, and what it can be.
    """
    for name, known in (("actions", ACTIONS), ("observation", ("vector", "image")), ("colour", ("gray", "rgb"))):
        if getattr(config, name) not in known:
            raise ValueError(f"{name} is '{getattr(config, name)}'; it can be {', '.join(known)}")
    bounds = {"level": (1, 3), "image_size": (20, 512), "spawn_angle_degrees": (0, 180), "sprint_multiplier": (0, 10)}
    for name, (low, high) in bounds.items():
        if not low <= getattr(config, name) <= high:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be from {low} to {high}")
    for name in ("frame_skip", "max_steps"):
        if (value := getattr(config, name)) < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")


def spec(config: Config) -> EnvSpec:
    """What the outside needs to know, from the configuration alone."""
    tiers = ("early", "mid", "mid", "late")
    return EnvSpec(
        name=NAME,
        layout=layout(config),
        action_space=_action_space(config),
        reward_weights=reward_weights(config),
        milestones=tuple(
            Milestone(name, tier, before, -(-config.max_steps // config.frame_skip))
            for name, tier, before in zip(MILESTONES, tiers, (None, *MILESTONES), strict=False)
        ),
    )


def _action_space(config: Config) -> spaces.Space:
    if config.actions == "discrete":
        return spaces.Discrete(NUM_CHOICES)
    return spaces.Box(-1.0, 1.0, (_COLUMNS[config.actions][2],), np.float32)


class Dodge(BatchedEnv):
    """E arenas of a player each, at whom balls are thrown.

    Actions: speeds along x and y, and the sprint from none at -1 to all of it at 1; by `actions` with a jump (above .5)
    and tilts that do nothing, or a choice of stand, +y, -y, -x and +x. Observations (`state.layout`): the player's
    place and speed and the ten oldest balls', or a picture from above, in which a ball shows in the last 60% of its
    way. Rewards: `rewards.TERMS`. An episode ends where a ball hits (terminal) or after `max_steps` (truncation).

    Pictures are changed where something moved, so `observations` must be left as they are.
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
        self.rules = _rules(config)
        self.state: State = allocate(num_envs)
        self.facts = np.zeros((num_envs, 3))
        self._controls = np.zeros((num_envs, 4))
        self._thresholds = np.array([math.ceil(share * config.max_steps) for share in SURVIVED])
        self._reached = np.zeros((num_envs, len(MILESTONES)), np.bool_)  # milestones, in the step
        self._any_reached = False
        self._picture = observe.picture(config, num_envs) if config.observation == "image" else None

    # -- a step ----------------------------------------------------------------------------------------------------
    def act(self) -> None:
        if self.config.actions == "discrete":
            kernels.choose(self.actions, self._controls)
        else:
            sprint, jump, _ = _COLUMNS[self.config.actions]
            kernels.steer(self.actions, sprint, jump, self._controls)
        self._any_reached = kernels.play(
            self.state,
            self.rng,
            self._controls,
            self.rules,
            self.reward_terms,
            self.facts,
            self.terminals,
            self.truncations,
            self._thresholds,
            self.milestones_held,
            self._reached,
        )

    def score(self) -> None:
        """The terms are written; what is left are the milestones."""
        if self._any_reached:
            self.reach_all(self._reached)

    def finish(self) -> None:
        """`kernels.play` has said who ends."""

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        if self._picture is None:
            observe.write_rows(self.state, out, rows, self.config.with_thrower)
            return
        observe.draw_rows(self.state, self._picture, self.observations, rows)
        if out is not self.observations:  # what was seen last is where the next look goes on from
            out[rows] = self.observations[rows]

    # -- episodes and worlds ---------------------------------------------------------------------------------------
    def begin(self, env: int, state: bytes | None) -> None:
        if state is None:
            self.begin_new(np.array([env]))
            return
        world.restore(self.state, env, state, self.rules)  # or nothing has changed
        rng.fresh_key(self.rng[env])
        self._forget_episodes(np.array([env]))
        self.milestones_held[env] = self.state.numbers[env, STEP] >= self._thresholds

    def begin_new(self, envs: np.ndarray) -> None:
        kernels.begin_all(self.state, self.rng, self.rules, envs)
        self._forget_episodes(envs)

    def _forget_episodes(self, envs: np.ndarray) -> None:
        """Facts and milestones of episodes that begin."""
        self.facts[envs] = 0
        self.facts[envs, NEAREST] = math.inf
        self.milestones_held[envs] = False

    def can_begin(self, env: int) -> bool:
        return bool(self.state.numbers[env, STEP] < self.config.max_steps and not self.terminals[env])

    def write_world(self, env: int) -> bytes:
        return world.pack(self.state, env)

    def read_world(self, env: int, data: bytes) -> None:
        world.restore(self.state, env, data, self.rules)

    def row_arrays(self) -> dict[str, np.ndarray]:
        drawn = {} if self._picture is None else {"drawn": self._picture.drawn, "discs": self._picture.discs}
        return {"facts": self.facts} | drawn

    # -- what it says of itself --------------------------------------------------------------------------------------
    def summary(self, row: int) -> dict[str, Any]:
        return {
            "survived": bool(self.truncations[row] and self.state.numbers[row, STEP] >= self.config.max_steps),
            "steps": int(self.state.numbers[row, STEP]),
            "balls_thrown": int(self.facts[row, THROWN]),
            "balls_gone": int(self.facts[row, LEFT]),
            "nearest_ball": float(min(self.facts[row, NEAREST], 1e3)),  # infinity has no place in JSON
        }

    def metrics(self) -> dict[str, float]:
        return {
            "balls": float(self.state.numbers[:, NUM_BALLS].mean()),
            "step": float(self.state.numbers[:, STEP].mean()),
        }

    def render(self, env: int = 0) -> np.ndarray:
        rows = {name: getattr(self.state, name)[env] for name in State._fields}
        return render.frame(Arena(rng=self.rng[env], **rows), self.config)


def _rules(config: Config) -> Rules:
    fast = config.level > 1
    return Rules(
        fast=fast,
        interval=FAST_INTERVAL if fast else SLOW_INTERVAL,
        flight=FAST_FLIGHT if fast else SLOW_FLIGHT,
        angle=math.radians(180.0 if config.level == 3 else config.spawn_angle_degrees),
        thrower=config.with_thrower,
        sprint=config.sprint_multiplier,
        frame_skip=config.frame_skip,
        max_steps=config.max_steps,
    )


def memory_bytes(config: Config, num_envs: int) -> int:
    """What a batch of environments takes: its pictures, and those that episodes ended with."""
    return 2 * num_envs * layout(config).nbytes
