"""Matches of two fighters, who learn from each other or from scripted opponents."""

from typing import Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import GUEST
from puffer_envs.kit import rng
from puffer_envs.platform_fighter import kernels, moves, observe, render, rewards, world
from puffer_envs.platform_fighter.config import DT, OPPONENTS, Config, reward_weights
from puffer_envs.platform_fighter.state import (
    ATTACKS,
    DAMAGE,
    DEALT,
    FALLS,
    FRAME,
    FRAMES,
    IN_DANGER,
    KNOCKOUTS,
    LAYOUT,
    NUM_FACTS,
    NUM_KEYS,
    NUM_SIGNALS,
    PICKED_UP,
    STOCKS_LEFT,
    TAKEN,
    WEAPON,
    Match,
    State,
    allocate,
)

NAME = "platform_fighter"
MILESTONES = ("first_hit", "first_knockout", "second_knockout", "win")


def check(config: Config) -> None:
    """Refuse settings that no environment can be made of.

    Raises:
        ValueError: the message says which setting, and what it can be.
    """
    if config.opponent not in OPPONENTS:
        raise ValueError(f"opponent is '{config.opponent}'; it can be {', '.join(OPPONENTS)}")
    for name in ("max_steps", "frame_skip"):
        if (value := getattr(config, name)) < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")


def spec(config: Config) -> EnvSpec:
    """What the outside needs to know, from the configuration alone."""
    tiers = ("early", "mid", "mid", "late")
    return EnvSpec(
        name=NAME,
        layout=LAYOUT,
        action_space=spaces.MultiBinary(NUM_KEYS),
        reward_weights=reward_weights(config),
        milestones=tuple(
            Milestone(name, tier, before, -(-config.max_steps // config.frame_skip))
            for name, tier, before in zip(MILESTONES, tiers, (None, *MILESTONES), strict=False)
        ),
        agents_per_env=2,
        scripts=OPPONENTS[1:],
    )


class PlatformFighter(BatchedEnv):
    """E matches on two floors and a moving platform; both fighters are rows.

    Actions: ten keys, W A S D, space (jump), H (weapon), L (dash, dodge), J (light attack), K (heavy one), G (taunt).
    Observations: 32 numbers of each fighter, the own ones first (`observe`). Rewards: `rewards.TERMS`. A match ends a
    frame after a fighter has lost its last stock (terminal), or after `max_steps` of them (truncation).

    A script can play a fighter: its row acts by the script, whatever actions are given for it, and is not `active`. The
    settings name who plays the second one of all matches; `set_next_seats` those of one.
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
        self.moves = moves.load()
        self.state: State = allocate(num_envs)
        self.signals = np.zeros((num_envs, 2, NUM_SIGNALS))
        self.facts = np.zeros((self.num_agents, NUM_FACTS))
        self.next_seats[1::2] = OPPONENTS.index(config.opponent)
        self._reached = np.zeros((self.num_agents, len(MILESTONES)), np.bool_)  # milestones, in the step
        self._any_reached = False

    # -- a step ----------------------------------------------------------------------------------------------------
    def play_scripts(self, rows: np.ndarray, scripts: np.ndarray) -> None:
        """`kernels.play` does, in every frame."""

    def act(self) -> None:
        self._any_reached = kernels.play(
            self.state,
            self.signals,
            self.rng,
            self.actions,
            self.seats,
            self.moves,
            self.config.frame_skip,
            self.config.max_steps,
            self.reward_terms,
            self.facts,
            self.terminals,
            self.truncations,
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
        # Both fighters of a match end together, so that rows come in pairs.
        observe.write_rows(self.state, out, rows[::2] // 2)

    # -- episodes and worlds ---------------------------------------------------------------------------------------
    def begin(self, env: int, state: bytes | None) -> None:
        if state is None:
            self.begin_new(np.array([env]))
            return
        world.restore(self.state, env, state)  # or nothing has changed
        rng.fresh_key(self.rng[env])
        self.signals[env] = 0
        self._begin_episodes_of(np.array([env]))
        match = self.match(env)
        for me in range(2):
            shown = [rewards.shows(match, me, milestone) for milestone in range(len(MILESTONES))]
            self.milestones_held[2 * env + me] = shown

    def begin_new(self, envs: np.ndarray) -> None:
        kernels.begin_all(self.state, self.signals, self.rng, envs)
        self._begin_episodes_of(envs)

    def _begin_episodes_of(self, envs: np.ndarray) -> None:
        """Facts and milestones of episodes that begin."""
        rows = envs[:, None] * 2 + np.arange(2)
        self.facts[rows] = 0
        self.milestones_held[rows] = False

    def can_begin(self, env: int) -> bool:
        late = self.state.numbers[env, FRAME] >= self.config.max_steps
        return bool((self.state.whole[env, :, STOCKS_LEFT] > 0).all() and not late)

    def write_world(self, env: int) -> bytes:
        return world.pack(self.state, env)

    def read_world(self, env: int, data: bytes) -> None:
        world.restore(self.state, env, data)

    def row_arrays(self) -> dict[str, np.ndarray]:
        return {"facts": self.facts}

    def match(self, env: int) -> Match:
        """One match, as kernels take it."""
        rows = {name: getattr(self.state, name)[env] for name in State._fields}
        return Match(signals=self.signals[env], rng=self.rng[env], **rows)

    # -- what it says of itself --------------------------------------------------------------------------------------
    def summary(self, row: int) -> dict[str, Any]:
        env, me = divmod(row, 2)
        facts = self.facts[row]
        frames = max(1.0, float(facts[FRAMES]))
        own, other = (int(self.state.whole[env, who, STOCKS_LEFT]) for who in (me, 1 - me))
        return {
            "opponent": self._player(2 * env + 1 - me),
            "won": other <= 0 < own,
            "score": 0.5 + 0.5 * ((other <= 0) - (own <= 0)),
            "stocks": own,
            "opponent_stocks": other,
            "damage_dealt": float(facts[DEALT]),
            "damage_taken": float(facts[TAKEN]),
            "damage_ratio": float(facts[DEALT]) / max(1.0, float(facts[TAKEN])),
            "knockouts_dealt": int(facts[KNOCKOUTS]),
            "knockouts_taken": int(facts[FALLS]),
            "danger_zone_pct": 100.0 * float(facts[IN_DANGER]) / frames,
            "weapons_picked_up": int(facts[PICKED_UP]),
            "attacks_attempted": int(facts[ATTACKS]),
            "attack_rate": float(facts[ATTACKS]) / (frames * DT),  # a second
            "survival_time": float(facts[FRAMES]) * DT,
        }

    def metrics(self) -> dict[str, float]:
        return {
            "damage": float(self.state.real[:, :, DAMAGE].mean()),
            "stocks": float(self.state.whole[:, :, STOCKS_LEFT].mean()),
            "armed": float((self.state.whole[:, :, WEAPON] > 0).mean()),
        }

    def render(self, env: int = 0) -> np.ndarray:
        return render.frame(self.match(env), self.moves, self.config.max_steps, self._player(2 * env + 1))

    def _player(self, row: int) -> str:
        """Who plays a fighter."""
        seat = int(self.seats[row])
        return "guest" if seat == GUEST else OPPONENTS[seat]
