"""Learning from a replay, as a run uses it: the learner's thread keeps a ratio to the swarm's decisions.

`begin` acts and starts the step, `finish` waits for it and stores what happened; between the two the environments
work in their processes and the learner has the time to itself.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from puffer_envs.contract.records import Event
from puffer_envs.contract.vector_env import VectorEnv
from training.common.acting import Acting, Player
from training.common.intrinsic import NOVEL, Curiosity, IntrinsicConfig
from training.common.ledger import Ledger, Step
from training.off_policy.background import BackgroundLearner
from training.off_policy.protocol import Algorithm, ReplaySettings
from training.off_policy.replay import SequenceReplay, stride_of
from training.off_policy.segments import SegmentFiles


class OffPolicy:
    """`learner.Learner` over an `Algorithm` that learns from a replay.

    Args:
        folder: where the replay's segments go.
        seed: of the random actions.
        sampling: seed of the draws from the replay.
        test_epsilon: share of random actions in evaluations and videos.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        intrinsic: IntrinsicConfig | None,
        env: VectorEnv,
        algorithm: Algorithm,
        folder: Path,
        *,
        seed: int,
        sampling: int,
        test_epsilon: float,
    ) -> None:
        self.env, self.settings, self.test_epsilon = env, settings, test_epsilon
        self.algorithm = algorithm
        network, device = algorithm.acting, algorithm.device
        self.acting = Acting(env, network, device)
        self.behaviour = algorithm.behaviour(env.num_agents, seed)
        self.curiosity = None
        if intrinsic is not None:
            self.curiosity = Curiosity(env.num_agents, network.feature_size, intrinsic, device)
        self.ledger = Ledger(env, {"env": 1.0} | (self.curiosity.weights if self.curiosity else {}))
        self.replay = SequenceReplay(
            settings.replay_size,
            env.num_agents,
            env.spec,
            network,
            settings.burn_in + settings.sequence + settings.n_step,
            stride=stride_of(settings.sequence, network.state_size),
            device=device,
        )
        surprise = self.curiosity.rnd if self.curiosity and self.curiosity.weights["rnd"] else None
        self.updates = BackgroundLearner(algorithm, surprise)
        self.segments = SegmentFiles(self.replay, folder)
        self.sampling = np.random.default_rng(sampling)
        self.credit = 0.0  # transitions that may be trained by now, less those that were

    @property
    def trained(self) -> int:
        return self.updates.started * self.settings.batch_size

    @property
    def busy_seconds(self) -> float:
        return self.updates.busy_seconds

    @property
    def env_seconds(self) -> float:
        return self.acting.env_seconds

    # -- a decision --------------------------------------------------------------------------------------------------
    @torch.inference_mode()
    def begin(self) -> None:
        acting = self.acting
        self.seen = acting.see()
        self.choice = self.behaviour.choose(self.seen, self.ledger.global_step)
        self.active = self.env.active.copy()
        acting.send(self.choice.actions)
        acting.state = self.choice.state
        # While the environments work. The surprise is that of the observation acted on, not of the one that follows:
        # its features are at hand, and the sum over an episode is the same but for its two ends.
        if self.curiosity is not None:
            self.surprise = self.curiosity.surprise(self.choice.features, self.env.masks)

    def learn(self) -> Iterator[dict[str, float]]:
        """As many updates as the replay ratio allows by now, each beside the steps after it."""
        settings = self.settings
        while self.credit > 0 and bool(self.replay.starts()[1].any()):
            figures = self.updates.take()
            if figures is not None:
                yield figures
            self.updates.start(self.replay.sample(settings.batch_size // settings.sequence, self.sampling))
            self.credit -= settings.batch_size

    def learn_last(self) -> Iterator[dict[str, float]]:
        """Nothing: what the replay holds is never learned to the end."""
        return iter(())

    def finish(self, theta: np.ndarray) -> Step:
        self.acting.receive()
        events = self.env.poll_events()
        step = self.ledger.enter(self._rewards(events, theta), events)
        self._store(step)
        self._begin_anew(step)
        # Decisions before `learning_starts` do not count, nor those that are not stored.
        since = max(0, self.ledger.global_step - self.settings.learning_starts)
        self.credit += min(int((step.alive & self.active).sum()), since) * self.settings.replay_ratio
        return step

    def _rewards(self, events: list[Event], theta: np.ndarray) -> np.ndarray:
        """Unweighted parts of this step, float32 [N, P]: the game's own first."""
        paid = self.env.rewards[:, None].copy()
        if self.curiosity is None:
            return paid
        bonus = self.curiosity.rewards(self.surprise, self.env.novelty_keys, events, theta)
        self.behaviour.observe(bonus[:, NOVEL] == 1.0)
        return np.concatenate([paid, bonus], 1)

    def _store(self, step: Step) -> None:
        """A record of each row that is learned from; where an episode was cut, its final observation after it."""
        env, acting, seen = self.env, self.acting, self.seen
        learned = step.alive & self.active
        # Nothing follows for a row that is learned from no more, though its game may go on.
        retired = self.active & ~env.active & ~(env.terminals | env.truncations)
        self.replay.append(
            np.flatnonzero(learned),
            seen.rows,
            seen.state,
            seen.episode_start,
            acting.to_device(self.choice.actions),
            acting.to_device(step.total),
            acting.to_device(env.terminals | retired),
        )
        truncated = np.flatnonzero(env.truncations & learned)
        if truncated.size:
            self.replay.close(truncated, acting.to_device(env.final_observations), acting.state)
        # A worker died under these rows: their episodes end where they last were seen.
        lost = np.flatnonzero(step.lost & self.active & ~acting.episode_start)
        if lost.size:
            self.replay.close(lost, seen.rows, seen.state)

    def _begin_anew(self, step: Step) -> None:
        """Rows whose episode ended, or whose worker is away, begin anew at their next observation."""
        self.acting.episode_start[:] = step.began | ~step.alive
        rows = np.flatnonzero(step.began)
        if rows.size:
            self.behaviour.forget(rows)
            if self.curiosity is not None:
                self.curiosity.forget(rows)

    # -- what a run asks beside ----------------------------------------------------------------------------------------
    def player(self, env: VectorEnv, seed: int) -> Player:
        return self.algorithm.player(env, seed, self.test_epsilon)

    def rivals(self) -> dict[str, Callable[[VectorEnv, int], Player]]:
        return {}

    def figures(self) -> dict[str, float]:
        return self.behaviour.figures() | {"replay/records": self.replay.stored}

    def files(self) -> list[Path]:
        return self.segments.write()

    def state_dict(self) -> dict[str, Any]:
        return {
            "learner": self.updates.state_dict(),
            "collector": {
                "acting": self.acting.state_dict(),
                "behaviour": self.behaviour.state_dict(),
                "novelty": self.curiosity.novelty.state_dict() if self.curiosity else {},
                "ledger": self.ledger.state_dict(),
            },
            "replay": self.replay.state_dict(),
            "sampling": {"rng": self.sampling.bit_generator.state, "credit": self.credit},
        }

    def load_state_dict(self, parts: dict[str, Any], files: dict[str, Path]) -> None:
        self.updates.load_state_dict(parts["learner"])
        state = parts["collector"]
        self.acting.load_state_dict(state["acting"])
        self.behaviour.load_state_dict(state["behaviour"])
        if self.curiosity is not None:
            self.curiosity.novelty.load_state_dict(state["novelty"])
        self.ledger.load_state_dict(state["ledger"])
        self.segments.load(parts["replay"]["segments"], files)
        self.replay.load_state_dict(parts["replay"])
        self.sampling.bit_generator.state = parts["sampling"]["rng"]
        self.credit = parts["sampling"]["credit"]

    def close(self) -> None:
        self.updates.close()
