"""The processes of a worker pool: started, heard, timed, and replaced when they fail; how many failures a run may cost.

A worker that raises, dies or hangs is named in the log, its rows are masked, and a replacement starts in the
background. Nothing here knows the pool: one that is forgotten can end its processes although it is never closed.
"""

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

import numpy as np

from puffer_envs.contract.records import FailedStart
from puffer_envs.workers import fork_server
from puffer_envs.workers.fork_server import Channel, ForkServer, Slot, milliseconds
from puffer_envs.workers.worker_process import CALL, FAILED, READY, Setup, WorkerInit, run, warm_up

log = logging.getLogger("pufferswarm.workers")

_SLICE_S = 1.0  # of a wait
_KILL_WAIT_S = 2.0  # for the kernel to take a killed process away
_CLOSE_WAIT_S = 1.0  # for workers to end by themselves
# What a row shows while nobody plays it; the mask goes down beside them.
_CLEARED = ("observations", "final_observations", "reward_terms", "milestones_held", "novelty_keys", "masks")


class WorkerError(RuntimeError):
    """Workers fail again and again, or one failed a call that cannot be repeated."""


class Phase(Enum):
    """Where a worker is in its life; all but RUNNING means that its rows are masked."""

    DOWN = 0  # to be started at `retry_at`
    STARTING = 1
    READY = 2  # its rows are fresh, it has not been stepped yet
    RUNNING = 3


class Worker:
    """What is known of one worker: a fixed slice of environments, and the process that plays them now."""

    def __init__(self, index: int, first_env: int, num_envs: int, agents: int) -> None:
        self.index, self.first_env, self.num_envs = index, first_env, num_envs
        self.envs = slice(first_env, first_env + num_envs)
        self.rows = slice(first_env * agents, (first_env + num_envs) * agents)
        self.phase = Phase.DOWN
        self.channel: Channel | None = None
        self.server: ForkServer | None = None  # the process's parent: only it can say how the process ended
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


class Limits(NamedTuple):
    """How long workers may take, and how often they may fail."""

    timeout_s: float  # for a step or a call
    start_timeout_s: float  # for starting and resetting
    max_restarts: int  # within the window
    restart_window_s: float


