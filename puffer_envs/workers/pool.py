"""A pool of processes that step environments which cannot share one: emulators, which may hang or crash.

The parent waits, blocking, for every worker with a time-out. While a worker that failed is replaced (`supervision`),
its rows are masked and the other rows go on unchanged.
"""

import pickle
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from puffer_envs.contract.actions import check
from puffer_envs.contract.batched import MAX_PENDING, BatchedEnv, starts_of
from puffer_envs.contract.records import Episode, Event, FailedStart, Report, summarise
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv, allocate_buffers
from puffer_envs.workers import fork_server
from puffer_envs.workers.supervision import Limits, Phase, Supervisor, Worker, WorkerError
from puffer_envs.workers.worker_process import CALLERS_ERRORS, REFUSED, STEP, News, Setup

__all__ = ["Phase", "WorkerError", "WorkerPool"]


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
        pack_state: the class's `BatchedEnv.pack_state`.
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
        pack_state: Callable[[bytes], bytes] = BatchedEnv.pack_state,
    ) -> None:
        if not 1 <= num_workers <= num_envs:
            raise ValueError(f"num_workers must be between 1 and num_envs={num_envs}, got {num_workers}")
        memory, slots, buffers = fork_server.share(allocate_buffers(spec, num_envs))
        super().__init__(spec, num_envs, buffers)
        self.report_interval = report_interval
        self._pack_state = pack_state
        self._setup = Setup(factory, seed, report_interval, np.zeros(len(spec.milestones), np.bool_), [None] * num_envs)
        # What the workers told and nobody has asked for yet
        self._events: list[Event] = []
        self._episodes: list[Episode] = []
        self._failures: list[FailedStart] = []
        self._reports: list[Report] = []
        self._steps_since_report = 0
        self._asked: list[Worker] | None = None  # the workers of the step under way
        self.workers = _make_workers(num_envs, num_workers, spec.agents_per_env)
        limits = Limits(timeout_s, start_timeout_s, max_restarts, restart_window_s)
        self._supervisor = Supervisor(self.workers, self._setup, limits, memory, slots, buffers, preload)
        self._finalizer = weakref.finalize(self, self._supervisor.close)
        try:
            self._supervisor.start_all()
        except BaseException:
            self.close()
            raise
        for worker in self.workers:
            self._join(worker)

    # -- stepping ------------------------------------------------------------------------------------------------
    def reset(self, seed: int | None = None) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Start every row afresh; waits until all workers are there."""
        self._check_idle()
        self._setup.seed = self._setup.seed if seed is None else seed
        self._forget_news()
        for worker in self.workers:
            self._supervisor.wait_until_up(worker)
        self._setup.next_start[:] = [None] * self.num_envs
        asked = [worker for worker in self.workers if self._supervisor.call(worker, "reset", seed)]
        for worker, (kind, payload) in self._supervisor.gather(asked, self._supervisor.limits.start_timeout_s):
            self._result(worker, "reset", kind, payload)
            self._join(worker)
        self.rewards[:] = 0
        self.terminals[:] = False
        self.truncations[:] = False
        return self.observations, self.infos

    def send(self, actions: np.ndarray) -> None:
        """Post one step to all workers."""
        self._check_idle()
        self.actions[:] = check(self.spec.action, actions, self.num_agents)
        running = [worker for worker in self.workers if worker.phase is Phase.RUNNING]
        self._asked = [worker for worker in running if self._supervisor.post(worker, STEP)]

    def recv(self) -> tuple:
        """Wait for the step; rows of a worker that was lost in it come back truncated and masked."""
        if self._asked is None:
            raise RuntimeError("recv was called without send")
        asked, self._asked = self._asked, None
        if any(worker.phase is not Phase.RUNNING for worker in self.workers):
            self._supervisor.tend()
        for worker, (_, payload) in self._supervisor.gather(asked, self._supervisor.limits.timeout_s):
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
                self._setup.next_start[env] = None

    def _show_lost(self, worker: Worker) -> None:
        """The rows of a worker that did not step: cut once, masked until a replacement takes over."""
        rows = worker.rows
        self.rewards[rows] = 0
        self.terminals[rows] = False
        self.truncations[rows] = not worker.loss_shown
        if worker.loss_shown and worker.phase is Phase.READY:
            self._join(worker)
        worker.loss_shown = True

    def _join(self, worker: Worker) -> None:
        worker.phase, worker.loss_shown = Phase.RUNNING, True
        self.masks[worker.rows] = True

    def _note(self, worker: Worker, news: News) -> None:
        first = worker.rows.start
        self._events += [event._replace(row=event.row + first) for event in news.events]
        del self._events[:-MAX_PENDING]
        self._episodes += [episode._replace(row=episode.row + first) for episode in news.episodes]
        self._failures += [failure._replace(row=failure.row + first) for failure in news.failures]
        if news.report is not None:
            self._reports.append(news.report)

    def _forget_news(self) -> None:
        for news in (self._events, self._episodes, self._failures, self._reports, self._supervisor.failed_starts):
            news.clear()
        self.infos, self._steps_since_report = [], 0

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
        self._setup.states[state_id] = packed = self._pack_state(state)
        self._order_all("add_state", state_id, packed)

    def remove_state(self, state_id: str) -> None:
        self._setup.states.pop(state_id, None)
        starts = self._setup.next_start
        starts[:] = [None if start == state_id else start for start in starts]
        self._order_all("remove_state", state_id)

    def set_next_start(self, env: int, state_id: str | None) -> None:
        if state_id is not None and state_id not in self._setup.states:
            raise KeyError(f"no savestate '{state_id}' was added; call add_state first")
        worker = self._worker_of(env)
        self._setup.next_start[env] = state_id
        self._order(worker, "set_next_start", env - worker.first_env, state_id)

    def set_next_seats(self, env: int, seats: Sequence[int]) -> None:
        worker = self._worker_of(env)
        self._setup.next_seats[env] = tuple(seats)
        self._order(worker, "set_next_seats", env - worker.first_env, tuple(seats))

    def request_reset(self, mask: np.ndarray) -> None:
        for worker in self.workers:
            part = np.array(mask[worker.envs], np.bool_)
            # A worker that is about to be replaced begins anew anyway.
            if part.any() and worker.phase is Phase.RUNNING:
                self._order(worker, "request_reset", part)

    def want_states(self, wanted: np.ndarray) -> None:
        self._setup.wanted = np.array(wanted, np.bool_)
        self._order_all("want_states", self._setup.wanted)

    def keep_episodes(self, keep: bool, worlds: bool = False) -> None:
        self._setup.keep_episodes = keep, worlds
        self._order_all("keep_episodes", keep, worlds)

    def _order_all(self, method: str, *args: Any) -> None:
        for worker in self.workers:
            self._order(worker, method, *args)

    def _order(self, worker: Worker, method: str, *args: Any) -> None:
        if worker.phase is not Phase.DOWN:  # a process that is yet to be started is told everything then
            worker.orders.append((method, args))

    def poll_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def poll_episodes(self) -> list[Episode]:
        episodes, self._episodes = self._episodes, []
        return episodes

    def poll_failures(self) -> list[FailedStart]:
        failures = self._failures + self._supervisor.failed_starts
        self._failures.clear()
        self._supervisor.failed_starts.clear()
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
        self._setup.next_start[env] = starts_of(self.spec.name, data)[1]  # for the worker's replacement

    def render(self, env: int = 0) -> np.ndarray:
        return self._call(env, "render", repeat=True)

    def _call(self, env: int, method: str, *args: Any, repeat: bool = False) -> Any:
        """Have a worker do something for one environment; the rows of one that fails at it are lost as in a step."""
        self._check_idle()
        worker = self._worker_of(env)
        for _ in range(2 if repeat else 1):
            self._supervisor.wait_until_up(worker)
            if not self._supervisor.call(worker, method, env - worker.first_env, *args):
                continue
            for _, (kind, payload) in self._supervisor.gather([worker], self._supervisor.limits.timeout_s):
                return self._result(worker, method, kind, payload)
        raise WorkerError(f"worker {worker.index} was lost during {method} of environment {env}")

    def _result(self, worker: Worker, method: str, kind: bytes, payload: bytes) -> Any:
        if kind == REFUSED:
            name, message, trace = pickle.loads(payload)
            if name in CALLERS_ERRORS:
                raise CALLERS_ERRORS[name](message)
            raise WorkerError(f"{method} failed in {worker}:\n{trace}")
        result, news = pickle.loads(payload)
        self._note(worker, news)
        return result

    def _worker_of(self, env: int) -> Worker:
        if not 0 <= env < self.num_envs:
            raise IndexError(f"environment {env} of {self.num_envs}")
        return next(worker for worker in self.workers if env < worker.envs.stop)

    def _check_idle(self) -> None:
        if self._supervisor.closed:
            raise RuntimeError("the worker pool is closed")
        if self._asked is not None:
            raise RuntimeError("a step is under way: call recv first")

    def close(self) -> None:
        """End all workers, within two seconds; the arrays stay readable."""
        self._finalizer()


def _make_workers(num_envs: int, num_workers: int, agents: int) -> list[Worker]:
    """Neighbouring environments for each worker, as equal as can be."""
    sizes = [len(part) for part in np.array_split(np.arange(num_envs), num_workers)]
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    slices = enumerate(zip(firsts, sizes, strict=True))
    return [Worker(i, first, size, agents) for i, (first, size) in slices]
