"""Q-learning from a replay, as a run uses it: the learner's thread keeps a ratio to the swarm's decisions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policies.protocol import RecurrentQNetwork
from puffer_envs.contract.vector_env import VectorEnv
from training.common.intrinsic import RND, IntrinsicConfig
from training.common.ledger import Ledger, Step
from training.off_policy.background import BackgroundLearner
from training.off_policy.collect import Collector, QPlayer
from training.off_policy.config import DQNConfig
from training.off_policy.dqn import DQN
from training.off_policy.replay import SequenceReplay
from training.off_policy.segments import SegmentFiles


class OffPolicy:
    """`learner.Learner` over DQN.

    Args:
        folder: where the replay's segments go.
        seed: of the random actions.
        sampling: seed of the draws from the replay.
        test_epsilon: share of random actions in evaluations and videos.
    """

    def __init__(
        self,
        settings: DQNConfig,
        intrinsic: IntrinsicConfig,
        env: VectorEnv,
        policy: RecurrentQNetwork,
        folder: Path,
        *,
        seed: int,
        sampling: int,
        test_epsilon: float,
        device: torch.device,
    ) -> None:
        self.env, self.settings, self.device = env, settings, device
        self.test_epsilon = test_epsilon
        dqn = DQN(policy, settings, device)
        rnd = RND(env.num_agents, dqn.policy.feature_size, intrinsic, device)
        self.replay = SequenceReplay(
            settings.replay_size,
            env.num_agents,
            env.spec.layout.size,
            env.spec.layout[policy.history_field].span,
            policy.history,
            policy.state_size,
            settings.burn_in + settings.sequence + settings.n_step,
            device=device,
        )
        self.updates = BackgroundLearner(dqn, rnd)
        self.collector = Collector(env, dqn.acting, self.replay, rnd, settings, intrinsic, seed, device)
        self.segments = SegmentFiles(self.replay, folder)
        self.sampling = np.random.default_rng(sampling)
        self.credit = 0.0  # transitions that may be trained by now, less those that were

    @property
    def ledger(self) -> Ledger:
        return self.collector.ledger

    @property
    def trained(self) -> int:
        return self.updates.started * self.settings.batch_size

    @property
    def busy_seconds(self) -> float:
        return self.updates.busy_seconds

    @property
    def env_seconds(self) -> float:
        return self.collector.env_seconds

    def begin(self) -> None:
        self.collector.begin()

    def learn(self) -> Iterator[dict[str, float]]:
        """As many updates as the replay ratio allows by now, each beside the steps after it."""
        settings = self.settings
        while self.credit > 0 and bool(self.replay.starts()[1].any()):
            figures = self.updates.take()
            if figures is not None:
                yield figures
            self.updates.start(self.replay.sample(settings.batch_size // settings.sequence, self.sampling))
            self.credit -= settings.batch_size

    def finish(self, theta: np.ndarray) -> Step:
        step = self.collector.finish(theta)
        settings = self.settings
        # Decisions before `learning_starts` do not count.
        counting = min(int(step.alive.sum()), max(0, self.ledger.global_step - settings.learning_starts))
        self.credit += counting * settings.replay_ratio
        return step

    def player(self, env: VectorEnv, seed: int) -> QPlayer:
        return QPlayer(env, self.updates.dqn.acting, self.test_epsilon, seed, self.device)

    def figures(self) -> dict[str, float]:
        return {"epsilon": float(self.collector.epsilon.mean()), "replay/records": self.replay.stored}

    def files(self) -> list[Path]:
        return self.segments.write()

    def state_dict(self) -> dict[str, Any]:
        return {
            "learner": self.updates.state_dict(),
            "collector": self.collector.state_dict(),
            "replay": self.replay.state_dict(),
            "sampling": {"rng": self.sampling.bit_generator.state, "credit": self.credit},
        }

    def load_state_dict(self, parts: dict[str, Any], files: dict[str, Path]) -> None:
        self.updates.load_state_dict(parts["learner"])
        self.collector.load_state_dict(parts["collector"])
        self.segments.load(parts["replay"]["segments"], files)
        self.replay.load_state_dict(parts["replay"])
        self.sampling.bit_generator.state = parts["sampling"]["rng"]
        self.credit = parts["sampling"]["credit"]

    def close(self) -> None:
        self.updates.close()
