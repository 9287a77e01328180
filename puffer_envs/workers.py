"""A pool of processes that step environments which cannot share one: emulators, which may hang or crash.

The parent waits, blocking, for every worker with a time-out. A worker that raises, dies or hangs is named in the log
and replaced in the background; until the replacement stands, its rows are masked and the other rows go on unchanged.
"""

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import numpy as np

from puffer_envs import fork_server
from puffer_envs.base import (
    EnvSpec,
    Episode,
    Event,
    FailedStart,
    Report,
    VectorEnv,
    allocate_buffers,
    summarise,
)
from puffer_envs.batched import BatchedEnv
from puffer_envs.fork_server import Channel, ForkServer, milliseconds
from puffer_envs.worker_process import (
    CALL,
    CALLERS_ERRORS,
    FAILED,
    READY,
    REFUSED,
    STEP,
    Birth,
    News,
    run,
    warm_up,
)

log = logging.getLogger("pufferswarm.workers")

_KILL_WAIT_S = 2.0  # for the kernel to take a killed process away
_CLOSE_WAIT_S = 1.0  # for workers to end by themselves


class WorkerError(RuntimeError):
    """Workers fail again and again, or one failed a call that cannot be repeated."""


class Phase(Enum):
    """Where a worker is in its life; all but RUNNING means that its rows are masked."""

    DOWN = 0  # to be started at `retry_at`
    STARTING = 1
    READY = 2  # its rows are fresh, it has not been stepped yet
    RUNNING = 3


class _Worker:
    """The parent's knowledge of one worker: a fixed slice of environments, and the process that plays them now."""

    def __init__(self, index: int, first_env: int, num_envs: int, agents: int) -> None:
        self.index, self.first_env, self.num_envs = index, first_env, num_envs
        self.envs = slice(first_env, first_env + num_envs)
        self.rows = slice(first_env * agents, (first_env + num_envs) * agents)
        self.phase = Phase.DOWN
        self.channel: Channel | None = None
        self.pid = 0
        self.orders: list[tuple[str, tuple]] = []  # calls without an answer; they travel with the next message
        self.loss_shown = True  # whether a `recv` has told of the last loss
        self.restarts = 0
        self.failed_starts = 0  # in a row
        self.retry_at = 0.0
        self.start_deadline = 0.0
        self.starting_from: list[str | None] = []  # savestates that the newest process was told to begin with

    def __str__(self) -> str:
        return f"worker {self.index} (pid {self.pid}, environments {self.first_env}-{self.envs.stop - 1})"


