"""Territory: games of random actions on large maps, the observation alone, and PPO."""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.batched import iter_forever, memory_bound, seconds_of, train_row
from benchmarks.timing import row
from puffer_envs import registry as env_registry
from puffer_envs.territory import views
from puffer_envs.territory.env import Territory
from puffer_envs.territory.state import CHANGES, MAX_CHANGES, NUM_ACTIONS

SIZE = 1024
FIRST_TICK, LAST_TICK = 100, 3_100  # of the games that are measured
SIZES = (256, 512, 1024, 2048)
CHANGED = (0, 64, 512, 4_096, MAX_CHANGES)  # tiles since the last look
LOOKS = 60  # at each number of changed tiles
MIDGAME = 1_500  # tick of the games whose observations are measured


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a part."""
    for num_envs in (1, args.num_envs):
        yield games_row(SIZE, num_envs)
    yield from looks_rows()
    for size in SIZES:
        if size != SIZE:
            yield games_row(size, 1)
    for size, model_size in ((256, "slim"), (SIZE, "slim"), (SIZE, "large")):
        yield train_row(args, _common(size, args.num_envs) | {"model_size": model_size}, _env_flags(size))


def _common(size: int, num_envs: int) -> dict[str, Any]:
    return {"env": "territory", "num_envs": num_envs, "agents": 1, "threads": 1, "map_size": size}


def _env_flags(size: int) -> list[str]:
    return ["--env.map-size", str(size)]


def make(size: int, num_envs: int) -> Territory:
    """Games on one generated map, a tick a step, on one thread."""
    config = env_registry.configure("territory", map_size=size, num_maps=1, ticks_per_step=1)
    env = Territory(config, num_envs, num_threads=1)
    env.reset(0)
    return env


# -- games -------------------------------------------------------------------------------------------------------------
def games_row(size: int, num_envs: int) -> dict[str, Any]:
    """Random actions from one tick to another, observations included; games that end begin anew."""
    env = make(size, num_envs)
    draws = np.random.default_rng(0).integers(0, NUM_ACTIONS, (1024, num_envs), dtype=np.int32)
    actions, changed = iter_forever(draws), 0
    for _ in range(FIRST_TICK):
        env.step(next(actions))
    look = env.observe

    def counted(out: np.ndarray, rows: np.ndarray) -> None:
        nonlocal changed
        changed += int(np.minimum(env.state.numbers[:, CHANGES], MAX_CHANGES).sum())
        look(out, rows)

    env.observe = counted  # type: ignore[method-assign]
    begin = time.perf_counter()
    for _ in range(LAST_TICK - FIRST_TICK):
        env.step(next(actions))
    seconds = time.perf_counter() - begin
    steps = (LAST_TICK - FIRST_TICK) * num_envs
    bound = memory_bound(env)
    ours = row(_common(size, num_envs), "env", {"steps": [steps], "seconds": [seconds]})
    told = {"bound_sps": round(bound), "ratio": ours["sps"] / bound, "reference": "writing the outputs"}
    return ours | told | {"changes_a_tick": round(changed / steps, 1)}


# -- the observation alone ---------------------------------------------------------------------------------------------
def looks_rows() -> Iterator[dict[str, Any]]:
    """The observation after so many changed tiles, beside OpenCV's pooling of the same planes in the same run."""
    env = make(SIZE, 1)
    draws = np.random.default_rng(0).integers(0, NUM_ACTIONS, (MIDGAME, 1), dtype=np.int32)
    for actions in draws:
        env.step(actions)
    reference = _with_opencv(env)
    for count in CHANGED:
        # Each side for itself: in turns OpenCV's planes would drive ours out of the cache.
        ours, theirs = _looks(env, count), [seconds_of(reference) for _ in range(LOOKS)]
        told = row(_common(SIZE, 1), "observe", {"steps": [len(ours)], "seconds": [float(np.median(ours)) * len(ours)]})
        slower = float(np.median(theirs))
        told |= {"changed_tiles": count, "microseconds": round(1e6 * float(np.median(ours)), 1)}
        yield told | {"bound_sps": round(1 / slower), "ratio": told["sps"] * slower, "reference": "cv2 INTER_AREA"}
    yield _pooled_anew(env)


def _looks(env: Territory, count: int) -> list[float]:
    """Seconds of looks at ``count`` changes each, as a game brought them about, one after the other."""
    if count == 0:
        return [seconds_of(lambda: env.observe(env.observations, env.agent_ids)) for _ in range(LOOKS)]
    actions = np.random.default_rng(1)
    wanted, numbers, changes = max(count, min(MAX_CHANGES, LOOKS * count)), env.state.numbers[0], env.state.changes[0]
    while numbers[CHANGES] < wanted:  # play on without looking
        env.actions[:] = actions.integers(0, NUM_ACTIONS, 1)
        env.reward_terms[:] = 0
        env.act()
    log, seconds = changes[: min(wanted, MAX_CHANGES)].copy(), []
    for first in range(0, len(log) - count + 1, count):
        changes[:count], numbers[CHANGES] = log[first : first + count], count
        seconds.append(seconds_of(lambda: env.observe(env.observations, env.agent_ids)))
    env._forget_views(0)  # the changes beyond the log
    env.observe(env.observations, env.agent_ids)
    return seconds


def _pooled_anew(env: Territory) -> dict[str, Any]:
    seconds = []
    for _ in range(LOOKS):
        env._forget_views(0)
        seconds.append(seconds_of(lambda: env.observe(env.observations, env.agent_ids)))
    told = row(_common(SIZE, 1), "pool", {"steps": [LOOKS], "seconds": [float(np.median(seconds)) * LOOKS]})
    return told | {"microseconds": round(1e6 * float(np.median(seconds)), 1)}


def _with_opencv(env: Territory) -> Callable[[], None]:
    """Five planes of the whole map and of the local window by INTER_AREA, and the tactical window cut out."""
    import cv2

    cv2.setNumThreads(1)
    owner = env.state.owner[0].reshape(SIZE, SIZE)
    free = ((env.grounds[0] >> 4) & 3 > 0).reshape(SIZE, SIZE) & (owner == 0)
    levels = np.array(
        [0] + [views.level(*pair) for pair in zip(env.state.troops[0, 1:], env.state.tiles[0, 1:], strict=True)],
        np.uint8,
    )
    planes = [
        255 * (owner == 1),
        255 * (owner > 1),
        255 * free,
        levels[owner] * (owner == 1),
        levels[owner] * (owner > 1),
    ]
    planes = [plane.astype(np.uint8) for plane in planes]
    _, local, tactical = env._views
    edge = local.blocks * local.size
    (x, y), (u, v) = local.origin[0].tolist(), np.clip(tactical.origin[0], 0, SIZE - tactical.blocks).tolist()
    out = np.zeros(env.spec.layout.size, np.uint8)
    whole = env.spec.layout.raw(out, "global").reshape(-1, 128, 128)
    near = env.spec.layout.raw(out, "local").reshape(-1, 128, 128)
    close = env.spec.layout.raw(out, "tactical").reshape(-1, 64, 64)

    def pool() -> None:
        for i, plane in enumerate(planes):
            cv2.resize(plane, (128, 128), dst=whole[i], interpolation=cv2.INTER_AREA)
            cv2.resize(plane[y : y + edge, x : x + edge], (128, 128), dst=near[i], interpolation=cv2.INTER_AREA)
            close[i] = plane[v : v + 64, u : u + 64]

    return pool
