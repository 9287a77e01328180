"""Small games with a known best return, for the tests of learners, workers and the contract of all environments.

Each is a Config, a function ``spec(config)`` and a `BatchedEnv`, as a real game is; `PROBES` lists them.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from puffer_envs.contract import state_file
from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.milestone import Milestone
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit import rng
from puffer_envs.kit.draw import text, upscale
from puffer_envs.kit.jit import kernel


class ProbeEnv(BatchedEnv):
    """What the probes share: a world of one small integer array per environment, and how it is saved and drawn.

    A probe names the columns of ``world`` (int32 [num_envs, W]) and writes `act` (which fills ``self.outcome``,
    float32 [N, K], and ``self.ended`` / ``self.cut``, bool [num_envs]) and `deal`.
    """

    columns: tuple[str, ...]

    def __init__(self, spec: EnvSpec, num_envs: int, **options: Any) -> None:
        super().__init__(spec, num_envs, **options)
        self.world = np.zeros((num_envs, len(self.columns)), np.int32)
        self.ended = np.zeros(num_envs, np.bool_)
        self.cut = np.zeros(num_envs, np.bool_)

    def deal(self, env: int) -> None:
        """Put one environment at the start of a new game."""
        raise NotImplementedError

    def score(self) -> None:
        """The probes know their rewards while they act."""

    def finish(self) -> None:
        agents = self.spec.agents_per_env
        np.copyto(self.terminals, np.repeat(self.ended, agents))
        np.copyto(self.truncations, np.repeat(self.cut & ~self.ended, agents))

    def begin(self, env: int, state: bytes | None) -> None:
        world = None if state is None else self._parse(state)
        rng.fresh_key(self.rng[env])
        if world is None:
            self.deal(env)
        else:
            self.world[env] = world
        self.milestones_held[self._rows(env)] = self.holds(env)

    def holds(self, env: int) -> np.ndarray:
        """Which milestones a world holds, bool [M]."""
        return np.zeros(len(self.spec.milestones), np.bool_)

    def write_world(self, env: int) -> bytes:
        return state_file.pack(f"{self.spec.name}/world", {"world": self.world[env]})

    def read_world(self, env: int, world: bytes) -> None:
        self.world[env] = self._parse(world)

    def _parse(self, data: bytes) -> np.ndarray:
        world = state_file.unpack(f"{self.spec.name}/world", data).get("world")
        if world is None or world.shape != self.world[0].shape or world.dtype != self.world.dtype:
            raise StateFileError(f"no world of {self.spec.name}")
        return world

    def render(self, env: int = 0) -> np.ndarray:
        image = np.zeros((24, 120, 3), np.uint8)
        for line, (name, value) in enumerate(zip(self.columns, self.world[env], strict=True)):
            text(image, f"{name} {value}", 1, 1 + 8 * line)
        return upscale(image, 4)


def _one_hot(out: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    out[rows] = 0
    out[rows, values[rows]] = 1


# -- Identity: say what you see ----------------------------------------------------------------------------------
class IdentityConfig(NamedTuple):
    symbols: int = 4


def identity_spec(config: IdentityConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("symbol", (config.symbols,)))
    return EnvSpec("identity", layout, spaces.Discrete(config.symbols), {"match": 1.0})


@kernel
def _identity(world: np.ndarray, actions: np.ndarray, terms: np.ndarray) -> None:
    for i in range(len(world)):
        terms[i, 0] = 1.0 if actions[i] == world[i, 0] else 0.0


class Identity(ProbeEnv):
    """One step: the action must be the symbol seen (one-hot). Best return 1, by chance 1/4."""

    columns = ("symbol",)

    def __init__(self, config: IdentityConfig, num_envs: int, **options: Any) -> None:
        super().__init__(identity_spec(config), num_envs, **options)
        self.config = config
        self.ended[:] = True

    def deal(self, env: int) -> None:
        self.world[env, 0] = rng.randint(self.rng[env], self.config.symbols)

    def act(self) -> None:
        _identity(self.world, self.actions, self.reward_terms)

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        _one_hot(out, rows, self.world[:, 0])


# -- Bandit: nothing to see, find the best arm -------------------------------------------------------------------
class BanditConfig(NamedTuple):
    chances: tuple[float, ...] = (0.1, 0.9, 0.5)


def bandit_spec(config: BanditConfig) -> EnvSpec:
    return EnvSpec("bandit", ObsLayout(np.uint8, ("one", (1,))), spaces.Discrete(len(config.chances)), {"win": 1.0})


@kernel
def _bandit(streams: np.ndarray, chances: np.ndarray, actions: np.ndarray, terms: np.ndarray) -> None:
    for i in range(len(streams)):
        terms[i, 0] = 1.0 if rng.uniform(streams[i]) < chances[actions[i]] else 0.0


class Bandit(ProbeEnv):
    """One step: an arm pays 1 by its chance. Best mean return .9 (arm 1), by chance .5."""

    columns = ("unused",)

    def __init__(self, config: BanditConfig, num_envs: int, **options: Any) -> None:
        super().__init__(bandit_spec(config), num_envs, **options)
        self.chances = np.array(config.chances)
        self.ended[:] = True

    def deal(self, env: int) -> None:
        self.world[env] = 0

    def act(self) -> None:
        _bandit(self.rng, self.chances, self.actions, self.reward_terms)

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows] = 1


# -- Corridor: a reward that comes later than the deed -----------------------------------------------------------
class CorridorConfig(NamedTuple):
    length: int = 3  # cells; 3 make two decisions
    time_limit: int = 12  # steps, then truncated


def corridor_spec(config: CorridorConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("position", (config.length,)))
    milestones = (Milestone("halfway", "early", None, 10), Milestone("end", "late", "halfway", 10))
    return EnvSpec("corridor", layout, spaces.Discrete(2), {"arrival": 1.0, "time": 0.0}, milestones)


class Corridor(ProbeEnv):
    """Walk right (action 1) to the last cell; only arriving pays. Best return 1 in ``length - 1`` steps."""

    columns = ("position", "time")

    def __init__(self, config: CorridorConfig, num_envs: int, **options: Any) -> None:
        super().__init__(corridor_spec(config), num_envs, **options)
        self.config = config

    def deal(self, env: int) -> None:
        self.world[env] = 0

    def holds(self, env: int) -> np.ndarray:
        cell, last = self.world[env, 0], self.config.length - 1
        return np.array([cell >= last // 2, cell >= last])

    def act(self) -> None:
        last = self.config.length - 1
        self.world[:, 0] = np.clip(self.world[:, 0] + 2 * self.actions - 1, 0, last)
        self.world[:, 1] += 1
        self.ended[:] = self.world[:, 0] == last
        self.cut[:] = self.world[:, 1] >= self.config.time_limit
        self.reward_terms[:, 0] = self.ended
        self.novelty_keys[:] = self.world[:, 0]
        for row in np.flatnonzero(self.world[:, 0] >= last // 2):
            for milestone in np.flatnonzero(self.holds(row)):
                self.reach(int(row), int(milestone))

    def begin(self, env: int, state: bytes | None) -> None:
        super().begin(env, state)
        self.world[env, 1] = 0

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        _one_hot(out, rows, self.world[:, 0])


# -- Memory: what was shown at first decides at last -------------------------------------------------------------
class MemoryConfig(NamedTuple):
    delay: int = 3  # blank steps between cue and answer


def memory_spec(config: MemoryConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("cue", (2,)), ("answer_now", (1,)))
    return EnvSpec("memory", layout, spaces.Discrete(2), {"recall": 1.0})


@kernel
def _memory(world: np.ndarray, actions: np.ndarray, terms: np.ndarray, ended: np.ndarray, delay: int) -> None:
    for i in range(len(world)):
        ended[i] = world[i, 1] > delay
        if ended[i]:
            terms[i, 0] = 1.0 if actions[i] == world[i, 0] else -1.0
        world[i, 1] += 1


class Memory(ProbeEnv):
    """A cue at the first step, blanks, then a question: answer with the cue. Best return 1; without memory 0."""

    columns = ("cue", "time")

    def __init__(self, config: MemoryConfig, num_envs: int, **options: Any) -> None:
        super().__init__(memory_spec(config), num_envs, **options)
        self.config = config

    def deal(self, env: int) -> None:
        self.world[env] = rng.randint(self.rng[env], 2), 0

    def act(self) -> None:
        _memory(self.world, self.actions, self.reward_terms, self.ended, self.config.delay)

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        cue, time_ = self.world[rows].T
        out[rows, 0] = (time_ == 0) & (cue == 0)
        out[rows, 1] = (time_ == 0) & (cue == 1)
        out[rows, 2] = time_ == self.config.delay + 1


# -- TruncatedWalk: it never ends, it is only cut ----------------------------------------------------------------
class TruncatedWalkConfig(NamedTuple):
    cells: int = 5
    time_limit: int = 8


def truncated_walk_spec(config: TruncatedWalkConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("position", (config.cells,)))
    return EnvSpec("truncated_walk", layout, spaces.Discrete(2), {"progress": 1.0})


class TruncatedWalk(ProbeEnv):
    """Action 1 walks on around a ring and pays 1, action 0 stays; cut every ``time_limit`` steps, never terminal.

    Best return ``time_limit``. As the row shows no clock, the value under the best policy is 1 / (1 - gamma)
    everywhere; a learner that takes truncation for an end finds less.
    """

    columns = ("position", "time")

    def __init__(self, config: TruncatedWalkConfig, num_envs: int, **options: Any) -> None:
        super().__init__(truncated_walk_spec(config), num_envs, **options)
        self.config = config

    def deal(self, env: int) -> None:
        self.world[env] = rng.randint(self.rng[env], self.config.cells), 0

    def act(self) -> None:
        self.world[:, 0] = (self.world[:, 0] + self.actions) % self.config.cells
        self.world[:, 1] += 1
        self.cut[:] = self.world[:, 1] >= self.config.time_limit
        self.reward_terms[:, 0] = self.actions

    def begin(self, env: int, state: bytes | None) -> None:
        super().begin(env, state)
        self.world[env, 1] = 0

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        _one_hot(out, rows, self.world[:, 0])


# -- Pair: two agents --------------------------------------------------------------------------------------------
class PairConfig(NamedTuple):
    symbols: int = 3
    rounds: int = 4


def pair_spec(config: PairConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("symbol", (config.symbols,)))
    return EnvSpec("pair", layout, spaces.Discrete(config.symbols), {"match": 1.0}, agents_per_env=2)


class Pair(ProbeEnv):
    """Two agents; each sees the symbol that the OTHER must say, who sees nothing of it. Best known return 0: chance.

    It is here for its two rows an environment, not to be solved.
    """

    columns = ("first", "second", "time")

    def __init__(self, config: PairConfig, num_envs: int, **options: Any) -> None:
        super().__init__(pair_spec(config), num_envs, **options)
        self.config = config

    def deal(self, env: int) -> None:
        self._show(env)
        self.world[env, 2] = 0

    def _show(self, env: int) -> None:
        for agent in range(2):
            self.world[env, agent] = rng.randint(self.rng[env], self.config.symbols)

    def act(self) -> None:
        shown = self.world[:, :2].reshape(-1)
        self.reward_terms[:, 0] = self.actions == shown
        for env in range(self.num_envs):
            self._show(env)
        self.world[:, 2] += 1
        self.ended[:] = self.world[:, 2] >= self.config.rounds

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        _one_hot(out, rows, np.ascontiguousarray(self.world[:, 1::-1]).reshape(-1))


# -- Dice: much randomness, all channels, and actions that break its process -------------------------------------
DICE_ACTIONS = 8
RAISE, SPIN, KILL, STOP = 4, 5, 6, 7  # what the upper actions do to the process; 0-3 are harmless


class DiceConfig(NamedTuple):
    dangerous: bool = False  # whether the upper actions do it
    refuse_start: str = ""  # path of a file; while it exists, no new instance can be made
    start_delay: float = 0.0  # seconds that a start takes


def dice_spec(config: DiceConfig) -> EnvSpec:
    layout = ObsLayout(np.uint8, ("faces", (8,)), ("total", (1,)), ("time", (1,)))
    milestones = (Milestone("ten", "early", None, 9), Milestone("fifty", "mid", "ten", 90))
    return EnvSpec("dice", layout, spaces.Discrete(DICE_ACTIONS), {"faces": 0.125, "action": 0.3}, milestones)


@kernel
def _dice(streams: np.ndarray, world: np.ndarray, actions: np.ndarray, terms: np.ndarray, ended: np.ndarray) -> None:
    for i in range(len(streams)):
        total = 0
        for j in range(8):
            world[i, 2 + j] = rng.randint(streams[i], 7)
            total += world[i, 2 + j]
        world[i, 0] = (world[i, 0] + total + actions[i]) % 251
        world[i, 1] += 1
        terms[i, 0] = np.float32(total)
        terms[i, 1] = np.float32(actions[i])
        ended[i] = rng.uniform(streams[i]) < 0.05


class Dice(ProbeEnv):
    """Eight dice a step, a random end, a time limit; with ``dangerous`` its upper actions break the process."""

    columns = ("total", "time", *(f"die{i}" for i in range(8)))

    def __init__(self, config: DiceConfig, num_envs: int, **options: Any) -> None:
        super().__init__(dice_spec(config), num_envs, **options)
        self.config = config
        time.sleep(config.start_delay)
        if config.refuse_start and os.path.exists(config.refuse_start):
            raise RuntimeError("told not to start")

    def deal(self, env: int) -> None:
        self.world[env] = 0
        self.world[env, 2] = rng.randint(self.rng[env], 200)

    def holds(self, env: int) -> np.ndarray:
        return self.world[env, 0] >= np.array([10, 50])

    def act(self) -> None:
        if self.config.dangerous:
            self._break()
        _dice(self.rng, self.world, self.actions, self.reward_terms, self.ended)
        self.cut[:] = self.world[:, 1] >= 40
        self.novelty_keys[:] = self.world[:, 0]
        for milestone, threshold in ((1, 50), (0, 10)):
            for row in np.flatnonzero(self.world[:, 0] >= threshold):
                self.reach(int(row), milestone)

    def _break(self) -> None:
        worst = int(self.actions.max())
        if worst == RAISE:
            raise RuntimeError("told to raise")
        if worst == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if worst == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        while worst == SPIN:
            pass

    def begin(self, env: int, state: bytes | None) -> None:
        super().begin(env, state)
        self.world[env, 1] = 0

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        out[rows, :8] = self.world[rows, 2:]
        out[rows, 8] = self.world[rows, 0]
        out[rows, 9] = self.world[rows, 1]

    def metrics(self) -> dict[str, float]:
        return {"total": float(self.world[:, 0].mean())}

    def summary(self, row: int) -> dict[str, Any]:
        return {"total": int(self.world[row, 0]), "pid": os.getpid()} if self.config.dangerous else {}


class Probe(NamedTuple):
    """One entry of `PROBES`."""

    make: Callable[..., BatchedEnv]  # (config, num_envs, *, seed, first_env, report_interval, buf)
    config: Any
    spec: Callable[..., EnvSpec]
    best_return: float


PROBES: dict[str, Probe] = {
    "identity": Probe(Identity, IdentityConfig(), identity_spec, 1.0),
    "bandit": Probe(Bandit, BanditConfig(), bandit_spec, 0.9),
    "corridor": Probe(Corridor, CorridorConfig(), corridor_spec, 1.0),
    "memory": Probe(Memory, MemoryConfig(), memory_spec, 1.0),
    "truncated_walk": Probe(TruncatedWalk, TruncatedWalkConfig(), truncated_walk_spec, 8.0),
    "pair": Probe(Pair, PairConfig(), pair_spec, 4 / 3),
    "dice": Probe(Dice, DiceConfig(), dice_spec, float("nan")),
}
