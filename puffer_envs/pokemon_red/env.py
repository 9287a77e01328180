"""Pokemon Red, and the built-in game that shares its facts, as a batch of Game Boys."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from gymnasium import spaces

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.kit import rng
from puffer_envs.kit.process import in_worker, usable_cores
from puffer_envs.pokemon_red import kernels, observe, ram, render, rewards
from puffer_envs.pokemon_red.config import Config, reward_weights, visited_capacity
from puffer_envs.pokemon_red.emulator import ACTIONS, Emulator, PyBoyEmulator, load_rom, packed_state
from puffer_envs.pokemon_red.milestones import Game, game_of
from puffer_envs.pokemon_red.new_game import new_game_state
from puffer_envs.pokemon_red.spares import Spares

NAME = "pokemon_red"
PREPARE_STEPS = 16  # a row that may begin anew in so many decisions has its savestate prepared


def spec(config: Config) -> EnvSpec:
    """What the outside needs to know, from the configuration and the title of its ROM.

    Raises:
        emulator.RomError: the ROM cannot be played.
    """
    return _spec_of(config, game_of(load_rom(config.rom).title))


def _spec_of(config: Config, game: Game) -> EnvSpec:
    return EnvSpec(
        name=NAME,
        layout=observe.LAYOUT,
        action_space=spaces.Discrete(len(ACTIONS)),
        reward_weights=reward_weights(config),
        milestones=game.milestones,
    )


class PokemonRed(BatchedEnv):
    """A swarm of Game Boys.

    Actions: down, left, right, up, A, B, START; each is held 8 frames of 24, so that a decision walks one cell.
    Observations: `observe.LAYOUT`, 1,844 bytes. Rewards: `rewards.TERMS`. Episodes end by truncation only: after
    `Config.new_game_steps` or `savestate_steps`, or after `patience_steps` without a new coordinate or milestone.
    Savestates are raw PyBoy bytes; zlib-compressed ones are read too.

    A savestate is loaded into a spare machine that then trades places with the row's: a bad one costs the spare alone.

    Args:
        num_threads: threads that step the machines (PyBoy lets go of the interpreter lock); default: one in a worker
            process, else one per core.
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
        num_threads: int | None = None,
    ) -> None:
        self.config = config if config is not None else Config()
        self.rom = load_rom(self.config.rom)
        self.game = game_of(self.rom.title)
        super().__init__(
            _spec_of(self.config, self.game),
            num_envs,
            seed=seed,
            first_env=first_env,
            report_interval=report_interval,
            buf=buf,
        )
        self.new_game = new_game_state(self.rom, self.config.init_state)
        self.rules = rewards.make_rules(self.config, self.game)
        milestones = self.game.milestones
        names = [milestone.name for milestone in milestones]
        self._predecessors = [names.index(m.predecessor) if m.predecessor else -1 for m in milestones]
        self._allocate(num_envs, num_threads)

    def _allocate(self, num_envs: int, num_threads: int | None) -> None:
        self.raw = np.zeros((num_envs, ram.RAW_SIZE), np.uint8)  # facts as read
        self.screens = np.zeros((num_envs, observe.SCREEN_BYTES), np.uint8)  # packed
        self.facts = ram.allocate_facts(num_envs)
        self.memory = kernels.allocate_memory(num_envs, visited_capacity(self.config))
        self._shown = np.zeros((num_envs, len(self._predecessors)), np.bool_)  # milestones that the worlds show now
        self.machines: list[Emulator] = [self._new_machine() for _ in range(num_envs)]
        self._spares = Spares(self._new_machine)
        threads = min(num_threads or (1 if in_worker() else usable_cores()), num_envs)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._shares = [range(first, num_envs, threads) for first in range(threads)]  # rows of each thread

    def _new_machine(self) -> Emulator:
        config = self.config
        return PyBoyEmulator(
            self.rom,
            press_frames=config.press_frames,
            frames_per_step=config.frames_per_step,
            wait_presses=config.wait_presses,
        )

    # -- a step ----------------------------------------------------------------------------------------------------
    def act(self) -> None:
        if self._pool is None:
            self._act_on(self._shares[0])
        else:
            list(self._pool.map(self._act_on, self._shares))

    def _act_on(self, rows: range) -> None:
        for row in rows:
            self.machines[row].step(int(self.actions[row]))
            self._look_at(row)

    def _look_at(self, row: int) -> None:
        # At once after a machine ran: its screen and RAM are still in the processor's cache.
        machine = self.machines[row]
        machine.read(self.raw[row])
        observe.pack_screen(machine.screen(), self.screens, row)

    def score(self) -> None:
        any_new = rewards.judge(
            self.raw,
            self.facts,
            self.memory,
            self.rules,
            self.reward_terms,
            self.held_at_start,
            self.milestones_held,
            self._shown,
            self.novelty_keys,
        )
        if any_new:
            for row, milestone in np.argwhere(self._shown & ~self.milestones_held).tolist():
                self.reach(row, milestone)
                self.memory.stale[row] = 0
                way_back = self._way_back(self.milestones_held[row])
                kernels.reopen(self.facts, self.memory, way_back, row)

    def finish(self) -> None:
        out_of_time = self.episode_step + 1 >= self.memory.limit
        out_of_patience = self.memory.stale >= self.config.patience_steps
        np.logical_or(out_of_time, out_of_patience, out=self.truncations)

    def observe(self, out: np.ndarray, rows: np.ndarray) -> None:
        observe.write_rows(self.screens, self.facts, self.memory, out, rows)

    # -- episodes and worlds ---------------------------------------------------------------------------------------
    def begin(self, env: int, state: bytes | None) -> None:
        stream = self.rng[env].copy()
        rng.fresh_key(stream)
        idle_frames = int(rng.randint(stream, self.config.idle_frames + 1))
        self._load(env, self.new_game if state is None else state, idle_frames)
        self.rng[env] = stream
        limit = self.config.new_game_steps if state is None else self.config.savestate_steps
        held = self.milestones_held[env] = self._held_in(env)
        kernels.forget(self.facts, self.memory, self.rules.rest_maps, self._passed(env, held), env, limit)

    def _passed(self, env: int, held: np.ndarray) -> np.ndarray:
        """Maps that led to a world, bool [256]: those on the way to the furthest one that it must have been on.

        Not those over which the story leads back.
        """
        route = self.game.route
        been = self.rules.indices[held & (self.rules.kinds == kernels.MAP)].tolist()
        furthest = max((route.index(map_id) for map_id in been if map_id in route), default=0)
        passed = np.zeros(256, np.bool_)
        passed[[*been, *route[: furthest + 1]]] = True
        passed[[self.facts.map_id[env], *self._way_back(held)]] = False
        return passed

    def _way_back(self, held: np.ndarray) -> tuple[int, ...]:
        """Known maps over which the story leads after the last milestone of a world."""
        last = self.game.milestones[int(held.nonzero()[0][-1])].name if held.any() else ""
        return self.game.ways_back.get(last, ())

    def _held_in(self, env: int) -> np.ndarray:
        """Milestones that a world holds, bool [M]: those it shows, and the maps that must have led there.

        A world shows all its events and badges, but of the maps only the one it is on.
        """
        kernels.find_held(self.facts, self.rules.kinds, self.rules.indices, self._shown, env)
        held = self._shown[env].copy()
        for milestone in reversed(range(len(held))):
            before = self._predecessors[milestone]
            if held[milestone] and before >= 0 and self.rules.kinds[before] == kernels.MAP:
                held[before] = True
        return held

    def _load(self, env: int, state: bytes, idle_frames: int, trusted: bool = False) -> None:
        machine = self._spares.take(state, trusted=trusted)
        if idle_frames:
            machine.idle(idle_frames)
        self._spares.give(self.machines[env])
        self.machines[env] = machine
        self._look_at(env)
        ram.decode(self.raw, self.facts, env)

    def prepare(self) -> None:
        left = np.minimum(self.memory.limit - self.episode_step, self.config.patience_steps - self.memory.stale)
        soon = [env for env in np.argsort(left).tolist() if left[env] <= PREPARE_STEPS]
        self._spares.prepare([self._start_of(env) for env in soon])

    def _start_of(self, env: int) -> bytes:
        state_id = self.next_start[env]
        return self.new_game if state_id is None else self.states.get(state_id, self.new_game)

    @staticmethod
    def pack_state(state: bytes) -> bytes:
        return packed_state(state)

    def write_world(self, env: int) -> bytes:
        return self.machines[env].save()

    def read_world(self, env: int, world: bytes) -> None:
        self._load(env, world, 0, trusted=True)  # part of a snapshot, whose checksum was right

    def row_arrays(self) -> dict[str, np.ndarray]:
        return self.memory._asdict()

    # -- what it says of itself --------------------------------------------------------------------------------------
    def map_name(self, row: int) -> str:
        """Name of the map that a row is on."""
        map_id = int(self.facts.map_id[row])
        return self.game.map_names.get(map_id, f"map 0x{map_id:02X}")

    def summary(self, row: int) -> dict[str, Any]:
        facts = self.facts
        return {
            "badges": int(facts.badges[row]).bit_count(),
            "map": self.map_name(row),
            "map_id": int(facts.map_id[row]),
            "y": int(facts.y[row]),
            "x": int(facts.x[row]),
            "events": int(np.bitwise_count(facts.events[row]).sum()),
            "level_sum": int(facts.level[row].sum()),
            "coordinates": int(self.memory.visits[row]),
        }

    def metrics(self) -> dict[str, float]:
        facts = self.facts
        return {
            "badges": float(np.bitwise_count(facts.badges).mean()),
            "events": float(np.bitwise_count(facts.events).sum(axis=1).mean()),
            "level_sum": float(facts.level.sum(axis=1).mean()),
            "coordinates": float(self.memory.visits.mean()),
        }

    def render(self, env: int = 0) -> np.ndarray:
        terms = zip(self.spec.reward_weights, self.weights, self.term_returns[env].tolist(), strict=True)
        view = render.View(
            screen=self.machines[env].screen(),
            map_name=self.map_name(env),
            facts=self.facts,
            row=env,
            step=int(self.episode_step[env]),
            limit=int(self.memory.limit[env]),
            milestones=(int(self.milestones_held[env].sum()), self.milestones_held.shape[1]),
            returns={term: total for term, weight, total in terms if weight},
        )
        return render.frame(view)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        for machine in self.machines:
            machine.close()
        self.machines.clear()
        self._spares.close()
