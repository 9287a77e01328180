"""A run: its parts, and what it does besides stepping and learning — reporting, saving."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from curriculum.manager import CurriculumManager
from puffer_envs import registry as env_registry
from puffer_envs.contract.vector_env import VectorEnv
from training.common.clock import Clock
from training.common.learner import Learner, NonFiniteError
from training.common.ledger import Step
from training.evaluation import video
from training.run import cli
from training.run.config import RunConfig
from training.run.ending import last_words
from training.run.evaluator import Evaluator
from training.store import checkpoint
from training.store.lock import RunLock
from training.telemetry import report
from training.telemetry.dashboard import Dashboard
from training.telemetry.logger import RunLogger
from training.telemetry.metrics import Metrics
from training.telemetry.panels import EPISODES
from training.telemetry.records import own_columns
from training.telemetry.sanity import Sanity

log = logging.getLogger(__name__)


class Run:
    """All parts of a run. As a context manager it shows the dashboard, and closes what is open at the end."""

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        env: VectorEnv,
        learner: Learner,
        manager: CurriculumManager,
        lock: RunLock,
    ) -> None:
        self.config, self.device, self.env, self.lock = config, device, env, lock
        self.game = env_registry.resolve(config.env)
        self.learner, self.ledger, self.manager = learner, learner.ledger, manager
        self.folder = config.runs_dir / config.run_name
        self.metrics = Metrics(self.ledger.parts, tuple(env.spec.reward_weights), self.game.places)
        self.sanity = Sanity(env, self.game, self.game.versus(config.game))
        self.clock = Clock()
        self.wanted: np.ndarray | None = None
        self.saved_step = -1
        self.began_step, self.began_at = 0, time.monotonic()
        self.timed_step, self.timed_trained = 0, 0  # where the clocks were last read
        self.timed_busy, self.timed_env = 0.0, 0.0
        self.data: dict[str, Any] = _fixed_data(config, device) | {"columns": self.game.columns}
        self.dashboard = Dashboard(self.data, config.dashboard)
        self.logger = RunLogger(self.folder, self.dashboard.show, own_columns(self.game), self.game.tables)
        self.evaluator = Evaluator(config, self.game, self.logger, self.folder)

    # -- the course of a run ---------------------------------------------------------------------------------------
    def __enter__(self) -> "Run":
        self.dashboard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dashboard.stop()
        self.learner.close()
        self.evaluator.close()
        self.env.close()
        self.logger.__exit__(kind, error, trace)
        self.lock.release()

    def start(self) -> None:
        """Begin a new run, or again one that had no checkpoint: write the settings, give every row its first start."""
        if (self.folder / "config.toml").exists():
            self.logger.load_state_dict({})  # what it wrote then will be written again
        self._write_settings()
        self._add_states()
        self._queue_starts()
        self.env.reset(self.config.seed)
        self.sanity.begin()
        for failure in self.env.poll_failures():
            self.manager.on_failure(failure)
        for env in range(self.env.num_envs):
            self.manager.on_begin(env)
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

    # -- reporting -------------------------------------------------------------------------------------------------
    def report(self, step: Step) -> None:
        """Everything that is written or shown of one step of all rows."""
        self.metrics.add(step, self.env.reward_terms, self.sanity.active)  # as they were when they decided
        for finished in step.episodes:
            record = report.episode_record(finished, self.env, self.manager, self.game)
            self.logger.episode(record, report.shown_milestone(self.env, self.manager))
            self.logger.own_rows("episode", report.episode_figures(finished, time.monotonic() - self.began_at))
            self.data["episodes"] = [*self.data["episodes"], record][-EPISODES:]
        sampled = report.sample_due(self.ledger)
        self.sanity.add(step, sampled)
        if sampled:
            self.logger.steps(report.step_records(step, self.ledger, self.manager, self.game))
            self.logger.positions(report.position_records(step, self.ledger, self.game))
        self.data["step"] = self.ledger.global_step

    def log_line(self) -> None:
        """The line and the figures of every `--log-interval`."""
        step, figures = self.ledger.global_step, self.metrics.sliding() | self.metrics.flush()
        figures |= {"episodes": self.ledger.episodes} | self.learner.figures()
        theta = zip(self.env.spec.milestones, self.manager.theta.tolist(), strict=True)
        figures |= {f"theta/{milestone.name}": mean for milestone, mean in theta}
        mix = self.manager.spawn_mix()
        figures |= {f"spawn/{kind}": share for kind, share in mix.items()}
        seconds, sps = self._speeds(step)
        self.logger.metrics(step, figures)
        self.logger.own_rows("interval", figures | {"step": step})
        self.logger.timing(step, {f"seconds/{part}": x for part, x in seconds.items()} | sps)
        self.logger.progress(report.progress_records(self.manager))
        self._line(step, sps["sps/total"], figures, mix)
        for sentence in self.sanity.check():
            log.warning("sanity: %s", sentence)
        self.data.update(report.live_data(figures, seconds, sps, self.manager, self.ledger, self.device))

    def _speeds(self, step: int) -> tuple[dict[str, float], dict[str, float]]:
        """Seconds of each part since the last line; decisions a second of the environments and in all, trained ones."""
        seconds = self.clock.take()
        learner = self.learner
        steps, trained = step - self.timed_step, learner.trained - self.timed_trained
        learning, stepping = learner.busy_seconds - self.timed_busy, learner.env_seconds - self.timed_env
        self.timed_step, self.timed_trained = step, learner.trained
        self.timed_busy, self.timed_env = learner.busy_seconds, learner.env_seconds
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
            epsilon=figures.get("epsilon"),
            random_share=figures.get("random_share"),
            length=figures["episode/length"],
            r_env=figures["episode/return_env"],
            r_total=figures["episode/return_total"],
            components={part: figures[f"r_{part}"] for part in self.ledger.parts},
            episodes=self.ledger.episodes,
            num_envs=self.config.num_envs,
            spawn_mix=mix,
        )

    # -- evaluating ------------------------------------------------------------------------------------------------
    def evaluate(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Play the evaluation episodes, as `Evaluator.evaluate`."""
        with self.clock("eval"):
            learner = self.learner
            return self.evaluator.evaluate(learner.player, learner.rivals(), self.ledger.global_step, stop)

    def film(self) -> None:
        """Play one episode of a new game, frame by frame into the encoder."""
        with self.clock("video"):
            self.evaluator.film(self.learner.player, self.ledger.global_step)

    # -- saving ----------------------------------------------------------------------------------------------------
    def save(self, best: bool = False) -> None:
        """Write a checkpoint, unless this step has one; a full disk costs the checkpoint, not the run."""
        step = self.ledger.global_step
        if step == self.saved_step and not best:
            return
        masks = self.env.masks.copy()
        try:
            with self.clock("save"):
                state = self.state_dict()
                if not np.array_equal(masks, self.env.masks):
                    log.warning("no checkpoint at step %d: a worker was lost while its rows were saved", step)
                    return
                path = checkpoint.save(self.folder / "checkpoints", step, state, link_files=self.learner.files())
                if best:
                    checkpoint.mark_best(path)
        except OSError as error:
            log.warning("no checkpoint at step %d: %s; training goes on", step, error)
        else:
            self.saved_step = step
            log.info("checkpoint %s%s", path, ", the best so far" if best else "")

    def conclude(self) -> None:
        """Say how it ended, and what can be done next."""
        lines = last_words(
            self.config,
            began=self.began_step,
            step=self.ledger.global_step,
            seconds=time.monotonic() - self.began_at,
            figure=self.evaluator.figure,
            best=self.evaluator.best,
            best_path=checkpoint.best(self.folder / "checkpoints"),
        )
        for line in lines:
            self.logger.message(line)

    def save_batch(self, error: NonFiniteError) -> Path:
        """Keep the batch of an error for the post-mortem."""
        path = self.folder / f"bad_batch_{self.ledger.global_step}.pt"
        with contextlib.suppress(OSError):  # a full disk, on top of all
            checkpoint.save_file(path, error.batch)
        return path

    def state_dict(self) -> dict[str, Any]:
        """All that moves, part by part."""
        return {
            **self.learner.state_dict(),
            "envs": [self.env.snapshot(env) for env in range(self.env.num_envs)],
            "curriculum": self.manager.state_dict(),
            "metrics": self.metrics.state_dict(),
            "sanity": self.sanity.state_dict(),
            "logs": self.logger.state_dict(),
            "evaluator": self.evaluator.state_dict(),
            "run": {"torch": torch.get_rng_state()},
        }

    def resume(self, saved: checkpoint.Loaded) -> None:
        """Go on where a checkpoint was made; the settings are written once they have been found to fit it."""
        video.clean(self.folder / "videos")
        parts = saved.parts
        self.saved_step = self.began_step = saved.step
        self.learner.load_state_dict(parts, saved.files)
        self.manager.load_state_dict(parts["curriculum"])
        self.metrics.load_state_dict(parts["metrics"])
        self.sanity.load_state_dict(parts["sanity"])
        self.logger.load_state_dict(parts["logs"])
        self._add_states()
        self.env.reset(self.config.seed)
        for env, snapshot in enumerate(parts["envs"]):
            self.env.restore(env, snapshot)
        self.sanity.begin()
        self.evaluator.load_state_dict(parts["evaluator"])
        torch.set_rng_state(parts["run"]["torch"])
        self.timed_step, self.timed_trained = saved.step, self.learner.trained
        self._write_settings()


def _fixed_data(config: RunConfig, device: torch.device) -> dict[str, Any]:
    """What the dashboard shows that does not change while the run goes on."""
    return {
        "run_name": config.run_name,
        "env": config.env,
        "device": str(device),
        "algo": config.algo,
        "model": config.model_size,
        "num_envs": config.num_envs,
        "total_steps": config.total_steps,
        "episodes": [],
    }
