"""Recurrent double Q-learning on sequences: burn-in, n-step targets, truncation bootstraps, terminals do not."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from policies.protocol import QNetwork
from puffer_envs.contract.vector_env import VectorEnv
from training.common.acting import Player, Seen
from training.common.learner import NonFiniteError
from training.off_policy.config import DQNConfig
from training.off_policy.explore import Explorer
from training.off_policy.networks import follow, frozen_copy
from training.off_policy.protocol import Choice
from training.off_policy.replay import SequenceBatch
from training.off_policy.targets import n_step_targets, widen_gaps


def td_loss(q: Tensor, actions: Tensor, targets: Tensor, trained: Tensor) -> Tensor:
    """Huber loss of the chosen actions' values, averaged over the records that count.

    Args:
        q: float32 [K, B, A]. actions: int64 [K, B]. targets: float32 [K, B]. trained: bool [K, B].
    """
    chosen = q.gather(-1, actions[..., None])[..., 0]
    loss = nn.functional.smooth_l1_loss(chosen, targets, reduction="none")
    return (loss * trained).sum() / trained.sum().clamp(min=1)


class DQN:
    """The online and the target network, their optimiser and the update.

    The swarm acts, and is evaluated, with the Polyak average of the online weights that is the target network anyway.
    The best action is better than the next by a few hundredths, less than an update moves the values of a small batch:
    in single probes the average had reached the starter in 25 and 55% of the episodes where the online weights of the
    same moment had not in any. `acting` is its copy as of the last `publish`: an update may run in another thread.
    """

    def __init__(self, policy: QNetwork, config: DQNConfig, device: torch.device | str) -> None:
        self.config = config
        self.device = torch.device(device)
        self.policy = policy.to(self.device)
        self.target = frozen_copy(self.policy)
        self.acting = frozen_copy(self.policy)
        # Fused: a fifth of the time on a CPU, and no launch a tensor on a GPU.
        self.optimizer = torch.optim.Adam(
            self.policy.parameters(), lr=config.learning_rate, eps=config.adam_eps, fused=True
        )
        self.updates = 0

    def update(self, batch: SequenceBatch) -> tuple[dict[str, float], Tensor]:
        """One gradient step.

        Returns:
            The figures of the step, and the features of the trained records as the encoder of the network that acts
            has them: float32 [sequence * B, F].

        Raises:
            NonFiniteError: before the weights are touched.
        """
        config = self.config
        burn, end = config.burn_in, config.burn_in + config.sequence
        q, q_all, online_features = self._online(batch)
        with torch.no_grad():
            targets, target_features = self._targets(batch, q_all)
        trained = ~batch.truncated[burn:end]
        actions = batch.actions[burn:end].long()
        loss = td_loss(q, actions, targets, trained)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm)
        if not bool(torch.isfinite(loss) & torch.isfinite(norm)):
            what = f"loss {loss.item()}, gradient norm {norm.item()} at update {self.updates}"
            raise NonFiniteError(f"{what}; the weights are as they were", batch._asdict())
        self.optimizer.step()
        self.updates += 1
        self._follow()
        chosen = q.detach().gather(-1, actions[..., None])[..., 0]
        figures = torch.stack([loss.detach(), norm, chosen.mean(), targets.mean(), (targets - chosen).abs().mean()])
        names = ("loss", "grad_norm", "q_mean", "target_mean", "td_error")
        # `publish` says which of the two acts.
        features = online_features if config.target_sync else target_features
        return dict(zip(names, figures.tolist(), strict=True)), features.flatten(0, 1)

    def _online(self, batch: SequenceBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Values of the trained records with gradient, of all records without, and features of the trained ones."""
        burn, end = self.config.burn_in, self.config.burn_in + self.config.sequence
        state, parts = batch.state, []
        if burn:
            with torch.no_grad():
                warm_up = self._encode(self.policy, batch, 0, burn)
                q_burn, state = self.policy.sequence(warm_up, state, batch.episode_start[:burn])
            parts.append(q_burn)
        features = self._encode(self.policy, batch, burn, end)
        q, state = self.policy.sequence(features, state, batch.episode_start[burn:end])
        with torch.no_grad():
            tail = self._encode(self.policy, batch, end, None)
            q_tail, _ = self.policy.sequence(tail, state.detach(), batch.episode_start[end:])
        return q, torch.cat([*parts, q.detach(), q_tail]), features.detach()

    def _targets(self, batch: SequenceBatch, q_online: Tensor) -> tuple[Tensor, Tensor]:
        """n-step targets of the trained records, the online network chooses and the target network judges; features."""
        burn, end = self.config.burn_in, self.config.burn_in + self.config.sequence
        features = self._encode(self.target, batch, 0, None)
        q_target, _ = self.target.sequence(features, batch.state, batch.episode_start)
        best = q_online.argmax(-1, keepdim=True)
        bootstrap = q_target.gather(-1, best)[..., 0]
        targets = n_step_targets(
            self.config.reward_scale * batch.rewards[burn:],
            batch.terminal[burn:],
            batch.truncated[burn:],
            bootstrap[burn:],
            self.config.gamma,
            self.config.n_step,
        )
        targets = widen_gaps(
            targets, q_target[burn:end], batch.actions[burn:end].long(), self.config.advantage_learning
        )
        return targets, features[burn:end]

    @staticmethod
    def _encode(policy: QNetwork, batch: SequenceBatch, begin: int, end: int | None) -> Tensor:
        rows, frames = batch.rows[begin:end], batch.frames[begin:end]
        features = policy.encode(rows.flatten(0, 1), frames.flatten(0, 1))
        return features.unflatten(0, rows.shape[:2])

    def _follow(self) -> None:
        """Let the target network follow: Polyak each update, or a copy each `target_sync` updates."""
        if not self.config.target_sync:
            follow(self.target, self.policy, self.config.tau)
        elif self.updates % self.config.target_sync == 0:
            follow(self.target, self.policy, 1)

    def publish(self) -> None:
        """Act with the averaged weights as they are now; with the online network's where the target is synced."""
        follow(self.acting, self.policy if self.config.target_sync else self.target, 1)

    def behaviour(self, num_rows: int, seed: int) -> "EpsilonGreedy":
        """How the swarm acts while it learns."""
        return EpsilonGreedy(self.acting, num_rows, self.config, seed)

    def player(self, env: VectorEnv, seed: int, random_share: float) -> "QPlayer":
        """Who plays evaluations and videos."""
        return QPlayer(env, self.acting, random_share, seed, self.device)

    def state_dict(self) -> dict[str, Any]:
        """The three networks, the optimiser and the counter."""
        return {
            "policy": self.policy.state_dict(),
            "acting": self.acting.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.policy.load_state_dict(state["policy"])
        self.acting.load_state_dict(state["acting"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:  # a resumed run may have been given others
            group["lr"], group["eps"] = self.config.learning_rate, self.config.adam_eps
        self.updates = int(state["updates"])


class EpsilonGreedy:
    """`runner.Behaviour` of a Q-network: its best actions, but for those that an `Explorer` draws."""

    def __init__(self, network: QNetwork, num_rows: int, config: DQNConfig, seed: int) -> None:
        self.network = network
        self.explorer = Explorer(num_rows, network.num_actions, config)
        self.rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        self.epsilon = np.ones(num_rows)

    def choose(self, seen: Seen, global_step: int) -> Choice:
        features = self.network.encode(seen.rows, seen.given)
        q, state = self.network.step(features, seen.state, seen.episode_start)
        greedy = q.argmax(-1).cpu().numpy().astype(np.int32)
        self.epsilon = self.explorer.epsilon(global_step)
        return Choice(self.explorer.choose(greedy, self.epsilon, self.rng), features, state)

    def observe(self, new: np.ndarray) -> None:
        self.explorer.observe(new)

    def forget(self, rows: np.ndarray) -> None:
        self.explorer.forget(rows)

    def figures(self) -> dict[str, float]:
        return {"epsilon": float(self.epsilon.mean()), "random_share": self.explorer.take_random_share()}

    def state_dict(self) -> dict[str, Any]:
        return {"explorer": self.explorer.state_dict(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.explorer.load_state_dict(state["explorer"])
        self.rng.bit_generator.state = state["rng"]


class QPlayer(Player):
    """The best action, but for a share ``epsilon`` of random ones."""

    def __init__(self, env: VectorEnv, policy: QNetwork, epsilon: float, seed: int, device: torch.device | str) -> None:
        super().__init__(env, policy, device)
        self.policy, self.epsilon = policy, epsilon
        self.rng = np.random.default_rng(seed)

    def choose(self, seen: Seen) -> np.ndarray:
        features = self.policy.encode(seen.rows, seen.given)
        q, self.acting.state = self.policy.step(features, seen.state, seen.episode_start)
        best = q.argmax(-1).cpu().numpy().astype(np.int32)
        draws = self.rng.integers(0, self.policy.num_actions, len(best), dtype=np.int32)
        return np.where(self.rng.random(len(best)) < self.epsilon, draws, best)
