"""A run: its parts, and what it does besides stepping and learning — reporting, evaluating, filming, saving."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from curriculum.manager import CurriculumManager
from puffer_envs import registry as env_registry
from puffer_envs.base import VectorEnv
from puffer_envs.supervision import WorkerError
from training import checkpoint, cli, report, video
from training.background import BackgroundLearner
from training.clock import Clock
from training.collect import Collector, Step
from training.config import RunConfig
from training.dashboard import Dashboard
from training.evaluate import Evaluation, evaluate, evaluation_seed, rollout
from training.logger import RunLogger
from training.metrics import Metrics
from training.panels import EPISODES
from training.replay import SequenceBatch, SequenceReplay
from training.segments import SegmentFiles

log = logging.getLogger(__name__)

VIDEO_STEPS = 600  # decisions of a filmed episode at the most
VIDEO, EVALUATION = 0, 1  # streams of seeds beside those of the training
BEST_OF = 5  # evaluations whose mean is the figure of the run
REPORTED = ("r_env", "r_rnd", "r_novel", "r_bayes")  # components of the log line


class Run:
    """All parts of a run. As a context manager it shows the dashboard, and closes what is open at the end."""

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        env: VectorEnv,
        learner: BackgroundLearner,
        replay: SequenceReplay,
        collector: Collector,
        manager: CurriculumManager,
        sampling: np.random.Generator,
    ) -> None:
        self.config, self.device, self.env = config, device, env
        self.learner, self.replay, self.collector = learner, replay, collector
        self.manager, self.sampling = manager, sampling
        self.folder = config.runs_dir / config.run_name
        self.segments = SegmentFiles(replay, self.folder / "replay")
        self.metrics = Metrics(tuple(env.spec.reward_weights))
        self.clock = Clock()
        self.wanted: np.ndarray | None = None
        self.saved_step = -1
        self.credit = 0.0  # transitions that may be trained by now, less those that were
        self.evaluations = 0
        self.evaluation_pending = False
        self.recent_returns: deque[float] = deque(maxlen=BEST_OF)
        self.best = -np.inf
        self.timed_step, self.timed_updates = 0, 0  # where the clocks were last read
        self.timed_busy, self.timed_env = 0.0, 0.0
        self.data: dict[str, Any] = report.fixed_data(config, device)
        self.dashboard = Dashboard(self.data, config.dashboard)
        self.logger = RunLogger(self.folder, self.dashboard.show)
        self.videos = video.VideoWorker()
        self.test_envs: dict[int, VectorEnv] = {}  # kept between evaluations, by number of environments

    # -- the course of a run ---------------------------------------------------------------------------------------
    def __enter__(self) -> "Run":
        self.dashboard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dashboard.stop()
        self.learner.close()
        self.videos.close()
        for env in (self.env, *self.test_envs.values()):
            env.close()
        self.logger.__exit__(kind, error, trace)

    def start(self) -> None:
        """Begin a new run: write the settings down and give every row its first start."""
        self._write_settings()
        self._add_states()
        self._queue_starts()
        self.env.reset(self.config.seed)
        self._queue_starts()  # the reset has used the first ones

    def _queue_starts(self) -> None:
        for env in range(self.env.num_envs):
            self.env.set_next_start(env, self.manager.next_start(env))

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / "config.toml.tmp"
        temporary.write_text(cli.to_toml(self.config))
        temporary.replace(self.folder / "config.toml")

    def _add_states(self) -> None:
        for state_id in self.manager.ids():
            self.env.add_state(state_id, self.manager.load_bytes(state_id))
        self.want_states()

    def want_states(self) -> None:
        """Tell the environments which milestones' worlds are worth saving now, where that has changed."""
        wanted = self.manager.wanted()
        if self.wanted is None or not np.array_equal(wanted, self.wanted):
            self.wanted = wanted
            self.env.want_states(wanted)

    def earn(self, decisions: int) -> None:
        """Take so many decisions, just made, into account; those before `learning_starts` do not count."""
        settings = self.config.learner
        counting = min(decisions, max(0, self.collector.global_step - settings.learning_starts))
        self.credit += counting * settings.replay_ratio

    def update_due(self) -> bool:
        """Whether another update keeps the ratio of trained transitions to decisions."""
        return self.credit > 0 and bool(self.replay.starts()[1].any())

    def begin_update(self) -> None:
        """Draw a batch and begin to train on it."""
        settings = self.config.learner
        self.learner.start(self.replay.sample(settings.batch_size // settings.sequence, self.sampling))
        self.credit -= settings.batch_size

    # -- reporting -------------------------------------------------------------------------------------------------
    def report(self, step: Step) -> None:
        """Everything that is written or shown of one step of all rows."""
        self.metrics.add(step, self.env.reward_terms)
        for finished in step.episodes:
            record = report.episode_record(finished, self.env, self.manager)
            self.logger.episode(record, report.shown_milestone(self.env, self.manager))
            self.data["episodes"] = [*self.data["episodes"], record][-EPISODES:]
        if report.sample_due(self.collector):
            self.logger.steps(report.step_records(step, self.collector, self.manager))
            self.logger.positions(report.position_records(step, self.collector))
        self.data["step"] = self.collector.global_step

    def log_line(self) -> None:
        """The line and the figures of every `--log-interval`."""
        step, figures = self.collector.global_step, self.metrics.sliding() | self.metrics.flush()
        figures |= {
            "epsilon": float(self.collector.epsilon.mean()),
            "episodes": self.collector.episodes,
            "replay/records": self.replay.stored,
        }
        theta = zip(self.env.spec.milestones, self.manager.theta.tolist(), strict=True)
        figures |= {f"theta/{milestone.name}": mean for milestone, mean in theta}
        mix = self.manager.spawn_mix()
        figures |= {f"spawn/{kind}": share for kind, share in mix.items()}
        seconds, sps = self._speeds(step)
        self.logger.metrics(step, figures)
        self.logger.timing(step, {f"seconds/{part}": x for part, x in seconds.items()} | sps)
        self.logger.progress(report.progress_records(self.manager))
        self._line(step, sps["sps/total"], figures, mix)
        self.data.update(report.live_data(figures, seconds, sps, self.manager, self.collector))

    def _speeds(self, step: int) -> tuple[dict[str, float], dict[str, float]]:
        """Seconds of each part since the last line; decisions a second of the environments and in all, trained ones."""
        seconds = self.clock.take()
        updates, busy = self.learner.started, self.learner.busy_seconds
        trained = (updates - self.timed_updates) * self.config.learner.batch_size
        steps, learning = step - self.timed_step, busy - self.timed_busy
        stepping = self.collector.env_seconds - self.timed_env
        self.timed_step, self.timed_updates = step, updates
        self.timed_busy, self.timed_env = busy, self.collector.env_seconds
        return seconds | {"learner": learning}, {
            "sps/total": steps / seconds["total"],
            "sps/env": steps / max(stepping, 1e-9),
            "sps/learner": trained / max(learning, 1e-9),
        }

    def _line(self, step: int, sps: float, figures: dict[str, float], mix: dict[str, float]) -> None:
        self.logger.line(
            step=step,
            total_steps=self.config.total_steps,
            sps=sps,
            epsilon=figures["epsilon"],
            length=figures["episode/length"],
            r_env=figures["episode/return_env"],
            r_total=figures["episode/return_total"],
            components={name: figures[name] for name in REPORTED},
            episodes=self.collector.episodes,
            num_envs=self.config.num_envs,
            spawn_mix=mix,
        )

    # -- evaluating ------------------------------------------------------------------------------------------------
    def evaluate(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Play the evaluation episodes; whether the mean of the last five is the best so far.

        Where `stop` says so it breaks off and stays pending: the run that is resumed plays it first.
        """
        settings, step = self.config.evaluation, self.collector.global_step
        self.evaluation_pending = True
        with self.clock("eval"):
            seed = evaluation_seed(EVALUATION, self.evaluations, self.config.seed)
            try:
                env = self._test_env(settings.episodes)
                result = evaluate(self.learner.dqn.acting, env, settings, seed, self.device, stop)
            except (WorkerError, OSError) as error:
                self._drop_test_env(settings.episodes, f"evaluation at {step:,}", error)
                self.evaluation_pending = False
                return False
        if result is None:
            return False
        self.evaluation_pending = False
        self.evaluations += 1
        self.recent_returns.append(result.mean_return)
        figure = float(np.mean(self.recent_returns))
        self.logger.metrics(step, result.figures() | {"eval/return_last5": figure})
        self.logger.message(_evaluation_text(step, result))
        if len(self.recent_returns) < BEST_OF:  # a mean of fewer is luck
            return False
        improved = figure > self.best
        self.best = max(self.best, figure)
        return improved

    def film(self) -> None:
        """Play one episode of a new game, frame by frame into the encoder."""
        step = self.collector.global_step
        with self.clock("video"):
            seed = evaluation_seed(VIDEO, step, self.config.seed)
            try:
                epsilon, env = self.config.evaluation.epsilon, self._test_env(1)
                frames = rollout(self.learner.dqn.acting, env, VIDEO_STEPS, epsilon, seed, self.device)
                self.videos.record(frames, self.folder / "videos" / f"rollout_{step}")
            except (WorkerError, OSError) as error:
                self._drop_test_env(1, f"video at {step:,}", error)

    def _test_env(self, num_envs: int) -> VectorEnv:
        """Environments outside the training streams, in workers too: an emulator that hangs must not hang the run."""
        if num_envs not in self.test_envs:
            settings, workers = self.config.evaluation, self.config.workers
            steps = max(settings.max_steps, VIDEO_STEPS)
            protocol = {"idle_frames": settings.idle_frames, "new_game_steps": steps, "patience_steps": steps}
            overrides = {name: value for name, value in protocol.items() if name in self.config.game._fields}
            self.test_envs[num_envs] = env_registry.make(
                self.config.env, num_envs, self.config.game, num_workers=workers, **overrides
            )
        return self.test_envs[num_envs]

    def _drop_test_env(self, num_envs: int, what: str, error: Exception) -> None:
        """What is only looked at must not end the training; the next time begins with new processes."""
        log.warning("no %s: %s; training goes on", what, error)
        env = self.test_envs.pop(num_envs, None)
        if env is not None:
            env.close()

    # -- saving ----------------------------------------------------------------------------------------------------
    def save(self, best: bool = False) -> None:
        """Write a checkpoint, unless this step has one; a full disk costs the checkpoint, not the run."""
        step = self.collector.global_step
        if step == self.saved_step and not best:
            return
        masks = self.env.masks.copy()
        try:
            with self.clock("save"):
                state = self.state_dict()
                if not np.array_equal(masks, self.env.masks):
                    log.warning("no checkpoint at step %d: a worker was lost while its rows were saved", step)
                    return
                path = checkpoint.save(self.folder / "checkpoints", step, state, link_files=self.segments.write())
                if best:
                    checkpoint.mark_best(path)
        except OSError as error:
            log.warning("no checkpoint at step %d: %s; training goes on", step, error)
        else:
            self.saved_step = step
            log.info("checkpoint %s%s", path, ", the best so far" if best else "")

    def save_batch(self, batch: SequenceBatch) -> Path:
        """Keep a batch for the post-mortem."""
        path = self.folder / f"bad_batch_{self.collector.global_step}.pt"
        with contextlib.suppress(OSError):  # a full disk, on top of all
            checkpoint.save_file(path, batch._asdict())
        return path

    def state_dict(self) -> dict[str, Any]:
        """All that moves, part by part."""
        return {
            "learner": self.learner.state_dict(),
            "collector": self.collector.state_dict(),
            "replay": self.replay.state_dict(),
            "envs": [self.env.snapshot(env) for env in range(self.env.num_envs)],
            "curriculum": self.manager.state_dict(),
            "metrics": self.metrics.state_dict(),
            "logs": self.logger.state_dict(),
            "run": {
                "sampling": self.sampling.bit_generator.state,
                "torch": torch.get_rng_state(),
                "credit": self.credit,
                "evaluations": self.evaluations,
                "evaluation_pending": self.evaluation_pending,
                "recent_returns": list(self.recent_returns),
                "best": float(self.best),
            },
        }

    def resume(self, saved: checkpoint.Loaded) -> None:
        """Go on where a checkpoint was made; the settings are written once they have been found to fit it."""
        video.clean(self.folder / "videos")
        parts = saved.parts
        self.saved_step = saved.step
        self.learner.load_state_dict(parts["learner"])
        self.collector.load_state_dict(parts["collector"])
        self.segments.load(parts["replay"]["segments"], saved.files)
        self.replay.load_state_dict(parts["replay"])
        self.manager.load_state_dict(parts["curriculum"])
        self.metrics.load_state_dict(parts["metrics"])
        self.logger.load_state_dict(parts["logs"])
        self._add_states()
        self.env.reset(self.config.seed)
        for env, snapshot in enumerate(parts["envs"]):
            self.env.restore(env, snapshot)
        rest = parts["run"]
        self.sampling.bit_generator.state = rest["sampling"]
        torch.set_rng_state(rest["torch"])
        self.credit = rest["credit"]
        self.evaluations, self.evaluation_pending = rest["evaluations"], rest["evaluation_pending"]
        self.recent_returns.extend(rest["recent_returns"])
        self.best = rest["best"]
        self.timed_step, self.timed_updates = saved.step, self.learner.started
        self._write_settings()


def _evaluation_text(step: int, result: Evaluation) -> str:
    reached = [f"{name} {share:.0%}" for name, share in result.reached.items() if share > 0]
    furthest = ", ".join(reached[-4:]) or "no milestone"
    return (
        f"evaluation at {step:,}: return {result.mean_return:.2f} +- {result.interval:.2f}, "
        f"length {result.mean_length:.0f}, reached {furthest}"
    )
