"""From settings to a run: everything it is made of, checked before a byte is written."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from curriculum.manager import CurriculumManager
from policies import registry as policy_registry
from puffer_envs import registry as env_registry
from puffer_envs.contract.spec import EnvSpec
from puffer_envs.contract.vector_env import VectorEnv
from puffer_envs.kit.process import usable_cores
from training.common.learner import Learner
from training.off_policy.dqn import DQN
from training.off_policy.protocol import Algorithm
from training.off_policy.replay import stream_length
from training.off_policy.runner import OffPolicy
from training.off_policy.sac import SAC
from training.on_policy.runner import OnPolicy
from training.run import cli, machine, preflight, resuming
from training.run.config import RunConfig
from training.run.environments import make_env
from training.run.preflight import UserError
from training.run.run import Run
from training.selfplay.league import League
from training.selfplay.pool import FOLDER
from training.store import checkpoint
from training.store.lock import RunLock

T = TypeVar("T")


def build(config: RunConfig) -> Run:
    """Check, build and, with `--resume`, load. The run is locked from here on, until it is closed.

    Raises:
        UserError: something the user can mend; nothing was written.
    """
    lock = preflight.lock_run(config.runs_dir, config.savestates_dir, config.run_name)
    try:
        return _build(config, lock)
    except BaseException:
        lock.release()
        raise


def _build(config: RunConfig, lock: RunLock) -> Run:
    device = preflight.pick_device(config.device)
    game = env_registry.resolve(config.env)
    spec = _tried(lambda: game.spec(config.game))
    machine.prepare(_torch_threads(config, device))
    torch.manual_seed(config.seed)
    policy = _tried(lambda: policy_registry.build(game.network, spec.layout, spec.action, config.policy, config.algo))
    _check_minibatches(config, spec, policy)
    memory = _tried(lambda: _preflight(config, spec, policy, device))
    saved = resuming.saved(config) if config.resume else None
    written = cli.saved_settings(config) if config.resume else {}
    if config.resume and saved is None:
        resuming.clear_savestates(config)
    _tried(lambda: game.check(config.game))
    env = _tried(lambda: make_env(config))
    run = _tried(lambda: _assemble(config, env, policy, device, lock))
    if saved is None:
        run.start()
    else:
        resuming.load(run, saved)
    for line in _banner(config, device, memory, saved).splitlines():
        run.logger.message(line)
    for line in resuming.changes(config, written, 0 if saved is None else saved.step) if config.resume else ():
        run.logger.message(line)
    return run


def _assemble(config: RunConfig, env: VectorEnv, policy: Any, device: torch.device, lock: RunLock) -> Run:
    seeds = np.random.SeedSequence(config.seed, spawn_key=(3,)).generate_state(4).tolist()
    learner: Learner
    if config.off_policy:
        learner = OffPolicy(
            config.learner,
            config.intrinsic,
            env,
            _algorithm(config, env, policy, seeds[3], device),
            config.runs_dir / config.run_name / "replay",
            seed=config.seed,
            sampling=seeds[1],
            test_epsilon=config.evaluation.epsilon,
        )
    else:
        league = _league(config, env, policy, seeds[3], device)
        learner = OnPolicy(config.learner, config.total_steps, env, policy, seeds[1], seeds[2], device, league)
    game = env_registry.resolve(config.env)
    manager = CurriculumManager(
        env.spec.milestones,
        config.savestates_dir / config.run_name,
        config.curriculum,
        seed=seeds[0],
        world_id=game.world_id(config.game),
        inspect=game.inspect_state,
        run_name=config.run_name,
        agents_per_env=env.spec.agents_per_env,
    )
    return Run(config, device, env, learner, manager, lock)


def _algorithm(config: RunConfig, env: VectorEnv, policy: Any, seed: int, device: torch.device) -> Algorithm:
    if config.algo == "sac":
        return SAC(policy, config.learner, env.spec.action, seed, device)
    return DQN(policy, config.learner, device)


def _league(config: RunConfig, env: VectorEnv, policy: Any, seed: int, device: torch.device) -> League | None:
    """Who plays the second agent, where the game leaves that open."""
    game, settings = env_registry.resolve(config.env), config.selfplay
    if settings is None or not game.versus(config.game):
        return None
    if unknown := sorted(set(settings.scripts) - set(env.spec.scripts)):
        raise UserError(
            f"--selfplay.scripts {unknown[0]}: {game.name} has no such player; it has {', '.join(env.spec.scripts)}"
        )
    weights = [settings.snapshots, *settings.scripts.values()]
    if min(weights) < 0 or not sum(weights):
        raise UserError("--selfplay.snapshots and --selfplay.scripts: weights are at least 0, and one is above")
    return League(env, policy, settings, game.outcome, config.runs_dir / config.run_name / FOLDER, seed, device)


def _check_minibatches(config: RunConfig, spec: EnvSpec, policy: Any) -> None:
    """A minibatch takes something: whole rows where the network has a memory, decisions elsewhere."""
    if config.algo != "ppo":
        return
    rows = config.num_envs * spec.agents_per_env
    most = rows if policy.state_size else rows * config.learner.num_steps
    if config.learner.num_minibatches > most:
        what = "rows, as the network has a memory" if policy.state_size else "decisions"
        raise UserError(
            f"--learner.num-minibatches {config.learner.num_minibatches}: it must be at most {most}, "
            f"since a segment has no more {what}"
        )


def _num_workers(config: RunConfig) -> int:
    """Processes that step the environments; 0: this one does."""
    if config.workers is not None:
        return min(config.workers, config.num_envs)
    return min(usable_cores(), config.num_envs) if env_registry.resolve(config.env).in_workers else 0


def _torch_threads(config: RunConfig, device: torch.device) -> int:
    """Threads of torch.

    On a CPU half of the cores: a Q-learner has its thread beside the workers and the acting, and for PPO a second job
    on the same cores makes threads that wait for each other at every layer 15 times slower. These small networks gain
    nothing beyond a few. A GPU's launches need one.
    """
    if config.torch_threads != "auto":
        return config.torch_threads
    cores = usable_cores()
    return max(1, min(cores // 2, 4)) if device.type == "cpu" else 1


def _preflight(config: RunConfig, spec: EnvSpec, policy: Any, device: torch.device) -> dict[str, int]:
    """Check everything that can be checked without writing; the memory that the run will take, part by part."""
    records, record_bytes = _stored(config, spec, policy)
    parameters = sum(parameter.numel() for parameter in policy.parameters())
    on_host = device.type != "cuda"
    memory = preflight.predict_memory(
        records=records,
        record_bytes=record_bytes * on_host,
        parameters=parameters,
        update=_update_bytes(config, records, policy) * on_host,
        environments=_environment_bytes(config),
    )
    disk = preflight.predict_disk(
        records=records,
        record_bytes=record_bytes,
        parameters=parameters,
        total_steps=config.total_steps,
        save_interval=config.save_interval,
        kept=checkpoint.KEPT,
    )
    preflight.preflight(
        config.runs_dir,
        config.savestates_dir,
        config.run_name,
        resume=config.resume,
        disk_bytes=disk,
        memory=memory,
    )
    return memory


def _stored(config: RunConfig, spec: EnvSpec, policy: Any) -> tuple[int, int]:
    """Decisions that the learner holds, in the replay or in a segment, and the bytes of each."""
    rows = config.num_envs * spec.agents_per_env
    if config.off_policy:
        beside = 4 * (policy.state_size // 8 + spec.action.size)
        return rows * stream_length(config.learner.replay_size, rows), spec.layout.nbytes + beside + 16
    return rows * config.learner.num_steps, spec.layout.nbytes + 32


def _update_bytes(config: RunConfig, records: int, policy: Any) -> int:
    """What a network remembers of a minibatch, forwards and backwards; a Q-network's batch is next to nothing."""
    if config.off_policy:
        return config.learner.batch_size * policy.bytes_of_a_row if config.algo == "sac" else 0
    return records // config.learner.num_minibatches * policy.bytes_of_a_row


