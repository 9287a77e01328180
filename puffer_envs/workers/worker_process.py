"""What runs in a worker: make the environments, then step and answer until the parent closes the socket."""

import importlib
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.records import Episode, Event, FailedStart, Report
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.workers import fork_server
from puffer_envs.workers.fork_server import Channel, Slot

# Kinds of messages: to a worker ...
STEP, CALL = b"s", b"c"
# ... and from it
READY, DONE, RESULT, REFUSED, FAILED = b"r", b".", b"=", b"x", b"!"

# Errors that belong to the caller, as they would without a worker in between.
CALLERS_ERRORS = {error.__name__: error for error in (StateFileError, KeyError, ValueError, NotImplementedError)}


class News(NamedTuple):
    """What a worker has to tell beside the arrays; rows are the worker's own."""

    events: list[Event]
    episodes: list[Episode]
    failures: list[FailedStart]
    report: Report | None


@dataclass
class Setup:
    """What every new process is told; the pool keeps it up to date."""

    factory: Callable[..., BatchedEnv]
    seed: int
    report_interval: int
    wanted: np.ndarray  # bool [M], milestones whose events carry the world
    next_start: list[str | None]  # of each environment
    next_seats: dict[int, tuple[int, ...]] = field(default_factory=dict)  # of environments where any were chosen
    states: dict[str, bytes] = field(default_factory=dict)  # packed
    keep_episodes: tuple[bool, bool] = False, False  # and their worlds


class WorkerInit(NamedTuple):
    """All that one process is given at its start."""

    setup: Setup
    num_envs: int
    first_env: int
    rows: slice
    slots: dict[str, Slot]
    seed: int
    next_start: list[str | None]  # of its own environments
    reset: bool  # a replacement begins to play at once


# -- in the server, before the first fork ------------------------------------------------------------------------
def warm_up(pickled_factory: bytes, preload: Iterable[str]) -> None:
    """Play a little, so that all workers share what was imported and compiled, and none compiles during a step.

    A first compilation takes many seconds, each worker would do it, and it would look like hanging.
    """
    for name in preload:
        importlib.import_module(name)
    env: BatchedEnv = pickle.loads(pickled_factory)(num_envs=1, seed=0, first_env=0, report_interval=1, buf=None)
    try:
        env.reset()
        for _ in range(2):
            env.step(np.zeros_like(env.actions))
            env.request_reset(np.ones(1, np.bool_))
        env.restore(0, env.snapshot(0))
        env.load_state(0, env.save_state(0))
    finally:
        env.close()


# -- in the worker -------------------------------------------------------------------------------------------------
def run(sock: socket.socket, memory: int, shared_init: int) -> None:
    """A worker's whole life: make the environments, then step and answer until the parent closes the socket."""
    channel = Channel(sock)
    try:
        env = _make(pickle.loads(fork_server.read_shared_bytes(shared_init)), memory)
        os.close(memory)
        os.close(shared_init)
        channel.send(READY)
        while True:
            if not channel.has_mail():
                env.prepare()
            try:
                kind, payload = channel.receive()
            except EOFError:
                env.close()
                return
            channel.send(*(_step(env, payload) if kind == STEP else _answer(env, payload)))
    except EOFError:
        return  # the parent is gone
    except BaseException:
        # Whatever state the environments are in now, nobody should step them again.
        channel.send(FAILED, traceback.format_exc().encode())
        raise


def _make(init: WorkerInit, memory: int) -> BatchedEnv:
    setup = init.setup
    buffers = {name: array[init.rows] for name, array in fork_server.attach(memory, init.slots).items()}
    env = setup.factory(
        num_envs=init.num_envs,
        seed=init.seed,
        first_env=init.first_env,
        report_interval=setup.report_interval,
        buf=buffers,
    )
    if "torch" in sys.modules:
        raise RuntimeError("the environment imports torch: 200 MB and seconds for every worker, and threads")
    env.want_states(setup.wanted)
    env.keep_episodes(*setup.keep_episodes)
    for state_id, state in setup.states.items():
        env.add_state(state_id, state)
    for index, start in enumerate(init.next_start):
        env.set_next_start(index, start)
        if init.first_env + index in setup.next_seats:
            env.set_next_seats(index, setup.next_seats[init.first_env + index])
    if init.reset:
        env.reset()
    return env


def _step(env: BatchedEnv, payload: bytes) -> tuple[bytes, bytes]:
    if payload:
        _obey(env, pickle.loads(payload)[0])
    env.send(env.actions)
    news = _news(env)
    return DONE, pickle.dumps(news) if any(news) else b""


def _answer(env: BatchedEnv, payload: bytes) -> tuple[bytes, bytes]:
    orders, (method, args) = pickle.loads(payload)
    _obey(env, orders)
    try:
        result = getattr(env, method)(*args)
    except Exception as error:
        message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
        names = [cls.__name__ for cls in type(error).__mro__]
        name = next((name for name in names if name in CALLERS_ERRORS), names[0])
        return REFUSED, pickle.dumps((name, message, traceback.format_exc()))
    if method == "reset":
        result = None  # the observations lie in shared memory
    return RESULT, pickle.dumps((result, _news(env)))


def _obey(env: BatchedEnv, orders: list[tuple[str, tuple]]) -> None:
    for method, args in orders:
        getattr(env, method)(*args)


def _news(env: BatchedEnv) -> News:
    report, env.report = env.report, None
    return News(env.poll_events(), env.poll_episodes(), env.poll_failures(), report)
