"""Conquest of large maps, seen at three scales, against scripted players."""

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from puffer_envs.kit.process import usable_cores
from puffer_envs.territory import kernels, maps, observe, relief, render, rewards, views, world
from puffer_envs.territory.config import CONSTANT, LAND_AT, REAL, Config, local_view_size, reward_weights
from puffer_envs.territory.state import (
    END,
    GOES_ON,
    LAYOUT,
    MOST_PLAYERS,
    NUM_ACTIONS,
    SIZES,
    TICK,
    Game,
    Rules,
    State,
    allocate,
    allocate_scratch,
)

NAME = "territory"
HELD = {"land_5": 0.05, "land_10": 0.10, "land_20": 0.20, "land_40": 0.40, "land_60": 0.60}  # shares of the land
_SHARES = np.array(list(HELD.values()))
LAND_OF_A_PLAYER = 52  # tiles that each begins with
ATTACKS_IN_USE = 2.5  # a player; fitted to what 2 and 8 games at 1024 x 1024 were seen to take


def check(config: Config) -> None:
    """Refuse settings that no environment can be made of.

    Raises:
        ValueError: the message says which setting, and what it can be.
    """
    if config.rules not in (REAL, CONSTANT):
        raise ValueError(f"rules is '{config.rules}'; it can be {REAL} or {CONSTANT}")
    for name, least in (("num_agents", 1), ("num_bots", 0), ("ticks_per_step", 1), ("max_ticks", 1)):
        if getattr(config, name) < least:
            raise ValueError(f"{name} is {getattr(config, name)}; it must be at least {least}")
    players = config.num_agents + config.num_bots
    if players > MOST_PLAYERS:
        raise ValueError(f"num_agents and num_bots make {players} players; they can be at most {MOST_PLAYERS}")
    if not 0 <= config.local_view_size <= maps.LARGEST or config.local_view_size % 128:
        raise ValueError(
            f"local_view_size is {config.local_view_size}; it must be a multiple of 128 up to {maps.LARGEST}, or 0"
        )
    if not 0 < config.win_share <= 1:
        raise ValueError(f"win_share is {config.win_share}; it must be above 0 and at most 1")
    room = min(int(maps.masses(each.classes > 0)[1].max()) for each in maps.maps_for(config))
    if players * LAND_OF_A_PLAYER > room:
        raise ValueError(
            f"{players} players need {players * LAND_OF_A_PLAYER} tiles of land; the map has {room} in one"
        )


