"""PPO as a run uses it: segments of all rows, an update after each."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policies.protocol import ActorCritic
from puffer_envs.contract.vector_env import VectorEnv
from training.common import text
from training.common.ledger import Ledger, Step
from training.on_policy.config import PPOConfig
from training.on_policy.ppo import PPO
from training.on_policy.rollout import ActorCriticPlayer, Rollout, RolloutCollector


class OnPolicy:
    """`learner.Learner` over PPO.

    Args:
        total_steps: decisions of the whole run, over which the learning rate falls.
        acting: seed of the actions. order: seed of the order of rows.
    """

    def __init__(
        self,
        settings: PPOConfig,
        total_steps: int,
        env: VectorEnv,
        policy: ActorCritic,
        acting: int,
        order: int,
        device: torch.device,
    ) -> None:
        self.device, self.total_steps = device, total_steps
        self.policy = text.read(policy.to(device), env.spec.texts)
        size, dtype = env.spec.layout.size, torch.from_numpy(env.observations).dtype
        steps, state_size = settings.num_steps, policy.state_size
        rollout = Rollout(steps, env.num_agents, size, dtype, state_size, device, policy.history)
        self.collector = RolloutCollector(env, self.policy, rollout, acting, device)
        self.ppo = PPO(self.policy, settings, order, device)
        self.trained, self.busy_seconds = 0, 0.0
        self._complete = False

    @property
    def ledger(self) -> Ledger:
        return self.collector.ledger

    @property
    def env_seconds(self) -> float:
        return self.collector.env_seconds

    def begin(self) -> None:
        self._complete = self.collector.begin()

    def learn(self) -> Iterator[dict[str, float]]:
        if self._complete:
            begin = time.perf_counter()
            figures = self.ppo.update(self.collector.rollout, self.ledger.global_step / self.total_steps)
            self.trained += self.collector.rollout.alive.numel()
            self.busy_seconds += time.perf_counter() - begin
            yield figures

    def finish(self, theta: np.ndarray) -> Step:
        return self.collector.finish()

    def player(self, env: VectorEnv, seed: int) -> ActorCriticPlayer:
        return ActorCriticPlayer(env, text.read(self.policy, env.spec.texts), False, seed, self.device)

    def figures(self) -> dict[str, float]:
        return {"learning_rate": self.ppo.learning_rate}

    def files(self) -> list[Path]:
        return []

    def state_dict(self) -> dict[str, Any]:
        return {"learner": self.ppo.state_dict() | {"trained": self.trained}, "collector": self.collector.state_dict()}

    def load_state_dict(self, parts: dict[str, Any], files: dict[str, Path]) -> None:
        self.ppo.load_state_dict(parts["learner"])
        self.trained = int(parts["learner"]["trained"])
        self.collector.load_state_dict(parts["collector"])

    def close(self) -> None:
        """Nothing to let go of."""
