"""Policy x environments -> replay: one decision of every row at a time.

`begin` acts and starts the step, `finish` waits for it and stores what happened; between the two the environments
work in their processes and the learner has the time to itself.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policies.protocol import RecurrentQNetwork
from puffer_envs.contract.records import Event
from puffer_envs.contract.vector_env import VectorEnv
from training.common.history import FrameHistory
from training.common.intrinsic import RND, EpisodicNovelty, IntrinsicConfig, milestone_bonus
from training.common.ledger import Ledger, Step
from training.off_policy.config import DQNConfig
from training.off_policy.explore import Explorer
from training.off_policy.replay import SequenceReplay


class Actor:
    """A recurrent policy acting on the rows of an environment: frame history and recurrent state."""

    def __init__(self, env: VectorEnv, policy: RecurrentQNetwork, device: torch.device | str) -> None:
        n, layout = env.num_agents, env.spec.layout
        self.env, self.policy, self.device = env, policy, torch.device(device)
        self.frame_span = layout[policy.history_field].span
        self.history = FrameHistory(n, policy.history, layout[policy.history_field].size, device)
        self.state = torch.zeros((n, policy.state_size), device=device)
        self.first = np.ones(n, np.bool_)  # the next observation begins an episode
        if layout.dtype != np.uint8:
            raise ValueError(f"networks act on rows of bytes, {env.spec.name} has {layout.dtype}")
        self._pinned = self.device.type == "cuda"

    def to_device(self, observations: np.ndarray) -> Tensor:
        """A copy of the packed rows on the device, uint8 [N, R]; the environments may write on at once."""
        rows = torch.from_numpy(observations).clone()
        if self._pinned:  # the allocator keeps the block until its copy is done
            return rows.pin_memory().to(self.device, non_blocking=True)
        return rows.to(self.device)

    @torch.inference_mode()
    def act(self, rows: Tensor) -> tuple[np.ndarray, Tensor]:
        """The best actions int32 [N] and the encoder's features [N, F]; the recurrent state moves on."""
        first = torch.from_numpy(self.first).to(self.device)
        frames = self.history.push(rows[:, self.frame_span], first)
        features = self.policy.encode(rows, frames)
        q, self.state = self.policy.step(features, self.state, first)
        return q.argmax(-1).cpu().numpy().astype(np.int32), features

    def state_dict(self) -> dict[str, Any]:
        """Frame history, recurrent state, and which rows begin anew."""
        return {"history": self.history.state_dict(), "state": self.state, "first": self.first.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.history.load_state_dict(state["history"])
        self.state = state["state"].to(self.device)
        self.first[:] = state["first"]


class QPlayer:
    """`learner.Player`: the best action, but for a share ``epsilon`` of random ones."""

    def __init__(
        self, env: VectorEnv, policy: RecurrentQNetwork, epsilon: float, seed: int, device: torch.device | str
    ) -> None:
        self.actor, self.epsilon = Actor(env, policy, device), epsilon
        self.first = self.actor.first
        self.rng = np.random.default_rng(seed)

    def choose(self) -> np.ndarray:
        actor = self.actor
        actions, _ = actor.act(actor.to_device(actor.env.observations))
        draws = self.rng.integers(0, actor.policy.num_actions, len(actions), dtype=np.int32)
        return actor.env.spec.actions(np.where(self.rng.random(len(actions)) < self.epsilon, draws, actions))


class Collector:
    """Acts in the environments and fills the replay."""

    def __init__(
        self,
        env: VectorEnv,
        policy: RecurrentQNetwork,
        replay: SequenceReplay,
        rnd: RND,
        learner: DQNConfig,
        intrinsic: IntrinsicConfig,
        seed: int,
        device: torch.device | str,
    ) -> None:
        n = env.num_agents
        self.env, self.replay, self.rnd, self.config = env, replay, rnd, learner
        self.actor = Actor(env, policy, device)
        self.explorer = Explorer(n, policy.num_actions, learner)
        self.novelty = EpisodicNovelty(n, intrinsic.novel_power)
        weights = {"env": 1.0, "rnd": intrinsic.rnd, "novel": intrinsic.novel, "bayes": intrinsic.bayes}
        self.ledger = Ledger(env, weights)
        self.curious = intrinsic.rnd != 0
        self.rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        self.epsilon = np.ones(n)
        self.env_seconds = 0.0  # from the order to step until the last answer

    def begin(self) -> None:
        """Choose actions and start the step."""
        self.rows = self.actor.to_device(self.env.observations)
        self.state_before = self.actor.state
        greedy, features = self.actor.act(self.rows)
        self.epsilon = self.explorer.epsilon(self.ledger.global_step)
        self.actions = self.explorer.choose(greedy, self.epsilon, self.rng)
        self._sent = time.perf_counter()
        self.env.send(self.env.spec.actions(self.actions))
        # While the environments work. The surprise is that of the observation acted on, not of the one that follows:
        # its features are at hand, and the sum over an episode is the same but for its two ends.
        nothing = np.zeros(len(self.actions), np.float32)
        self.surprise = self.rnd.reward(features, self.env.masks) if self.curious else nothing

    def finish(self, theta: np.ndarray) -> Step:
        """Wait for the step that `begin` started, reward it and store it.

        Args:
            theta: float64 [M], the posterior of each milestone.
        """
        self.env.recv()
        self.env_seconds += time.perf_counter() - self._sent
        events = self.env.poll_events()
        step = self.ledger.enter(self._rewards(events, theta), events)
        self._store(step)
        self._begin_anew(step)
        return step

    def _rewards(self, events: list[Event], theta: np.ndarray) -> np.ndarray:
        """Unweighted parts of this step, float32 [N, 4]."""
        env = self.env
        novelty = self.novelty.reward(env.novelty_keys)
        self.explorer.observe(novelty == 1.0)
        bonus = milestone_bonus(events, theta, env.num_agents)
        return np.stack([env.rewards, self.surprise, novelty, bonus], axis=1)

    def _store(self, step: Step) -> None:
        env, actor, device = self.env, self.actor, self.actor.device
        self.replay.append(
            np.flatnonzero(step.alive),
            self.rows,
            self.state_before,
            torch.from_numpy(actor.first).to(device),
            torch.from_numpy(self.actions).to(device),
            torch.from_numpy(step.total).to(device),
            torch.from_numpy(env.terminals.copy()).to(device),
        )
        truncated = np.flatnonzero(env.truncations & step.alive)
        if truncated.size:
            self.replay.close(truncated, actor.to_device(env.final_observations), actor.state)
        # A worker died under these rows: their episodes end where they last were seen.
        lost = np.flatnonzero(step.lost & ~actor.first)
        if lost.size:
            self.replay.close(lost, self.rows, self.state_before)

    def _begin_anew(self, step: Step) -> None:
        """Rows whose episode ended, or whose worker is away, begin anew at their next observation."""
        self.actor.first[:] = step.began | ~step.alive
        rows = np.flatnonzero((step.began & step.alive) | step.lost)
        if rows.size:
            self.novelty.forget(rows)
            self.explorer.forget(rows)

    def state_dict(self) -> dict[str, Any]:
        """All but the environments, the replay and the networks."""
        return {
            "actor": self.actor.state_dict(),
            "explorer": self.explorer.state_dict(),
            "novelty": self.novelty.state_dict(),
            "rng": self.rng.bit_generator.state,
            "ledger": self.ledger.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.actor.load_state_dict(state["actor"])
        self.explorer.load_state_dict(state["explorer"])
        self.novelty.load_state_dict(state["novelty"])
        self.rng.bit_generator.state = state["rng"]
        self.ledger.load_state_dict(state["ledger"])