def spec(config: Config) -> EnvSpec:
    """What the outside needs to know, from the configuration alone."""
    names, tiers = list(HELD), ("early", "early", "mid", "mid", "late")
    deadline = -(-config.max_ticks // config.ticks_per_step)
    return EnvSpec(
        name=NAME,
        layout=LAYOUT,
        action_space=spaces.MultiDiscrete([NUM_ACTIONS, 3]) if config.build else spaces.Discrete(NUM_ACTIONS),
        reward_weights=reward_weights(config),
        milestones=tuple(
            Milestone(name, tier, before, deadline)
            for name, tier, before in zip(names, tiers, (None, *names), strict=False)
        ),
        agents_per_env=config.num_agents,
    )


class Territory(BatchedEnv):
    """E games on maps of up to 2048 x 2048 tiles, each of A learning players and B bots.

    Actions: direction * 5 + intensity: an attack on whom most of the border faces in one of eight directions (N NE E SE
    S SW W NW; the ninth is to wait), with .15, .30, .45, .60 or .75 of the troops; with `build` a second part builds a
    city or a defence post first. Observations: six planes each of the whole map, a window around the own land and the
    most threatened place, sixteen numbers, the directions in which an attack is possible and its odds (`state.LAYOUT`).
    Rewards: `rewards.TERMS`. A game ends when a learner owns `win_share` of the land or none is left (terminal), or
    after `max_ticks` (truncation).

    The rules are OpenFront's, without boats, bombs and diplomacy. An order is carried out at the end of a step's first
    tick, against whom it was meant for when it was given, and moves from the next tick on; players' troops are whole.
    Two things differ: an attack begins where the border faces its target in the order's direction, there on all of the
    common border; and there a bot that owns any coast attacks no player but traitors, since the water beside it counts
    as nobody's land at its border. Here bots fight wherever they live.

    Args:
        num_threads: threads that play the games; default: one for each core that this process may use.
    """

    def __init__(
        self,
        config: Config | None = None,
        num_envs: int = 1,
        *,
        seed: int = 0,
        first_env: int = 0,
        report_interval: int = 128,
        num_threads: int | None = None,
        buf: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.config = config = config if config is not None else Config()
        check(config)
        super().__init__(
            spec(config), num_envs, seed=seed, first_env=first_env, report_interval=report_interval, buf=buf
        )
        self.maps = maps.maps_for(config)
        height, width = self.maps[0].classes.shape
        self.grounds = np.stack([maps.ground(each.classes) for each in self.maps])
        self.coasts = np.stack([maps.coast(each) for each in self.grounds])
        self.rules = self._make_rules(width, height)
        learners, bots = config.num_agents, config.num_bots
        self.state: State = allocate(num_envs, width, height, learners, bots, config.max_ticks)
        whole = max(width, height) // SIZES[0]
        near = local_view_size(config, width, height) // SIZES[1]
        self._views = (self._view("global", whole), self._view("local", near), self._view("tactical", 1))
        self.memory = observe.allocate_memory(self.num_agents)
        threads = min(num_threads or usable_cores(), num_envs)
        bounds = np.linspace(0, num_envs, threads + 1).astype(int).tolist()
        self._parts = list(pairwise(bounds))
        self._scratch = [allocate_scratch(width * height, learners, bots) for _ in self._parts]
        self._any_more = np.zeros(threads, np.bool_)  # each thread's games show a milestone that they do not hold
        self._threads = ThreadPoolExecutor(threads, NAME) if threads > 1 else None
        self._pictures: dict[int, np.ndarray] = {}  # of the maps' ground
        self._orders = self.actions.reshape(self.num_agents, -1)

    def _view(self, name: str, size: int) -> views.View:
        field = LAYOUT[name]
        return views.allocate(
            self.num_agents, self.rules.learners + self.rules.bots, field.shape[1], size, field.offset
        )

    def _make_rules(self, width: int, height: int) -> Rules:
        config = self.config
        land = np.array([each.land for each in self.maps])
        return Rules(
            width=width,
            height=height,
            a_row=1 / width,
            ways=np.array([-width, 1, width, -1]),
            learners=config.num_agents,
            bots=config.num_bots,
            constant=config.rules == CONSTANT,
            ticks=config.ticks_per_step,
            max_ticks=config.max_ticks,
            land=land,
            enough=config.win_share * (land if config.win_of_land else np.full(len(land), float(width * height))),
            builds=config.build,
        )

    # -- a step ----------------------------------------------------------------------------------------------------
    def act(self) -> None:
        self._any_more[:] = False
        self._in_parts(self._play)

    def _play(self, part: int, first: int, last: int) -> None:
        self._any_more[part] = kernels.play(
            self.state,
            self.grounds,
            self.coasts,
            self.rng,
            self._orders,
            self.reward_terms,
            self.terminals,
            self.truncations,
            _SHARES,
            self.milestones_held,
            self.rules,
            self._scratch[part],
            first,
            last,
        )

    def _in_parts(self, work: Any) -> None:
        """Do it for all environments, those of each thread at once."""
        if self._threads is None:
            work(0, 0, self.num_envs)
            return
        waiting: list[Future] = [self._threads.submit(work, i, *part) for i, part in enumerate(self._parts)]
        for each in waiting:
            each.result()

    def score(self) -> None:
        if self._any_more.any():  # the terms are written
            rows, milestones = np.nonzero((self._shares()[:, None] >= _SHARES) & ~self.milestones_held)
            for row, milestone in zip(rows.tolist(), milestones.tolist(), strict=True):
                self.reach(row, milestone)

    def _shares(self) -> np.ndarray:
        """Of the land, float64 [N]."""
        learners = self.config.num_agents
        owned = self.state.tiles[:, 1 : learners + 1] / self.rules.land[self.state.map][:, None]
        return owned.ravel()

    def finish(self) -> None:
        """`kernels.play` has said who ends; who owns nothing waits until the others do, with nothing left to learn."""
        self.active &= self.state.tiles[:, 1 : self.config.num_agents + 1].reshape(-1) > 0

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        if rows.size == self.num_agents:
            self._in_parts(self._look)
        else:
            for env in np.unique(rows // self.config.num_agents).tolist():
                self._look(0, env, env + 1)
        if out is not self.observations:  # what was seen last is where the next look goes on from
            out[rows] = self.observations[rows]

    def _look(self, part: int, first: int, last: int) -> None:
        observe.write_rows(
            self.state,
            self.grounds,
            self.coasts,
            self.rng,
            self._views,
            self.memory,
            self.rules,
            self._scratch[part],
            self.observations,
            first,
            last,
        )

    # -- episodes and worlds ---------------------------------------------------------------------------------------
    def _game(self, env: int) -> Game:
        rows = {name: getattr(self.state, name)[env] for name in State._fields if name != "map"}
        number = self.state.map[env]
        return Game(ground=self.grounds[number], coast=self.coasts[number], rng=self.rng[env], **rows)

    def begin(self, env: int, state: bytes | None) -> None:
        if state is None:
            self.state.map[env] = rng.randint(self.rng[env], len(self.maps))
            world.clear(self._game(env))
            kernels.begin(self._game(env), self.rules)
        else:
            self.read_world(env, state)
            rng.fresh_key(self.rng[env])
            self.state.fruitless[env] = 0
        rows, shares = self._rows(env), self._shares()
        self.memory.centre[rows] = -1
        self.memory.share[rows] = self.memory.trail[rows] = shares[rows]
        self.state.land_at[env] = shares[rows, None]
        self.milestones_held[rows] = shares[rows, None] >= _SHARES
        self.active[rows] &= shares[rows] > 0
        self._forget_views(env)

    def _forget_views(self, env: int) -> None:
        for view in self._views:
            view.structures[self._rows(env)] = -1

    def can_begin(self, env: int) -> bool:
        return bool(self.state.numbers[env, END] == GOES_ON)

    def write_world(self, env: int) -> bytes:
        return world.pack(self._game(env), self.maps[self.state.map[env]].crc, self.rules)

    def read_world(self, env: int, data: bytes) -> None:
        arrays = world.unpack(data, [each.crc for each in self.maps], self.grounds, self.rules)
        self.state.map[env] = arrays["map"]
        world.restore(self._game(env), self.rules, arrays)
        self._forget_views(env)

    def row_arrays(self) -> dict[str, np.ndarray]:
        return self.memory._asdict() | {"land_at": self.state.land_at}

    # -- what it says of itself --------------------------------------------------------------------------------------
    def summary(self, row: int) -> dict[str, Any]:
        env, learner = divmod(row, self.config.num_agents)
        tiles, player = self.state.tiles[env], learner + 1
        return {
            "map": self.maps[self.state.map[env]].name,
            "won": bool(tiles[player] >= self.rules.enough[self.state.map[env]]),
            "eliminated": bool(tiles[player] == 0),
            "land": float(self._shares()[row]),
            **{f"land_{at}": float(share) for at, share in zip(LAND_AT, self.state.land_at[env, learner], strict=True)},
            "rank": rewards.rank_of(self._game(env), player),
            "ticks": int(self.state.numbers[env, TICK]),
            "fruitless": int(self.state.fruitless[env, learner]),
        }

    def metrics(self) -> dict[str, float]:
        return {
            "land": float(self._shares().mean()),
            "alive": float((self.state.tiles[:, 1:] > 0).sum(1).mean()),
            "tick": float(self.state.numbers[:, TICK].mean()),
            "fruitless": float(self.state.fruitless.mean()),
        }

    def render(self, env: int = 0) -> np.ndarray:
        row = env * self.config.num_agents
        boxes = [(view.origin[row], view.blocks * view.size) for view in self._views[1:]]
        number = int(self.state.map[env])
        if number not in self._pictures:
            self._pictures[number] = relief.terrain_colours(self.maps[number].classes)
        return render.frame(self._game(env), self.maps[number], self._pictures[number], boxes, self.config)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()


def memory_bytes(config: Config, num_envs: int) -> int:
    """What a batch of environments takes once its games have been played for a while."""
    height, width = maps.maps_for(config)[0].classes.shape
    tiles, players = width * height, config.num_agents + config.num_bots + 1
    blocks, rows = sum(size * size for size in SIZES), num_envs * config.num_agents
    attacks = ATTACKS_IN_USE * (players - 1)
    games = tiles * 2 + int(attacks * (4 * config.max_ticks * 4 + tiles // 8))
    seen = blocks * (2 * players + 1) + 2 * LAYOUT.nbytes
    return num_envs * games + rows * seen + config.num_maps * 3 * tiles + 12 * tiles