def _environment_bytes(config: RunConfig) -> int:
    """What the environments take with their processes: those of the training, of evaluations and of videos."""
    tests = config.evaluation_sets.values() if config.evaluation.interval else ()
    pools = [(config.game, config.num_envs)]
    pools += [(config.game._replace(**settings), config.evaluation.episodes) for settings in tests]
    if config.video_interval > 0:
        pools.append((config.game, 1))  # see `Evaluator._env`
    workers = sum(min(_num_workers(config), num_envs) for _, num_envs in pools)
    measure = env_registry.resolve(config.env).memory_bytes
    return workers * preflight.WORKER_BYTES + sum(measure(game, num_envs) for game, num_envs in pools)


def _banner(config: RunConfig, device: torch.device, memory: dict[str, int], saved: checkpoint.Loaded | None) -> str:
    return preflight.banner(
        run_name=config.run_name,
        env=config.env,
        begins_again=config.resume and saved is None,
        model=f"{config.model_size}, {config.algo}",
        device=device,
        num_envs=config.num_envs,
        num_workers=_num_workers(config),
        torch_threads=_torch_threads(config, device),
        memory=memory,
        folder=config.runs_dir / config.run_name,
        savestates=config.savestates_dir / config.run_name,
        resume_step=None if saved is None else saved.step,
    )


def _tried(make: Callable[[], T]) -> T:
    """Faults of a file, a state or a setting are the user's to mend: one sentence, not a traceback."""
    try:
        return make()
    except ValueError as error:
        raise UserError(str(error)) from error