class Supervisor:
    """Keeps a process for each worker.

    Args:
        setup: what new processes are told.
        memory: descriptor of the shared memory, which this closes in the end; ``slots`` say what lies where in it,
            ``buffers`` are this process's view of it.
        preload: modules that the workers shall share, beside those that come with the factory.
    """

    def __init__(
        self,
        workers: list[Worker],
        setup: Setup,
        limits: Limits,
        memory: int,
        slots: dict[str, Slot],
        buffers: Mapping[str, np.ndarray],
        preload: tuple[str, ...],
    ) -> None:
        self.workers, self.setup, self.limits = workers, setup, limits
        self.failed_starts: list[FailedStart] = []  # which nobody has asked for yet
        self.server: ForkServer | None = None
        self.closed = False
        self._memory, self._slots, self._buffers, self._preload = memory, slots, buffers, preload
        self._restart_times: deque[float] = deque()
        self._poller = select.poll()
        self._by_descriptor: dict[int, Worker] = {}
        self._owner = os.getpid()

    # -- messages ------------------------------------------------------------------------------------------------
    def post(self, worker: Worker, kind: bytes, call: tuple[str, tuple] | None = None) -> bool:
        """Send a message and the waiting orders; False where the worker was lost over it."""
        assert worker.channel is not None
        orders, worker.orders = worker.orders, []
        payload = pickle.dumps((orders, call)) if orders or call else b""
        try:
            worker.channel.send(kind, payload, time.monotonic() + self.limits.timeout_s)
        except EOFError:
            self._lose(worker, "died")
        except TimeoutError:
            self._lose(worker, f"read nothing for {self.limits.timeout_s:g} s")
        else:
            return True
        return False

    def call(self, worker: Worker, method: str, *args: object) -> bool:
        """`post` a call with an answer."""
        return self.post(worker, CALL, (method, args))

    def gather(self, asked: Iterable[Worker], timeout_s: float) -> list[tuple[Worker, tuple[bytes, bytes]]]:
        """The answers of all asked workers that gave one, in the order of workers; the others are lost."""
        answers: dict[int, tuple[bytes, bytes]] = {}
        asked = list(asked)
        waiting = {worker.index: worker for worker in asked}
        left = timeout_s
        while waiting:
            begin = time.monotonic()
            readable = self._poller.poll(1000 * min(left, _SLICE_S))
            # A pause of the whole job (Ctrl-Z, a suspended container) is no hanging: it counts as one slice.
            left = max(left - min(time.monotonic() - begin, _SLICE_S), 0.0)
            for descriptor, _ in readable:
                worker = self._by_descriptor[descriptor]
                answer = self._read(worker, time.monotonic() + left)
                if answer is not None:
                    answers[worker.index] = answer
                if answer is not None or worker.phase in (Phase.DOWN, Phase.STARTING):
                    waiting.pop(worker.index, None)
            if not readable and left == 0:
                for worker in waiting.values():
                    self._lose(worker, f"hung: no answer for {timeout_s:g} s")
                waiting.clear()
        return [(worker, answers[worker.index]) for worker in asked if worker.index in answers]

    def _read(self, worker: Worker, deadline: float) -> tuple[bytes, bytes] | None:
        """One message of a worker; None where it was one for the supervisor itself."""
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

    # -- starting ------------------------------------------------------------------------------------------------
    def start_all(self) -> None:
        """Start all workers and wait until they are ready; what cannot start at all is not tried again."""
        for worker in self.workers:
            self._start(worker, reset=False)
        limits, self.limits = self.limits, self.limits._replace(max_restarts=0)
        try:
            for worker in self.workers:
                self.wait_until_up(worker)
        finally:
            self.limits = limits

    def _start(self, worker: Worker, reset: bool) -> None:
        """Begin to start a process for a worker's slice; `_read` hears when it is ready."""
        init = pickle.dumps(self._init_of(worker, reset))
        ours, theirs = socket.socketpair()
        shared_init = fork_server.share_bytes(init)
        try:
            worker.server, worker.pid = self._fork([theirs.fileno(), self._memory, shared_init])
        finally:
            theirs.close()
            os.close(shared_init)
        ours.setblocking(False)
        worker.channel, worker.orders, worker.phase = Channel(ours), [], Phase.STARTING
        worker.start_deadline = time.monotonic() + self.limits.start_timeout_s
        self._by_descriptor[ours.fileno()] = worker
        self._poller.register(ours, select.POLLIN)

    def _init_of(self, worker: Worker, reset: bool) -> WorkerInit:
        setup = self.setup
        worker.starting_from = setup.next_start[worker.envs]
        setup.next_start[worker.envs] = [None] * worker.num_envs
        shape = worker.num_envs, worker.first_env, worker.rows, self._slots
        return WorkerInit(setup, *shape, self._seed_of(worker), worker.starting_from, reset)

    def _fork(self, descriptors: list[int]) -> tuple[ForkServer, int]:
        if self.server is not None:
            try:
                return self.server, self.server.fork(descriptors)
            except (OSError, EOFError):  # someone killed the server, and with it all workers
                self.server.close()
        boot = (run, warm_up, pickle.dumps(self.setup.factory), self._preload)
        self.server = ForkServer(boot, self.limits.start_timeout_s)
        return self.server, self.server.fork(descriptors)

    def _seed_of(self, worker: Worker) -> int:
        """A replacement must not play the episodes of its predecessor again."""
        if worker.restarts == 0:
            return self.setup.seed
        entropy = np.random.SeedSequence(self.setup.seed, spawn_key=(0x57A7, worker.restarts))
        return int(entropy.generate_state(1, np.uint64)[0])

    # -- failures ------------------------------------------------------------------------------------------------
    def _lose(self, worker: Worker, reason: str, trace: str = "") -> None:
        """End a worker's process, mask its rows, and see to its replacement."""
        starting = worker.phase is Phase.STARTING
        reason = f"{'failed to start: ' if starting else ''}{reason}{self._reap(worker)}"
        for name in _CLEARED:
            self._buffers[name][worker.rows] = 0
        worker.phase = Phase.DOWN
        if starting:
            self._suspect_start(worker)
        else:
            worker.loss_shown = False
        self._spend_restart(worker, reason, trace)
        delay = min(0.25 * 2**worker.failed_starts, 5.0) if worker.failed_starts else 0.0
        worker.retry_at = time.monotonic() + delay
        worker.failed_starts += starting

    def _reap(self, worker: Worker) -> str:
        """Kill and reap a worker's process; how it ended, in words."""
        assert worker.channel is not None
        sock = worker.channel.sock
        if not _has_ended(worker.channel):
            os.kill(worker.pid, signal.SIGKILL)  # the id is still its own: nobody has reaped it
            _has_ended(worker.channel, time.monotonic() + _KILL_WAIT_S)
        self._poller.unregister(sock)
        del self._by_descriptor[sock.fileno()]
        sock.close()
        worker.channel = None
        try:
            assert worker.server is not None
            code = worker.server.wait(worker.pid)
        except (OSError, EOFError):
            return ", nobody knows how (the server that started it is gone)"
        return f" (ended by {signal.Signals(-code).name})" if code < 0 else f" (exit code {code})"

    def _suspect_start(self, worker: Worker) -> None:
        """A process failed while its rows began to play, so the next one begins new games.

        It is a savestate's failure only where all rows that began with one began with the same: two failures
        evict a savestate, and among several the good ones would go with the bad.
        """
        named = [(env, state_id) for env, state_id in enumerate(worker.starting_from) if state_id is not None]
        if len({state_id for _, state_id in named}) == 1:
            env, state_id = named[0]
            row = worker.rows.start + env * (worker.rows.stop - worker.rows.start) // worker.num_envs
            self.failed_starts.append(FailedStart(row, state_id, "a worker was lost while it started from it"))

    def _spend_restart(self, worker: Worker, reason: str, trace: str) -> None:
        allowed, window = self.limits.max_restarts, self.limits.restart_window_s
        now = time.monotonic()
        self._restart_times.append(now)
        while self._restart_times[0] < now - window:
            self._restart_times.popleft()
        spent = len(self._restart_times)
        details = f"\n{trace.rstrip()}" if trace else ""
        if spent > allowed:
            spent_all = f"; all {allowed} replacements in {window:g} s are spent" if allowed else ""
            raise WorkerError(f"{worker} {reason}{spent_all}{details}")
        worker.restarts += 1
        log.warning("%s %s; replacement %d of at most %d%s", worker, reason, spent, allowed, details)

    # -- replacements --------------------------------------------------------------------------------------------
    def tend(self) -> None:
        """See to workers that are out of order: hear who is ready, start who is due, give up on who takes too long.

        Waits only where not one worker is left to step, and the caller knows it already.
        """
        while True:
            for worker in self.workers:
                # A process that starts resets its rows in shared memory: not while a caller may still be reading there
                # how they were lost.
                if worker.loss_shown:
                    self._start_if_due(worker)
            idle = all(w.phase in (Phase.DOWN, Phase.STARTING) and w.loss_shown for w in self.workers)
            for descriptor, _ in self._poller.poll(50 if idle else 0):
                worker = self._by_descriptor[descriptor]
                if worker.phase is Phase.STARTING:
                    self._read(worker, worker.start_deadline)
            for worker in self.workers:
                if worker.phase is Phase.STARTING and time.monotonic() > worker.start_deadline:
                    self._lose(worker, f"not ready after {self.limits.start_timeout_s:g} s")
            if not idle:
                return

    def _start_if_due(self, worker: Worker) -> None:
        if worker.phase is Phase.DOWN and time.monotonic() >= worker.retry_at:
            self._start(worker, reset=True)

    def wait_until_up(self, worker: Worker) -> None:
        """Wait until a worker can be called."""
        while worker.phase in (Phase.DOWN, Phase.STARTING):
            self._start_if_due(worker)
            self.tend()
            if worker.phase is Phase.STARTING and worker.channel is not None:
                poller = select.poll()
                poller.register(worker.channel.sock, select.POLLIN)
                poller.poll(min(milliseconds(worker.start_deadline), 50))
            elif worker.phase is Phase.DOWN:
                time.sleep(0.02)

    def close(self) -> None:
        """End all processes, within two seconds; more than once does no harm."""
        if self.closed or self._owner != os.getpid():  # a fork of the owner must not end the owner's workers
            return
        self.closed = True
        os.close(self._memory)
        live = [(worker, worker.channel) for worker in self.workers if worker.channel is not None]
        for _, channel in live:
            with contextlib.suppress(OSError):
                channel.sock.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _CLOSE_WAIT_S
        for worker, channel in live:
            if not _has_ended(channel, deadline):
                os.kill(worker.pid, signal.SIGKILL)
            channel.sock.close()
        for worker, _ in live:
            with contextlib.suppress(OSError, EOFError, ValueError):
                assert worker.server is not None
                worker.server.wait(worker.pid)
        if self.server is not None:
            self.server.close()


def _has_ended(channel: Channel, deadline: float | None = None) -> bool:
    """Whether the process at the other end is gone; its last words are thrown away."""
    try:
        while True:
            channel.receive(deadline if deadline is not None else time.monotonic())
    except EOFError:
        return True
    except TimeoutError:
        return False
