"""The worker pool: the same results as without it, and nothing that a worker can do stops the run.

Times are asserted only where a promise is made (death seen within 1 s, a hang within the time-out + 1 s, full strength
within 6 s, no survivor 2 s after the parent), with room for a loaded machine.
"""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puffer_envs.contract.batched import BatchedEnv
from puffer_envs.contract.state_file import StateFileError
from puffer_envs.kit.process import in_worker
from puffer_envs.workers import fork_server
from puffer_envs.workers.fork_server import Channel
from puffer_envs.workers.pool import Phase, WorkerError, WorkerPool
from tests.probes import KILL, PROBES, RAISE, SPIN, STOP, Dice, DiceConfig, Pair, PairConfig, dice_spec, pair_spec

NUM_ENVS = 7  # three workers get 3, 2 and 2
SLOWER = 4.0  # how much longer than promised a loaded machine may take
TIMEOUT_S = 1.0


@pytest.fixture
def pool() -> Iterator[Callable[..., WorkerPool]]:
    """Makes pools of `Dice`, and closes them after the test."""
    made = []

    def make(num_workers: int = 3, num_envs: int = NUM_ENVS, config: Any = None, **options: Any) -> WorkerPool:
        config = DiceConfig(dangerous=True) if config is None else config
        factory = partial(Dice, config)
        made.append(WorkerPool(factory, dice_spec(config), num_envs, num_workers=num_workers, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def harmless(step: int, num_envs: int = NUM_ENVS) -> np.ndarray:
    """Actions that depend on step and row."""
    return np.array([(7 * step + 3 * row) % 4 for row in range(num_envs)], np.int32)


def rows_of(env: Any, rows: Any = slice(None)) -> list[bytes]:
    names = ("observations", "rewards", "terminals", "truncations", "masks", "reward_terms", "milestones_held")
    return [getattr(env, name)[rows].tobytes() for name in names]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def step_until(env: WorkerPool, condition: Callable[[], bool], seconds: float = 6 * SLOWER) -> int:
    """Step until something holds; how many steps it took."""
    deadline, steps = time.monotonic() + seconds, 0
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        env.step(harmless(steps, env.num_envs))
        steps += 1
        time.sleep(0.002)  # as if a policy thought about it
    return steps


# -- the same as without workers -----------------------------------------------------------------------------------
def _trace(env: Any, seed: int) -> str:
    """Hash of all that a run shows: arrays, events, episodes, failures, infos, snapshots."""
    digest = hashlib.sha256()
    env.keep_episodes(True)
    env.want_states(np.array([True, False]))
    env.reset(seed)
    for step in range(120):
        env.step(harmless(step))
        for part in (*rows_of(env), env.novelty_keys.tobytes()):
            digest.update(part)
        ended = env.terminals | env.truncations
        digest.update(env.final_observations[ended].tobytes())
        told = (env.poll_events(), env.poll_episodes(), env.poll_failures(), env.infos)
        digest.update(repr(told).encode())
        if step == 20:
            env.add_state("early", env.save_state(2))
            env.add_state("bad", b"bad")
            env.set_next_start(6, "early")
            env.set_next_start(1, "bad")
        if step == 30:
            env.request_reset(np.arange(NUM_ENVS) % 3 != 0)
        if step == 50:
            env.load_state(5, env.save_state(0))
            env.restore(3, env.snapshot(4))
            env.remove_state("early")
    for i in range(NUM_ENVS):
        digest.update(env.snapshot(i))
    digest.update(env.render(4).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_bytes_for_any_number_of_workers(pool: Callable[..., WorkerPool], seed: int) -> None:
    config = DiceConfig()
    alone = _trace(Dice(config, NUM_ENVS, report_interval=16), seed)
    assert _trace(pool(1, config=config, report_interval=16), seed) == alone
    assert _trace(pool(2, config=config, report_interval=16), seed) == alone
    if seed == 0:
        assert _trace(pool(NUM_ENVS, config=config, report_interval=16), seed) == alone
        assert _trace(Dice(config, NUM_ENVS, report_interval=16), seed + 1) != alone


def test_rows_of_several_agents() -> None:
    config = PairConfig()
    alone = Pair(config, 5, seed=3)
    env = WorkerPool(partial(Pair, config), pair_spec(config), 5, num_workers=2, seed=3)
    for each in (alone, env):
        each.reset()
        each.keep_episodes(True)
    for step in range(20):
        actions = np.array([(step + row) % 3 for row in range(10)])
        alone.step(actions)
        env.step(actions)
        assert rows_of(alone) == rows_of(env)
        assert repr(alone.poll_episodes()) == repr(env.poll_episodes())
    env.close()


def test_calls_that_go_wrong_are_the_callers(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2)
    env.reset(seed=0)
    before = env.snapshot(5)
    with pytest.raises(StateFileError, match="checksum"):
        env.restore(5, before[:-1])
    with pytest.raises(StateFileError, match="too few"):
        env.load_state(5, b"")
    with pytest.raises(KeyError, match="no savestate 'x'"):
        env.set_next_start(5, "x")
    with pytest.raises(IndexError):
        env.snapshot(NUM_ENVS)
    with pytest.raises(RuntimeError, match="recv was called without send"):
        env.recv()
    env.send(harmless(0))
    with pytest.raises(RuntimeError, match="call recv first"):
        env.snapshot(0)
    with pytest.raises(RuntimeError, match="call recv first"):
        env.send(harmless(0))
    env.recv()
    assert env.masks.all()
    assert all(worker.restarts == 0 for worker in env.workers)


def test_number_of_workers_is_checked() -> None:
    for wrong in (0, 3):
        with pytest.raises(ValueError, match="num_workers"):
            WorkerPool(partial(Dice, DiceConfig()), dice_spec(DiceConfig()), 2, num_workers=wrong)


# -- what a worker can do ------------------------------------------------------------------------------------------
def _kill_outside(env: WorkerPool) -> None:
    os.kill(env.workers[1].pid, signal.SIGKILL)


def _stop_outside(env: WorkerPool) -> None:
    os.kill(env.workers[1].pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("deed", "seen_within", "named"),
    [
        (RAISE, 1.0, "told to raise"),
        (KILL, 1.0, "SIGKILL"),
        (SPIN, TIMEOUT_S + 1.0, "hung"),
        (STOP, TIMEOUT_S + 1.0, "hung"),
        (_kill_outside, 1.0, "SIGKILL"),
        (_stop_outside, TIMEOUT_S + 1.0, "hung"),
    ],
    ids=["raise", "kill", "spin", "stop", "killed", "stopped"],
)
def test_a_lost_worker_is_replaced(
    pool: Callable[..., WorkerPool], caplog: pytest.LogCaptureFixture, deed: Any, seen_within: float, named: str
) -> None:
    """Seen in time, named, masked, replaced; the other rows are those of a pool that lost nobody, bit for bit."""
    env = pool(seed=5, timeout_s=TIMEOUT_S)
    twin = Dice(DiceConfig(), NUM_ENVS, seed=5)
    for each in (env, twin):
        each.keep_episodes(True)
        each.reset()
    lost = env.workers[1]
    pid, rows = lost.pid, lost.rows
    others = np.setdiff1d(np.arange(NUM_ENVS), np.arange(NUM_ENVS)[rows])
    assert len(others) == 5
    for step in range(10):
        env.step(harmless(step))
        twin.step(harmless(step))

    actions, twins = harmless(10), harmless(10)
    if callable(deed):
        deed(env)
    else:
        actions[rows.start] = deed
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, "pufferswarm.workers"):
        env.step(actions)
    assert time.monotonic() - begun < seen_within * SLOWER
    twin.step(twins)
    assert env.truncations[rows].all()
    assert not env.masks[rows].any()
    assert not env.rewards[rows].any()
    assert not env.terminals[rows].any()
    assert rows_of(env, others) == rows_of(twin, others)
    text = caplog.text
    assert f"worker 1 (pid {pid}, environments 3-4)" in text
    assert named in text
    assert not is_alive(pid)

    step = 11
    while not env.masks.all():
        assert time.monotonic() - begun < seen_within + 6 * SLOWER, "no replacement came"
        env.step(harmless(step))
        twin.step(harmless(step))
        assert rows_of(env, others) == rows_of(twin, others)
        if not env.masks[rows].any():
            assert not env.truncations[rows].any(), "the loss was told twice"
            assert not env.rewards[rows].any()
        step += 1
    # The replacement's first observations: its episodes have just begun, and have not ended.
    assert not env.truncations[rows].any()
    assert not env.terminals[rows].any()
    assert (env.observations[rows, 9] == 0).all()  # the dice's clock
    first = env.observations[rows].copy()
    env.poll_episodes()
    for _ in range(60):
        env.step(harmless(step))
        twin.step(harmless(step))
        step += 1
        assert rows_of(env, others) == rows_of(twin, others)
    assert {episode.summary["pid"] for episode in env.poll_episodes()} == {worker.pid for worker in env.workers}
    assert lost.pid != pid
    assert lost.restarts == 1
    fresh = Dice(DiceConfig(), NUM_ENVS, seed=5)
    fresh.reset()
    assert (fresh.observations[rows] != first).any(), "the replacement plays its predecessor's episodes again"


def test_a_loss_can_be_read_until_the_next_step(pool: Callable[..., WorkerPool]) -> None:
    """A replacement resets its rows in shared memory, and must not do so under the eyes of who reads them."""
    env = pool(2, num_envs=4)
    env.reset(seed=0)
    actions = harmless(0, 4)
    actions[2] = RAISE
    env.step(actions)
    for _ in range(20):
        assert env.truncations[2:].all()
        assert not env.masks[2:].any()
        assert not env.observations[2:].any()
        time.sleep(0.02)
    step_until(env, lambda: bool(env.masks.all()))


def test_nobody_pays_for_worlds_that_nobody_asked_for(pool, monkeypatch) -> None:
    monkeypatch.setattr("puffer_envs.workers.pool.MAX_PENDING", 3)
    env = pool(2, num_envs=4)
    env.reset(seed=0)
    seen = 0
    for step in range(200):
        env.step(harmless(step, 4))
        seen = max(seen, len(env._events))
    assert seen == 3, "events that nobody polls must not fill the memory"
    assert all(event.state is None for event in env.poll_events())


def test_a_replacement_knows_what_it_must(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2, num_envs=4)
    env.keep_episodes(True)
    env.want_states(np.array([False, True]))
    env.reset(seed=0)
    for step in range(3):
        env.step(harmless(step, 4))
    env.add_state("start", env.save_state(0))
    env.set_next_start(3, "start")
    os.kill(env.workers[1].pid, signal.SIGKILL)
    env.step(harmless(3, 4))  # tells of the loss
    env.step(harmless(4, 4))  # the replacement starts
    env.add_state("later", env.save_state(0))
    env.set_next_start(2, "later")  # said while it does
    env.poll_events()
    step_until(env, lambda: bool(env.masks.all()))
    env.poll_episodes()
    env.request_reset(np.ones(4, np.bool_))
    env.step(harmless(5, 4))
    assert [episode.start_state for episode in env.poll_episodes() if episode.row >= 2] == [None, "start"]
    env.request_reset(np.ones(4, np.bool_))
    env.step(harmless(6, 4))
    starts = {episode.row: episode.start_state for episode in env.poll_episodes()}
    assert starts[2] == "later"
    assert starts[3] is None
    step_until(env, lambda: any(event.row >= 2 for event in env._events))
    assert all((event.state is None) == (event.milestone == 0) for event in env.poll_events())


def test_all_workers_lost_at_once(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2)
    env.reset(seed=0)
    for worker in env.workers:
        os.kill(worker.pid, signal.SIGKILL)
    env.step(harmless(0))
    assert not env.masks.any()
    assert env.truncations.all()
    env.step(harmless(1))  # nobody is left to step: waits for the first replacement
    assert env.masks.any()
    step_until(env, lambda: bool(env.masks.all()))


def test_a_killed_server_takes_the_workers_along_and_all_come_back(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2)
    env.reset(seed=0)
    env._supervisor.server._process.kill()
    assert wait_for(lambda: not any(is_alive(worker.pid) for worker in env.workers), SLOWER)
    step_until(env, lambda: not env.masks.all())
    step_until(env, lambda: bool(env.masks.all()))
    for step in range(20):
        env.step(harmless(step))
    assert sum(worker.restarts for worker in env.workers) == 2  # the new server is not asked for the old one's


def test_a_loss_between_steps_is_shown_by_the_next_one(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2)
    env.reset(seed=0)
    env.step(harmless(0))
    os.kill(env.workers[0].pid, signal.SIGKILL)
    shot = env.snapshot(1)  # waits for the replacement
    assert shot
    assert not env.masks[env.workers[0].rows].any()
    env.step(harmless(1))
    assert env.truncations[env.workers[0].rows].all()
    assert not env.masks[env.workers[0].rows].any()
    env.step(harmless(2))
    assert env.masks.all()
    assert (env.observations[env.workers[0].rows, 9] == 0).all()


def test_a_replacement_begins_where_the_restored_rows_were_to_begin(pool: Callable[..., WorkerPool]) -> None:
    env, other = pool(num_workers=1, num_envs=2), pool(num_workers=1, num_envs=2)
    for each in (env, other):
        each.reset(seed=1)
        each.add_state("here", each.save_state(0))
        each.step(harmless(0, 2))
    env.set_next_start(1, "here")
    snapshots = [env.snapshot(i) for i in range(2)]
    for i, snapshot in enumerate(snapshots):
        other.restore(i, snapshot)
    other.keep_episodes(True)
    other.step(np.array([KILL, 0]))
    episodes: list = []
    assert wait_for(lambda: bool(other.step(harmless(1, 2))) and other.masks.all(), 6 * SLOWER)
    other.request_reset(np.ones(2, np.bool_))
    other.step(harmless(2, 2))
    episodes += other.poll_episodes()
    assert [episode.start_state for episode in episodes][-2:] == [None, "here"]


def test_restore_that_kills_is_not_repeated(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2, timeout_s=TIMEOUT_S)
    env.reset(seed=0)
    shot = env.snapshot(0)
    os.kill(env.workers[0].pid, signal.SIGSTOP)
    with pytest.raises(WorkerError, match="lost during restore"):
        env.restore(0, shot)
    env.restore(0, shot)
    assert env.snapshot(0) == shot


# -- starts that fail ----------------------------------------------------------------------------------------------
def test_a_pool_that_cannot_start_says_why(pool: Callable[..., WorkerPool], tmp_path: Path) -> None:
    (tmp_path / "no").touch()
    with pytest.raises(WorkerError, match=r"(?s)worker \d .*told not to start"):
        pool(config=DiceConfig(refuse_start=str(tmp_path / "no")))


@pytest.mark.parametrize(
    ("starts", "suspects"),
    [
        ((None, "a", None, None), [(1, "a")]),
        ((None, "a", "a", None), [(1, "a")]),  # one death is one failure
        (("a", "b", None, None), []),  # two deaths would evict both, and one of them is good
        ((None, None, None, None), []),
    ],
)
def test_a_failing_start_is_tried_again(
    pool: Callable[..., WorkerPool],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    starts: tuple[str | None, ...],
    suspects: list[tuple[int, str]],
) -> None:
    refuse = tmp_path / "no"
    env = pool(2, config=DiceConfig(refuse_start=str(refuse)))
    env.reset(seed=0)
    env.add_state("a", env.save_state(0))
    env.add_state("b", env.save_state(1))
    for row, start in enumerate(starts):
        env.set_next_start(row, start)
    refuse.touch()
    os.kill(env.workers[0].pid, signal.SIGKILL)
    with caplog.at_level(logging.WARNING, "pufferswarm.workers"):
        step_until(env, lambda: env.workers[0].failed_starts >= 2)
    assert not env.masks[env.workers[0].rows].any()
    assert env.masks[env.workers[1].rows].all()
    assert "told not to start" in caplog.text
    assert [(f.row, f.state_id) for f in env.poll_failures()] == suspects  # it might have been the savestate
    refuse.unlink()
    step_until(env, lambda: bool(env.masks.all()))
    assert env.poll_failures() == []
    env.keep_episodes(True)
    env.request_reset(np.ones(NUM_ENVS, np.bool_))
    env.step(harmless(0))
    assert {e.start_state for e in env.poll_episodes() if e.row in range(4)} == {None}


def test_too_many_replacements_end_the_run(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2, max_restarts=2, seed=0)
    env.reset()
    for _ in range(2):
        actions = harmless(0)
        actions[0] = RAISE
        env.step(actions)
        step_until(env, lambda: bool(env.masks.all()))
    actions[0] = RAISE
    with pytest.raises(WorkerError, match=r"(?s)worker 0 .*all 2 replacements in 600 s are spent.*told to raise"):
        env.step(actions)


def test_old_replacements_are_forgiven(pool: Callable[..., WorkerPool]) -> None:
    env = pool(1, num_envs=2, max_restarts=1, restart_window_s=0.2)
    env.reset(seed=0)
    for _ in range(3):
        os.kill(env.workers[0].pid, signal.SIGKILL)
        step_until(env, lambda: not env.masks.any())
        step_until(env, lambda: bool(env.masks.all()))
        time.sleep(0.25)


# -- what workers are, and their end ---------------------------------------------------------------------------------
class Packing(Dice):
    """Keeps savestates in another form."""

    @staticmethod
    def pack_state(state: bytes) -> bytes:
        return state if state.startswith(b"packed") else b"packed" + state

    def begin(self, env: int, state: bytes | None) -> None:
        if state is not None:
            assert state.startswith(b"packed")
            state = state.removeprefix(b"packed")
        super().begin(env, state)


def test_states_are_packed_once_for_all_workers() -> None:
    config = DiceConfig()
    env = WorkerPool(partial(Packing, config), dice_spec(config), 4, num_workers=2, pack_state=Packing.pack_state)
    env.keep_episodes(True)
    env.reset(seed=0)
    env.add_state("a", env.save_state(0))
    assert env._setup.states["a"].startswith(b"packed")
    for row in range(4):
        env.set_next_start(row, "a")
    for _ in range(2):
        env.request_reset(np.ones(4, np.bool_))
        env.step(harmless(0, 4))
    assert [episode.start_state for episode in env.poll_episodes()][-4:] == ["a"] * 4
    os.kill(env.workers[0].pid, signal.SIGKILL)  # its replacement gets what is packed
    step_until(env, lambda: not env.masks.all())
    step_until(env, lambda: bool(env.masks.all()))
    assert env.poll_failures() == []
    env.close()


class Confession(Dice):
    """Says in its episodes what its process is like."""

    def summary(self, row: int) -> dict[str, Any]:
        print("workers do not print")
        return {
            "torch": "torch" in sys.modules,
            "worker": in_worker(),
            "threads": len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1,
            "variables": dict(os.environ),
        }


def test_workers_are_light_clean_and_quiet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    config = DiceConfig()
    env = WorkerPool(partial(Confession, config), dice_spec(config), 2, num_workers=2)
    env.keep_episodes(True)
    env.reset()
    env.request_reset(np.ones(2, np.bool_))
    env.step(harmless(0, 2))
    confessions = [episode.summary for episode in env.poll_episodes()]
    env.close()
    assert len(confessions) == 2
    assert not in_worker()
    for said in confessions:
        assert not said["torch"]
        assert said["worker"]
        assert said["threads"] == 1
        assert "secret" not in said["variables"].values()
        assert said["variables"]["OMP_NUM_THREADS"] == "1"
    assert capfd.readouterr() == ("", "")


class ImportsTorch(Dice):
    """A mistake."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        sys.modules.setdefault("torch", sys)  # as good as importing it, and faster
        super().__init__(*args, **kwargs)


def test_a_worker_with_torch_is_refused() -> None:
    with pytest.raises(WorkerError, match="imports torch"):
        WorkerPool(partial(ImportsTorch, DiceConfig()), dice_spec(DiceConfig()), 1, num_workers=1)


def test_signals_to_the_group_leave_workers_alone(pool: Callable[..., WorkerPool]) -> None:
    env = pool(2)
    env.reset(seed=0)
    for worker in env.workers:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            os.kill(worker.pid, number)
    env._supervisor.server._process.send_signal(signal.SIGTERM)
    for step in range(5):
        env.step(harmless(step))
    assert env.masks.all()


@pytest.mark.parametrize("stopped", [False, True])
def test_close_ends_all_within_two_seconds(pool: Callable[..., WorkerPool], stopped: bool) -> None:
    env = pool(2)
    env.reset(seed=0)
    pids = [worker.pid for worker in env.workers] + [env._supervisor.server._process.pid]
    if stopped:
        os.kill(pids[0], signal.SIGSTOP)
    begun = time.monotonic()
    env.close()
    assert time.monotonic() - begun < 2 * SLOWER
    assert not any(is_alive(pid) for pid in pids)
    env.close()
    assert env.observations.shape == (NUM_ENVS, 10)  # still readable
    assert env.observations.any()
    with pytest.raises(RuntimeError, match="closed"):
        env.step(harmless(0))


def test_a_forgotten_pool_ends_its_workers() -> None:
    env = WorkerPool(partial(Dice, DiceConfig()), dice_spec(DiceConfig()), 2, num_workers=2)
    pids = [worker.pid for worker in env.workers]
    assert all(is_alive(pid) for pid in pids)
    del env
    assert wait_for(lambda: not any(is_alive(pid) for pid in pids), 2 * SLOWER)


PARENT = """
import os, signal, sys, time
from functools import partial
import numpy as np
from puffer_envs.workers.pool import WorkerPool
from tests.probes import SPIN, Dice, DiceConfig, dice_spec
config = DiceConfig(dangerous=True)
env = WorkerPool(partial(Dice, config), dice_spec(config), 4, num_workers=2, timeout_s=60)
env.reset()
pids = [worker.pid for worker in env.workers] + [env._supervisor.server._process.pid]
how = sys.argv[1]
if how == "stopped":
    os.kill(pids[0], signal.SIGSTOP)
if how == "spinning":
    env.send(np.array([SPIN, 0, 0, 0]))
print(*pids, flush=True)
if how == "exit":
    sys.exit()
while True:
    if how == "stepping":
        env.step(np.zeros(4, int))
    else:
        time.sleep(1)
"""


def _parent_dies(how: str, delay: float = 0.0) -> None:
    shared_before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, how],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 3, parent.communicate()[1]
    if how != "exit":
        assert all(is_alive(pid) for pid in pids)
        time.sleep(delay)
        parent.kill()
    _, errors = parent.communicate()
    assert wait_for(lambda: not any(is_alive(pid) for pid in pids), 2 * SLOWER), "a worker survived its parent"
    assert errors == ""
    if os.path.isdir("/dev/shm"):
        assert set(os.listdir("/dev/shm")) <= shared_before


@pytest.mark.parametrize("how", ["idle", "stepping", "spinning", "stopped", "exit"])
def test_no_worker_survives_its_parent(how: str) -> None:
    _parent_dies(how)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_no_worker_survives_its_parent_at_any_moment(attempt: int) -> None:
    _parent_dies(("stepping", "spinning")[attempt % 2], delay=0.05 * np.random.default_rng(attempt).random())


PAUSED = """
from functools import partial
import numpy as np
from puffer_envs.workers.pool import WorkerPool
from tests.probes import DiceConfig, dice_spec
from tests.workers.test_workers import Slow
env = WorkerPool(partial(Slow, DiceConfig()), dice_spec(DiceConfig()), 4, num_workers=2, timeout_s=1.5)
env.reset()
print("ready", flush=True)
for _ in range(3):
    env.step(np.zeros(4, int))
print(sum(worker.restarts for worker in env.workers), flush=True)
env.close()
"""


class Slow(Dice):
    """Takes half a second for a step."""

    def act(self) -> None:
        time.sleep(0.5)
        super().act()


def test_a_pause_of_the_whole_job_is_no_hanging() -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", PAUSED],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a shell makes
    )
    assert job.stdout.readline() == "ready\n"
    time.sleep(0.2)  # the first step is under way
    os.killpg(job.pid, signal.SIGSTOP)
    time.sleep(2.5)  # longer than a worker may take
    os.killpg(job.pid, signal.SIGCONT)
    assert job.communicate(timeout=120)[0] == "0\n"


# -- what the pool stands on -----------------------------------------------------------------------------------------
def test_a_channel_keeps_its_deadline_in_the_middle_of_a_message() -> None:
    import socket

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    channel = Channel(ours)
    theirs.send(b"x\x10\x00\x00\x00half")
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive(time.monotonic() + 0.1)
    theirs.send(b" and the rest")
    with pytest.raises(TimeoutError):
        channel.send(b"y", b"\0" * (1 << 24), time.monotonic() + 0.1)
    assert time.monotonic() - begun < SLOWER
    assert channel.receive(time.monotonic()) == (b"x", b"half and the res")
    theirs.close()
    with pytest.raises(EOFError):
        channel.receive()
    ours.close()


def test_shared_arrays_are_the_same_memory() -> None:
    arrays = {"a": np.arange(5, dtype=np.int16), "empty": np.zeros((0, 3)), "flag": np.ones((2, 2), np.bool_)}
    descriptor, slots, mine = fork_server.share(arrays)
    theirs = fork_server.attach(descriptor, slots)
    os.close(descriptor)
    assert {name: array.tolist() for name, array in theirs.items()} == {k: v.tolist() for k, v in arrays.items()}
    mine["a"][2] = 99
    assert theirs["a"].tolist() == [0, 1, 99, 3, 4]
    assert not theirs["flag"].ctypes.data % 64


def test_probes_that_workers_run_are_batched_environments() -> None:
    for probe in PROBES.values():
        assert issubclass(probe.make, BatchedEnv)
    assert Phase.RUNNING.value == 3
