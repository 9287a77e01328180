"""A game that steps all its rows in this process: the order of a step, episode statistics, snapshots and savestates."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from puffer_envs.contract import state_file
from puffer_envs.contract.actions import check
from puffer_envs.contract.hooks import Hooks
from puffer_envs.contract.records import Episode, Event, FailedStart, Report, summarise
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import GUEST, LEARNER
from puffer_envs.kit import rng
from puffer_envs.kit.tally import add_up, clear, weigh

# Finished episodes and events wait here until they are polled; the oldest go first if nobody polls. Those of one step
# are kept whatever they are: ten thousand agents that share a world end in the same step.
MAX_PENDING = 10_000


class BatchedEnv(Hooks):
    """A game that steps all its rows in this process.

    A game fills in the `Hooks`. The order in which they run is fixed in `send` and nowhere else.

    Args:
        seed: base seed; each environment's stream comes from (seed, first_env + index), so it does not depend on how
            environments are split among processes.
        first_env: global index of this batch's first environment.
        report_interval: steps between two info dicts.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        seed: int = 0,
        first_env: int = 0,
        report_interval: int = 128,
        buf: dict[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(spec, num_envs, buf)
        n, k, m = self.num_agents, len(spec.reward_weights), len(spec.milestones)
        self.first_env = first_env
        self.report_interval = report_interval
        self.seed = seed
        self.weights = np.array(list(spec.reward_weights.values()), np.float32)  # [K]
        self.rng = rng.streams(seed, first_env, num_envs)  # uint64 [num_envs, 2]: key, counter
        # Episode memory, cleared when a row begins anew
        self.episode_step = np.zeros(n, np.int32)
        self.term_returns = np.zeros((n, k), np.float32)
        self.held_at_start = np.zeros((n, m), np.bool_)
        self.reached_at = np.full((n, m), -1, np.int32)
        # Who plays each row now, and from its next episode on
        self.seats = np.full(n, LEARNER, np.int8)
        self.next_seats = np.full(n, LEARNER, np.int8)
        # The channel to the curriculum
        self.states: dict[str, bytes] = {}
        self.wanted_states = np.zeros(m, np.bool_)  # nobody has asked for any
        self.next_start: list[str | None] = [None] * num_envs
        self.start_state: list[str | None] = [None] * num_envs
        self.reset_requested = np.zeros(num_envs, np.bool_)
        self._events: list[Event] = []
        self._failures: list[FailedStart] = []
        self._episodes: deque[Episode] = deque(maxlen=max(MAX_PENDING, self.num_agents))
        self._keep_episodes = self._keep_worlds = False
        # Statistics since the last report
        self.report: Report | None = None  # set by the step that ends a report interval, None after the others
        self._steps_since_report = 0
        self._ended = np.zeros(3, np.float64)  # episodes, sum of lengths, sum of returns
        self._term_sums = np.zeros(k, np.float64)

    # -- the step ------------------------------------------------------------------------------------------------
    def reset(self, seed: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Start every row afresh."""
        if seed is not None:
            self.seed = seed
            self.rng[:] = rng.streams(seed, self.first_env, self.num_envs)
        for array in (self.rewards, self.terminals, self.truncations, self.reward_terms, self.reset_requested):
            array[:] = 0
        self._forget()
        self._begin_episodes(self.agent_ids)
        self.observe(self.observations, self.agent_ids)
        return self.observations, self.infos

    def _forget(self) -> None:
        """Drop what was to be reported of the time before a reset."""
        self.infos = []
        self.report = None
        self._steps_since_report = 0
        self._ended[:] = 0
        self._term_sums[:] = 0
        self._events.clear()
        self._failures.clear()
        self._episodes.clear()

    def send(self, actions: np.ndarray) -> None:
        """Step every row; the order of events is the contract that all games share."""
        self.actions[:] = check(self.spec.action, actions, self.num_agents)
        self._play_scripts()
        self._clear()
        known_events = len(self._events)
        self.act()
        self.score()
        weigh(self.reward_terms, self.weights, self.rewards, self.term_returns, self._term_sums)
        self.finish()
        # In the order of rows, whatever the order in which a game looks: the same for any number of workers.
        self._events[known_events:] = sorted(self._events[known_events:], key=lambda event: event.row)
        del self._events[:-MAX_PENDING]
        self._end_requested()
        self.episode_step += 1
        ended = np.flatnonzero(self.terminals | self.truncations)
        if ended.size:
            self._record(ended)
            self.observe(self.final_observations, ended)
            self._begin_episodes(ended)
        self.observe(self.observations, self.agent_ids)
        self._report()

    def _play_scripts(self) -> None:
        if self.spec.scripts:
            rows = np.flatnonzero(self.seats > LEARNER)
            if rows.size:
                self.play_scripts(rows, self.seats[rows] - np.int8(1))

    def _clear(self) -> None:
        self.terminals[:] = False
        self.truncations[:] = False
        self.reward_terms[:] = 0.0

    def _end_requested(self) -> None:
        if self.reset_requested.any():
            rows = np.repeat(self.reset_requested, self.spec.agents_per_env)
            self.truncations |= rows & ~self.terminals
            self.reset_requested[:] = False

    def _record(self, ended: np.ndarray) -> None:
        add_up(ended, self.episode_step, self.term_returns, self._ended)
        if self._keep_episodes:
            self._episodes.extend(self._episode(int(row)) for row in ended)

    def _episode(self, row: int) -> Episode:
        env, agent = divmod(row, self.spec.agents_per_env)
        return Episode(
            row=row,
            length=int(self.episode_step[row]),
            truncated=bool(self.truncations[row]),
            term_returns=self.term_returns[row].copy(),
            start_state=self.start_state[env],
            held=self.held_at_start[row].copy(),
            reached=self.reached_at[row].copy(),
            summary=self.summary(row),
            world=self.write_world(env) if self._keep_worlds and agent == 0 else None,
            seat=int(self.seats[row]),
        )

    def _begin_episodes(self, rows: np.ndarray) -> None:
        # Agents of one environment begin and end together: the game's `finish` sees to it.
        agents = self.spec.agents_per_env
        self.seats[rows] = self.next_seats[rows]
        self.active[rows] = self.seats[rows] == LEARNER
        envs = [env for env in (rows[::agents] // agents).tolist() if not self._begin_from_state(env)]
        if envs:
            self.begin_new(np.array(envs))
        self._clear_episodes(rows)

    def _begin_from_state(self, env: int) -> bool:
        """Begin in the world that the curriculum chose; False if it chose none, or none that can be loaded."""
        state_id, self.next_start[env] = self.next_start[env], None
        self.start_state[env] = None
        if state_id is None:
            return False
        try:
            if state_id not in self.states:  # a restored snapshot may name one that is gone
                raise state_file.StateFileError("no savestate of this name was added")
            self.begin(env, self.states[state_id])
        except state_file.StateFileError as error:
            self._failures.append(FailedStart(env * self.spec.agents_per_env, state_id, str(error)))
            return False
        self.start_state[env] = state_id
        return True

    def _clear_episodes(self, rows: np.ndarray) -> None:
        memory = self.episode_step, self.term_returns, self.milestones_held, self.held_at_start, self.reached_at
        clear(rows, *memory)

    def _rows(self, env: int) -> slice:
        agents = self.spec.agents_per_env
        return slice(env * agents, (env + 1) * agents)

    def _report(self) -> None:
        self.infos, self.report = [], None
        self._steps_since_report += 1
        if self._steps_since_report < self.report_interval:
            return
        episodes, lengths, returns = self._ended.tolist()
        agent_steps = self._steps_since_report * self.num_agents
        self.report = Report(agent_steps, int(episodes), lengths, returns, self._term_sums.copy(), self.metrics())
        self.infos = [summarise(self.spec, [self.report])]
        self._steps_since_report = 0
        self._ended[:] = 0
        self._term_sums[:] = 0

    # -- opponents -----------------------------------------------------------------------------------------------
    def set_next_seats(self, env: int, seats: Sequence[int]) -> None:
        agents, scripts = self.spec.agents_per_env, len(self.spec.scripts)
        if len(seats) != agents or not all(GUEST <= seat <= scripts for seat in seats):
            raise ValueError(f"seats {list(seats)}: {self.spec.name} takes {agents} numbers from {GUEST} to {scripts}")
        self.next_seats[self._rows(env)] = seats

    # -- curriculum ----------------------------------------------------------------------------------------------
    def reach(self, row: int, milestone: int) -> None:
        """A game says that a row holds a milestone now; an event follows if it is new in this episode."""
        if self.milestones_held[row, milestone]:
            return
        self.milestones_held[row, milestone] = True
        step = int(self.episode_step[row]) + 1
        self.reached_at[row, milestone] = step
        env = row // self.spec.agents_per_env
        state = self.write_world(env) if self.wanted_states[milestone] and self.can_begin(env) else None
        self._events.append(Event(row, milestone, step, state))

    def reach_all(self, reached: np.ndarray) -> None:
        """As `reach`, of what a kernel has marked, bool [N, M]; the marks are taken away."""
        for row, milestone in np.argwhere(reached).tolist():
            self.reach(row, milestone)
        reached[:] = False

    def want_states(self, wanted: np.ndarray) -> None:
        self.wanted_states[:] = wanted

    def add_state(self, state_id: str, state: bytes) -> None:
        self.states[state_id] = self.pack_state(state)

    def remove_state(self, state_id: str) -> None:
        self.states.pop(state_id, None)
        self.next_start = [None if start == state_id else start for start in self.next_start]

    def set_next_start(self, env: int, state_id: str | None) -> None:
        if state_id is not None and state_id not in self.states:
            raise KeyError(f"no savestate '{state_id}' was added; call add_state first")
        self.next_start[env] = state_id

    def request_reset(self, mask: np.ndarray) -> None:
        self.reset_requested |= mask

    def poll_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def poll_episodes(self) -> list[Episode]:
        episodes = list(self._episodes)
        self._episodes.clear()
        return episodes

    def poll_failures(self) -> list[FailedStart]:
        failures, self._failures = self._failures, []
        return failures

    def keep_episodes(self, keep: bool, worlds: bool = False) -> None:
        self._keep_episodes, self._keep_worlds = keep, worlds

    # -- worlds and whole rows -----------------------------------------------------------------------------------
    def save_state(self, env: int) -> bytes:
        return self.write_world(env)

    def load_state(self, env: int, state: bytes) -> None:
        rows = self.agent_ids[self._rows(env)]
        active = self.active[rows]
        self.active[rows] = self.seats[rows] == LEARNER  # first: the game may say otherwise
        try:
            self.begin(env, state)
        except state_file.StateFileError:
            self.active[rows] = active
            raise
        self.start_state[env] = None
        self._clear_episodes(rows)
        self.observe(self.observations, rows)

    def snapshot(self, env: int) -> bytes:
        arrays = {name: array[part] for name, array, part in self._row_parts(env)}
        starts = f"{self.start_state[env] or ''}\n{self.next_start[env] or ''}"
        arrays["starts"] = np.frombuffer(starts.encode(), np.uint8)
        arrays["world"] = np.frombuffer(self.write_world(env), np.uint8)
        return state_file.pack(f"{self.spec.name}/snapshot", arrays)

    def restore(self, env: int, data: bytes) -> None:
        arrays = state_file.unpack(f"{self.spec.name}/snapshot", data)
        parts = self._row_parts(env)
        for name, array, part in parts:
            if name not in arrays or arrays[name].shape != array[part].shape or arrays[name].dtype != array.dtype:
                raise state_file.StateFileError(f"snapshot of another version of {self.spec.name}: '{name}' differs")
        try:
            start, following = _starts(arrays)
            world = arrays["world"].tobytes()
        except (KeyError, ValueError) as error:
            raise state_file.StateFileError(f"snapshot of another version of {self.spec.name}: {error}") from error
        self.read_world(env, world)
        for name, array, part in parts:
            array[part] = arrays[name]
        self.start_state[env] = start
        self.next_start[env] = following

    def _row_parts(self, env: int) -> Sequence[tuple[str, np.ndarray, slice]]:
        """Name, array and the part of it that belongs to one environment, of all that a snapshot holds."""
        shared = {
            name: getattr(self, name)
            for name in (
                *(
                    "observations",
                    "rewards",
                    "terminals",
                    "truncations",
                    "final_observations",
                    "reward_terms",
                    "active",
                ),
                *("milestones_held", "novelty_keys", "episode_step", "term_returns", "held_at_start", "reached_at"),
                *("rng", "reset_requested", "seats", "next_seats"),
            )
        }
        one, rows = slice(env, env + 1), self._rows(env)
        arrays = shared | {f"game/{name}": array for name, array in self.row_arrays().items()}
        return [(name, array, one if len(array) == self.num_envs else rows) for name, array in arrays.items()]


def starts_of(name: str, snapshot: bytes) -> tuple[str | None, str | None]:
    """Savestates that an environment of a game's snapshot began from, and that it begins with next."""
    return _starts(state_file.unpack(f"{name}/snapshot", snapshot))


def _starts(arrays: dict[str, np.ndarray]) -> tuple[str | None, str | None]:
    start, following = arrays["starts"].tobytes().decode().split("\n")
    return start or None, following or None
