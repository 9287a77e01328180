"""Evaluations and videos of a run, on environments and random numbers of their own."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from puffer_envs.contract.game import Game
from puffer_envs.contract.vector_env import GUEST, LEARNER, VectorEnv
from puffer_envs.workers.supervision import WorkerError
from training.common.acting import Against, Player
from training.evaluation import video
from training.evaluation.episodes import Evaluation, evaluation_seed, frames_of_episode, play_episodes
from training.run.config import RunConfig
from training.run.environments import by_single_frames, make_evaluation_env
from training.telemetry.logger import RunLogger

log = logging.getLogger(__name__)

MakePlayer = Callable[[VectorEnv, int], Player]

VIDEO_STEPS = 600  # decisions of a filmed episode at the most
VIDEO, EVALUATION = 0, 1  # streams of seeds beside those of the training
BEST_OF = 5  # evaluations whose mean is the figure of the run
FILM = "film"  # the name of its environment, beside those of the tests


class Evaluator:
    """Plays the tests of a run and remembers its figures; what is only looked at never ends the training."""

    def __init__(self, config: RunConfig, game: Game, logger: RunLogger, folder: Path) -> None:
        self.config, self.game, self.logger, self.folder = config, game, logger, folder
        self.played = 0  # evaluations
        self.pending = False  # one broke off
        self.began_at = 0.0  # the last one, by the clock
        self.recent_returns: deque[float] = deque(maxlen=BEST_OF)
        self.best = -np.inf
        self.videos = video.VideoWorker()
        self.envs: dict[tuple[str, int], VectorEnv] = {}  # kept between evaluations: name of the test, number

    @property
    def figure(self) -> float:
        """Mean return of the last five evaluations, or of those that there were; NaN without any."""
        return float(np.mean(self.recent_returns)) if self.recent_returns else math.nan

    def evaluate(
        self, make_player: MakePlayer, rivals: Mapping[str, MakePlayer], step: int, stop: Callable[[], bool]
    ) -> bool:
        """Play the evaluation episodes; whether the mean of the last five is the best so far.

        Where `stop` says so it breaks off and stays pending: the run that is resumed plays it first.

        Args:
            rivals: whom else games of two are played against. How these fare is told, and makes none the best.
        """
        self.pending, self.began_at = True, time.perf_counter()
        results = {name: self._play(name, make_player, step, stop) for name in self.config.evaluation_sets}
        others = {
            name: self._play(name, _against(make_player, rival), step, stop, (LEARNER, GUEST))
            for name, rival in rivals.items()
        }
        if stop():
            return False
        self.pending = False
        played = {name: result for name, result in results.items() if result is not None}
        if len(played) < len(results):
            return False
        self.played += 1
        self.recent_returns.append(float(np.mean([result.mean_return for result in played.values()])))
        figure = self.figure
        self._tell(step, figure, played | {name: result for name, result in others.items() if result is not None})
        if len(self.recent_returns) < BEST_OF:  # a mean of fewer is luck
            return False
        improved = figure > self.best
        self.best = max(self.best, figure)
        return improved

    def _tell(self, step: int, figure: float, played: dict[str, Evaluation]) -> None:
        figures = {"eval/return_last5": figure}
        for name, result in played.items():
            figures |= result.figures(f"eval/{name}" if name else "eval")
            self.logger.message(_text(step, name, result, self.game.headline))
        self.logger.metrics(step, figures)
        self.logger.own_rows("evaluation", figures | {"step": step, "seconds": time.perf_counter() - self.began_at})

    def _play(
        self, name: str, make_player: MakePlayer, step: int, stop: Callable[[], bool], seats: Sequence[int] = ()
    ) -> Evaluation | None:
        """The episodes of one test; None where they broke off."""
        settings = self.config.evaluation
        seed = evaluation_seed(EVALUATION, self.played, self.config.seed)
        try:
            env = self._env(name, settings.episodes, self.config.evaluation_sets.get(name, {}))
            return play_episodes(make_player, env, settings.max_steps, seed, stop, places=self.game.places, seats=seats)
        except (WorkerError, OSError) as error:
            self._drop(name, settings.episodes, f"evaluation at {step:,}", error)
            return None

    def film(self, make_player: MakePlayer, step: int) -> None:
        """Play one episode of a new game, frame by frame into the encoder."""
        name = next(iter(self.config.evaluation_sets))
        settings, frame_skip = by_single_frames(self.config)
        seed = evaluation_seed(VIDEO, step, self.config.seed)
        try:
            env = self._env(FILM, 1, {**self.config.evaluation_sets[name], **settings})
            frames = frames_of_episode(make_player, env, VIDEO_STEPS, seed, frame_skip=frame_skip)
            self.videos.record(frames, self.folder / "videos" / f"rollout_{step}")
        except (WorkerError, OSError) as error:
            self._drop(FILM, 1, f"video at {step:,}", error)

    def _env(self, name: str, num_envs: int, test: Mapping[str, Any]) -> VectorEnv:
        """Environments outside the training streams, with the settings of a test."""
        key = name, num_envs
        if key not in self.envs:
            self.envs[key] = make_evaluation_env(self.config, test, num_envs, VIDEO_STEPS)
        return self.envs[key]

    def _drop(self, name: str, num_envs: int, what: str, error: Exception) -> None:
        """The next time begins with new processes."""
        log.warning("no %s: %s; training goes on", what, error)
        env = self.envs.pop((name, num_envs), None)
        if env is not None:
            env.close()

    def close(self) -> None:
        """Let the video that is encoded end, and the environments go."""
        self.videos.close()
        for env in self.envs.values():
            env.close()

    def state_dict(self) -> dict[str, Any]:
        """The figures, and what is pending."""
        return {
            "played": self.played,
            "pending": self.pending,
            "recent_returns": list(self.recent_returns),
            "best": float(self.best),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.played, self.pending, self.best = int(state["played"]), bool(state["pending"]), state["best"]
        self.recent_returns.extend(state["recent_returns"])


def _against(make_player: MakePlayer, rival: MakePlayer) -> MakePlayer:
    return lambda env, seed: Against(make_player(env, seed), rival(env, seed))


def _text(step: int, name: str, result: Evaluation, headline: Collection[str]) -> str:
    told = f"evaluation at {step:,}{f' on {name}' if name else ''}"
    reached = [f"{name} {share:.0%}" for name, share in result.reached.items() if share > 0]
    furthest = f", reached {', '.join(reached[-4:]) or 'no milestone'}" if result.reached else ""
    facts = "".join(f"{name} {result.facts[name]:.3f}, " for name in headline)
    return (
        f"{told}: return {result.mean_return:.2f} +- {result.interval:.2f}, {facts}"
        f"length {result.mean_length:.0f}{furthest}"
    )