class WorkerPool(VectorEnv):
    """Environments in worker processes behind the interface of those in this process, with the same results.

    Args:
        factory: picklable by reference (a class or function of an importable module, or a partial of one);
            ``factory(num_envs=, seed=, first_env=, report_interval=, buf=)`` makes the `BatchedEnv` of one worker.
        num_workers: 1 to num_envs; each gets neighbouring environments.
        timeout_s: a worker that takes longer for a step or a call hangs, and is killed.
        start_timeout_s: the same for starting and resetting.
        max_restarts: more replacements than this within ``restart_window_s`` end the run with a `WorkerError`.
        preload: modules that the workers shall share, beside those that come with the factory.
    """

    def __init__(
        self,
        factory: Callable[..., BatchedEnv],
        spec: EnvSpec,
        num_envs: int,
        *,
        num_workers: int,
        seed: int = 0,
        timeout_s: float = 20.0,
        start_timeout_s: float = 120.0,
        report_interval: int = 128,
        max_restarts: int = 10,
        restart_window_s: float = 600.0,
        preload: tuple[str, ...] = (),
    ) -> None:
        if not 1 <= num_workers <= num_envs:
            raise ValueError(f"num_workers must be between 1 and num_envs={num_envs}, got {num_workers}")
        self._memory, self._slots, buffers = fork_server.share(allocate_buffers(spec, num_envs))
        super().__init__(spec, num_envs, buffers)
        self.seed, self.report_interval = seed, report_interval
        self.timeout_s, self.start_timeout_s = timeout_s, start_timeout_s
        self.max_restarts, self.restart_window_s = max_restarts, restart_window_s
        self._factory, self._preload = factory, preload
        # What a replacement must be told
        self._states: dict[str, bytes] = {}
        self._wanted = np.ones(len(spec.milestones), np.bool_)
        self._keep = False
        self._next_start: list[str | None] = [None] * num_envs
        # What the workers told and nobody has asked for yet
        self._events: list[Event] = []
        self._episodes: list[Episode] = []
        self._failures: list[FailedStart] = []
        self._reports: list[Report] = []
        self._steps_since_report = 0
        self._asked: list[_Worker] | None = None  # the workers of the step under way
        self._restart_times: deque[float] = deque()
        sizes = [len(part) for part in np.array_split(np.arange(num_envs), num_workers)]
        firsts = np.cumsum([0, *sizes[:-1]]).tolist()
        slices = enumerate(zip(firsts, sizes, strict=True))
        self.workers = [_Worker(i, first, size, spec.agents_per_env) for i, (first, size) in slices]
        self._poller = select.poll()
        self._by_descriptor: dict[int, _Worker] = {}
        self._house = _House(self.workers, self._memory)
        self._finalizer = weakref.finalize(self, _close, self._house)
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    # -- stepping ------------------------------------------------------------------------------------------------
    def reset(self, seed: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Start every row afresh; waits until all workers are there."""
        self._check_idle()
        self.seed = self.seed if seed is None else seed
        for news in (self._events, self._episodes, self._failures, self._reports):
            news.clear()
        self.infos, self._steps_since_report = [], 0
        for worker in self.workers:
            self._wait_until_up(worker)
        self._next_start = [None] * self.num_envs
        asked = [worker for worker in self.workers if self._post(worker, CALL, ("reset", (seed,)))]
        for worker, (kind, payload) in self._gather(asked, self.start_timeout_s):
            self._result(worker, "reset", kind, payload)
            self._join(worker)
        self.rewards[:] = 0
        self.terminals[:] = False
        self.truncations[:] = False
        return self.observations, self.infos

    def send(self, actions: np.ndarray) -> None:
        """Post one step to all workers."""
        self._check_idle()
        self.actions[:] = actions
        self._asked = [worker for worker in self.workers if worker.phase is Phase.RUNNING and self._post(worker, STEP)]

    def recv(self) -> tuple:
        """Wait for the step; rows of a worker that was lost in it come back truncated and masked."""
        if self._asked is None:
            raise RuntimeError("recv was called without send")
        asked, self._asked = self._asked, None
        if any(worker.phase is not Phase.RUNNING for worker in self.workers):
            self._tend()
        for worker, (_, payload) in self._gather(asked, self.timeout_s):
            if payload:
                self._note(worker, pickle.loads(payload))
        self._forget_used_starts()
        for worker in self.workers:
            if worker.phase is not Phase.RUNNING:
                self._show_lost(worker)
        self._report()
        return super().recv()

    def _forget_used_starts(self) -> None:
        ended = (self.terminals | self.truncations) & self.masks
        if ended.any():
            for env in np.unique(np.flatnonzero(ended) // self.spec.agents_per_env):
                self._next_start[env] = None

    def _show_lost(self, worker: _Worker) -> None:
        """The rows of a worker that did not step: cut once, masked until a replacement takes over."""
        rows = worker.rows
        self.rewards[rows] = 0
        self.terminals[rows] = False
        self.truncations[rows] = not worker.loss_shown
        if worker.loss_shown and worker.phase is Phase.READY:
            self._join(worker)
        worker.loss_shown = True

    def _join(self, worker: _Worker) -> None:
        worker.phase, worker.loss_shown = Phase.RUNNING, True
        self.masks[worker.rows] = True

    def _note(self, worker: _Worker, news: News) -> None:
        first = worker.rows.start
        self._events += [event._replace(row=event.row + first) for event in news.events]
        self._episodes += [episode._replace(row=episode.row + first) for episode in news.episodes]
        self._failures += [failure._replace(row=failure.row + first) for failure in news.failures]
        if news.report is not None:
            self._reports.append(news.report)

    def _report(self) -> None:
        # Every worker counts its own steps; a replacement's report comes at another step and waits for the others'.
        self.infos = []
        self._steps_since_report += 1
        if self._steps_since_report >= self.report_interval:
            self._steps_since_report = 0
            if self._reports:
                self.infos = [summarise(self.spec, self._reports)]
                self._reports.clear()

    # -- curriculum: orders without an answer, which travel with the next step --------------------------------------
    def add_state(self, state_id: str, state: bytes) -> None:
        self._states[state_id] = state
        self._order_all("add_state", state_id, state)

    def remove_state(self, state_id: str) -> None:
        self._states.pop(state_id, None)
        self._next_start = [None if start == state_id else start for start in self._next_start]
        self._order_all("remove_state", state_id)

    def set_next_start(self, env: int, state_id: str | None) -> None:
        if state_id is not None and state_id not in self._states:
            raise KeyError(f"no savestate '{state_id}' was added; call add_state first")
        worker = self._worker_of(env)
        self._next_start[env] = state_id
        self._order(worker, "set_next_start", env - worker.first_env, state_id)

    def request_reset(self, mask: np.ndarray) -> None:
        for worker in self.workers:
            part = np.array(mask[worker.envs], np.bool_)
            # A worker that is about to be replaced begins anew anyway.
            if part.any() and worker.phase is Phase.RUNNING:
                self._order(worker, "request_reset", part)

    def want_states(self, wanted: np.ndarray) -> None:
        self._wanted = np.array(wanted, np.bool_)
        self._order_all("want_states", self._wanted)

    def keep_episodes(self, keep: bool) -> None:
        self._keep = keep
        self._order_all("keep_episodes", keep)

    def _order_all(self, method: str, *args: Any) -> None:
        for worker in self.workers:
            self._order(worker, method, *args)

    def _order(self, worker: _Worker, method: str, *args: Any) -> None:
        if worker.phase is not Phase.DOWN:  # a process that is yet to be born is told everything at birth
            worker.orders.append((method, args))

    def poll_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def poll_episodes(self) -> list[Episode]:
        episodes, self._episodes = self._episodes, []
        return episodes

    def poll_failures(self) -> list[FailedStart]:
        failures, self._failures = self._failures, []
        return failures

    # -- worlds and whole rows: calls with an answer ---------------------------------------------------------------
    def save_state(self, env: int) -> bytes:
        return self._call(env, "save_state", repeat=True)

    def load_state(self, env: int, state: bytes) -> None:
        self._call(env, "load_state", state)

    def snapshot(self, env: int) -> bytes:
        return self._call(env, "snapshot", repeat=True)

    def restore(self, env: int, data: bytes) -> None:
        self._call(env, "restore", data)

    def render(self, env: int = 0) -> np.ndarray:
        return self._call(env, "render", repeat=True)

    def _call(self, env: int, method: str, *args: Any, repeat: bool = False) -> Any:
        """Have a worker do something for one environment; the rows of one that fails at it are lost as in a step."""
        self._check_idle()
        worker = self._worker_of(env)
        for _ in range(2 if repeat else 1):
            self._wait_until_up(worker)
            if not self._post(worker, CALL, (method, (env - worker.first_env, *args))):
                continue
            for _, (kind, payload) in self._gather([worker], self.timeout_s):
                return self._result(worker, method, kind, payload)
        raise WorkerError(f"worker {worker.index} was lost during {method} of environment {env}")

    def _result(self, worker: _Worker, method: str, kind: bytes, payload: bytes) -> Any:
        if kind == REFUSED:
            name, message, trace = pickle.loads(payload)
            if name in CALLERS_ERRORS:
                raise CALLERS_ERRORS[name](message)
            raise WorkerError(f"{method} failed in {worker}:\n{trace}")
        result, news = pickle.loads(payload)
        self._note(worker, news)
        return result

    def _worker_of(self, env: int) -> _Worker:
        if not 0 <= env < self.num_envs:
            raise IndexError(f"environment {env} of {self.num_envs}")
        return next(worker for worker in self.workers if env < worker.envs.stop)

    # -- messages --------------------------------------------------------------------------------------------------
    def _check_idle(self) -> None:
        if self._house.closed:
            raise RuntimeError("the worker pool is closed")
        if self._asked is not None:
            raise RuntimeError("a step is under way: call recv first")

    def _post(self, worker: _Worker, kind: bytes, call: tuple[str, tuple] | None = None) -> bool:
        """Send a message and the waiting orders; False where the worker was lost over it."""
        assert worker.channel is not None
        orders, worker.orders = worker.orders, []
        payload = pickle.dumps((orders, call)) if orders or call else b""
        try:
            worker.channel.send(kind, payload, time.monotonic() + self.timeout_s)
        except EOFError:
            self._lose(worker, "died")
        except TimeoutError:
            self._lose(worker, f"read nothing for {self.timeout_s:g} s")
        else:
            return True
        return False

    def _gather(self, asked: Iterable[_Worker], timeout_s: float) -> list[tuple[_Worker, tuple[bytes, bytes]]]:
        """The answers of all asked workers that gave one, in the order of workers; the others are lost."""
        answers: dict[int, tuple[bytes, bytes]] = {}
        asked = list(asked)
        waiting = {worker.index: worker for worker in asked}
        deadline = time.monotonic() + timeout_s
        while waiting:
            readable = self._poller.poll(milliseconds(deadline))
            for descriptor, _ in readable:
                worker = self._by_descriptor[descriptor]
                answer = self._read(worker, deadline)
                if answer is not None:
                    answers[worker.index] = answer
                if answer is not None or worker.phase in (Phase.DOWN, Phase.STARTING):
                    waiting.pop(worker.index, None)
            if not readable:
                for worker in waiting.values():
                    self._lose(worker, f"hung: no answer for {timeout_s:g} s")
                waiting.clear()
        return [(worker, answers[worker.index]) for worker in asked if worker.index in answers]

    def _read(self, worker: _Worker, deadline: float) -> tuple[bytes, bytes] | None:
        """One message of a worker; None where it was one for the pool itself."""
        assert worker.channel is not None
        try:
            kind, payload = worker.channel.receive(deadline)
        except EOFError:
            self._lose(worker, "died")
        except TimeoutError:
            self._lose(worker, "hung in the middle of an answer")
        else:
            if kind == FAILED:
                self._lose(worker, "raised an exception", payload.decode(errors="replace"))
            elif kind == READY:
                worker.phase, worker.failed_starts = Phase.READY, 0
            else:
                return kind, payload
        return None

    # -- life and death --------------------------------------------------------------------------------------------
    def _start_all(self) -> None:
        for worker in self.workers:
            self._start(worker, reset=False)
        self.max_restarts, allowed = 0, self.max_restarts  # what cannot start at all won't be tried again
        try:
            for worker in self.workers:
                self._wait_until_up(worker)
        finally:
            self.max_restarts = allowed
        for worker in self.workers:
            self._join(worker)

    def _start(self, worker: _Worker, reset: bool) -> None:
        """Begin to start a process for a worker's slice; `_read` hears when it is ready."""
        worker.starting_from = self._next_start[worker.envs]
        self._next_start[worker.envs] = [None] * worker.num_envs
        birth = Birth(
            self._factory,
            worker.num_envs,
            worker.first_env,
            self._seed_of(worker),
            self.report_interval,
            self._slots,
            worker.rows,
            self._states,
            self._wanted,
            self._keep,
            worker.starting_from,
            reset,
        )
        ours, theirs = socket.socketpair()
        letter = fork_server.share_bytes(pickle.dumps(birth))
        try:
            worker.pid = self._fork([theirs.fileno(), self._memory, letter])
        finally:
            theirs.close()
            os.close(letter)
        ours.setblocking(False)
        worker.channel, worker.orders, worker.phase = Channel(ours), [], Phase.STARTING
        worker.start_deadline = time.monotonic() + self.start_timeout_s
        self._by_descriptor[ours.fileno()] = worker
        self._poller.register(ours, select.POLLIN)

    def _fork(self, descriptors: list[int]) -> int:
        if self._house.server is not None:
            try:
                return self._house.server.fork(descriptors)
            except (OSError, EOFError):  # someone killed the server, and with it all workers
                self._house.server.close()
        boot = (run, warm_up, pickle.dumps(self._factory), self._preload)
        self._house.server = ForkServer(boot, self.start_timeout_s)
        return self._house.server.fork(descriptors)

    def _seed_of(self, worker: _Worker) -> int:
        """A replacement must not play the episodes of its predecessor again."""
        if worker.restarts == 0:
            return self.seed
        entropy = np.random.SeedSequence(self.seed, spawn_key=(0x57A7, worker.restarts))
        return int(entropy.generate_state(1, np.uint64)[0])

    def _lose(self, worker: _Worker, reason: str, trace: str = "") -> None:
        """Bury a worker, mask its rows, and see to its replacement."""
        starting = worker.phase is Phase.STARTING
        reason = f"{'failed to start: ' if starting else ''}{reason}{self._bury(worker)}"
        for array in (self.observations, self.final_observations, self.reward_terms, self.milestones_held):
            array[worker.rows] = 0
        self.novelty_keys[worker.rows] = 0
        self.masks[worker.rows] = False
        worker.phase = Phase.DOWN
        if starting:
            self._drop_starts(worker)
        else:
            worker.loss_shown = False
        self._spend_restart(worker, reason, trace)
        if worker.failed_starts == 0:
            self._start(worker, reset=True)
        else:
            worker.retry_at = time.monotonic() + min(0.25 * 2**worker.failed_starts, 5.0)
        worker.failed_starts += starting

    def _bury(self, worker: _Worker) -> str:
        """Kill and reap a worker's process; how it ended, in words."""
        assert worker.channel is not None
        sock = worker.channel.sock
        dead = _has_ended(worker.channel)
        if not dead:
            os.kill(worker.pid, signal.SIGKILL)  # the id is still its own: nobody has reaped it
            dead = _has_ended(worker.channel, time.monotonic() + _KILL_WAIT_S)
        self._poller.unregister(sock)
        del self._by_descriptor[sock.fileno()]
        sock.close()
        worker.channel = None
        try:
            assert self._house.server is not None
            code = self._house.server.wait(worker.pid)
        except (OSError, EOFError):
            return ", nobody knows how (the server that started it is gone)"
        return f" (ended by {signal.Signals(-code).name})" if code < 0 else f" (exit code {code})"

    def _drop_starts(self, worker: _Worker) -> None:
        """It failed while it began to play: perhaps over a savestate, so the next one begins new games."""
        for env, state_id in enumerate(worker.starting_from, worker.first_env):
            if state_id is not None:
                row = env * self.spec.agents_per_env
                self._failures.append(FailedStart(row, state_id, "a worker was lost while it started from it"))

    def _spend_restart(self, worker: _Worker, reason: str, trace: str) -> None:
        now = time.monotonic()
        self._restart_times.append(now)
        while self._restart_times[0] < now - self.restart_window_s:
            self._restart_times.popleft()
        spent = len(self._restart_times)
        details = f"\n{trace.rstrip()}" if trace else ""
        if spent > self.max_restarts:
            window = f"{self.restart_window_s:g} s"
            spent_all = f"; all {self.max_restarts} replacements in {window} are spent" if self.max_restarts else ""
            raise WorkerError(f"{worker} {reason}{spent_all}{details}")
        worker.restarts += 1
        log.warning("%s %s; replacement %d of at most %d%s", worker, reason, spent, self.max_restarts, details)

    def _tend(self) -> None:
        """See to workers that are out of order: hear who is ready, start who is due, give up on who takes too long.

        Waits only where not one worker is left to step, and the caller knows it already.
        """
        while True:
            for worker in self.workers:
                if worker.phase is Phase.DOWN and time.monotonic() >= worker.retry_at:
                    self._start(worker, reset=True)
            idle = all(w.phase in (Phase.DOWN, Phase.STARTING) and w.loss_shown for w in self.workers)
            for descriptor, _ in self._poller.poll(50 if idle else 0):
                worker = self._by_descriptor[descriptor]
                if worker.phase is Phase.STARTING:
                    self._read(worker, worker.start_deadline)
            for worker in self.workers:
                if worker.phase is Phase.STARTING and time.monotonic() > worker.start_deadline:
                    self._lose(worker, f"not ready after {self.start_timeout_s:g} s")
            if not idle:
                return

    def _wait_until_up(self, worker: _Worker) -> None:
        while worker.phase in (Phase.DOWN, Phase.STARTING):
            self._tend()
            if worker.phase is Phase.STARTING and worker.channel is not None:
                poller = select.poll()
                poller.register(worker.channel.sock, select.POLLIN)
                poller.poll(min(milliseconds(worker.start_deadline), 50))
            elif worker.phase is Phase.DOWN:
                time.sleep(0.02)

    def close(self) -> None:
        """End all workers, within two seconds; the arrays stay readable."""
        self._finalizer()


class _House:
    """What must be torn down: kept apart from the pool, so that forgetting the pool is enough."""

    def __init__(self, workers: list[_Worker], memory: int) -> None:
        self.workers, self.memory = workers, memory
        self.server: ForkServer | None = None
        self.owner = os.getpid()
        self.closed = False


def _close(house: _House) -> None:
    if house.closed or house.owner != os.getpid():  # a fork of the owner must not end the owner's workers
        return
    house.closed = True
    os.close(house.memory)
    channels = {worker.pid: worker.channel for worker in house.workers if worker.channel is not None}
    for channel in channels.values():
        with contextlib.suppress(OSError):
            channel.sock.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + _CLOSE_WAIT_S
    for pid, channel in channels.items():
        if not _has_ended(channel, deadline):
            os.kill(pid, signal.SIGKILL)
        channel.sock.close()
    if house.server is not None:
        for pid in channels:
            with contextlib.suppress(OSError, EOFError, ValueError):
                house.server.wait(pid)
        house.server.close()


def _has_ended(channel: Channel, deadline: float | None = None) -> bool:
    """Whether the process at the other end is gone; its last words are thrown away."""
    try:
        while True:
            channel.receive(deadline if deadline is not None else time.monotonic())
    except EOFError:
        return True
    except TimeoutError:
        return False
