"""Proximal policy optimisation (Schulman et al. 2017, https://arxiv.org/abs/1707.06347) with CleanRL's details."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from policies.protocol import ActorCritic
from training.common.learner import NonFiniteError
from training.on_policy.config import PPOConfig
from training.on_policy.rollout import Rollout


class Minibatch(NamedTuple):
    """Decisions to learn from, each [T, B], or [B] where their order does not matter."""

    actions: Tensor  # [..., *action shape]
    logprobs: Tensor  # float32, of the policy that acted
    values: Tensor  # float32, of the critic then
    advantages: Tensor  # float32
    returns: Tensor  # float32
    mask: Tensor  # bool, others do not count


def ppo_loss(
    logprobs: Tensor, entropies: Tensor, values: Tensor, batch: Minibatch, config: PPOConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The clipped objective, the value's loss and the entropy; the loss to descend and its parts.

    Args:
        logprobs: float32 [...], of the stored actions, of the policy as it is now; so are the others.
        entropies: float32 [...].
        values: float32 [...].
    """
    logratio = logprobs - batch.logprobs
    ratio = logratio.exp()
    advantages = normalised(batch.advantages, batch.mask) if config.norm_adv else batch.advantages
    clipped = ratio.clamp(1 - config.clip_coef, 1 + config.clip_coef)
    pg_loss = mean(torch.maximum(-advantages * ratio, -advantages * clipped), batch.mask)
    v_loss = mean(value_loss(values, batch, config), batch.mask)
    entropy = mean(entropies, batch.mask)
    loss = pg_loss - config.ent_coef * entropy + config.vf_coef * v_loss
    with torch.no_grad():
        approx_kl = mean((ratio - 1) - logratio, batch.mask)  # http://joschu.net/blog/kl-approx.html
        clipfrac = mean(((ratio - 1).abs() > config.clip_coef).float(), batch.mask)
    parts = {"loss": loss, "pg_loss": pg_loss, "v_loss": v_loss, "entropy": entropy}
    return loss, {name: part.detach() for name, part in parts.items()} | {"approx_kl": approx_kl, "clipfrac": clipfrac}


def value_loss(values: Tensor, batch: Minibatch, config: PPOConfig) -> Tensor:
    """Half the squared error of each value; with ``clip_vloss`` the worse one of it and of the clipped value's."""
    error = (values - batch.returns).square()
    if config.clip_vloss:
        near = batch.values + (values - batch.values).clamp(-config.clip_coef, config.clip_coef)
        error = torch.maximum(error, (near - batch.returns).square())
    return 0.5 * error


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Over the decisions that count."""
    return (x * mask).sum() / mask.sum().clamp(min=1)


def normalised(advantages: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and deviation 1 over the decisions that count."""
    centre = advantages - mean(advantages, mask)
    return centre / (mean(centre.square(), mask).sqrt() + 1e-8)


class PPO:
    """The policy, its optimiser and the update."""

    def __init__(self, policy: ActorCritic, config: PPOConfig, seed: int, device: torch.device | str) -> None:
        self.policy, self.config, self.device = policy.to(device), config, torch.device(device)
        self.optimizer = torch.optim.Adam(
            policy.parameters(), lr=config.learning_rate, eps=config.adam_eps, fused=self.device.type != "mps"
        )
        self.generator = torch.Generator().manual_seed(seed)  # of the order of rows
        self.updates = 0

    def update(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """Learn from one segment.

        Args:
            progress: share of the run that is over: an annealed learning rate falls with it.

        Returns:
            figures of the last minibatch, and the explained variance of the values that acted.

        Raises:
            NonFiniteError: the weights are spoilt. (A look at every minibatch would make a GPU wait each time.)
        """
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * (max(0.0, 1.0 - progress) if config.anneal == "linear" else 1.0)
        advantages, returns = rollout.advantages(config.gamma, config.gae_lambda)
        parts: dict[str, Tensor] = {}
        for index in self._minibatches(rollout):
            parts = self._step(rollout, index, advantages, returns)
            if config.target_kl is not None and parts["approx_kl"] > config.target_kl:
                break
        self.updates += 1
        parts["explained_variance"] = explained_variance(rollout.values, returns, rollout.mask)
        figures = dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True))
        if not math.isfinite(figures["loss"]) or not math.isfinite(figures["grad_norm"]):
            what = f"loss {figures['loss']}, gradient norm {figures['grad_norm']} in update {self.updates}"
            raise NonFiniteError(f"{what}; the last checkpoint is sound", rollout.state_dict())
        return figures

    @property
    def learning_rate(self) -> float:
        """Of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def _minibatches(self, rollout: Rollout) -> list[Tensor]:
        """What each gradient step of all epochs takes, int64 [B] each: rows, or decisions t N + n without a memory.

        Those that nobody learns from are left out: the half of a self-play batch that opponents play.
        """
        counts = rollout.mask.any(0) if self.policy.state_size else rollout.mask.flatten()
        learned = (counts if counts.any() else torch.ones_like(counts)).nonzero()[:, 0]
        orders = [torch.randperm(len(learned), generator=self.generator) for _ in range(self.config.update_epochs)]
        return [part for order in orders for part in learned[order.to(self.device)].chunk(self.config.num_minibatches)]

    def _step(self, rollout: Rollout, index: Tensor, advantages: Tensor, returns: Tensor) -> dict[str, Tensor]:
        stored = (rollout.actions, rollout.logprobs, rollout.values, advantages, returns, rollout.mask)
        if self.policy.state_size:  # whole rows, so that a memory sees them in order
            batch = Minibatch(*(each[:, index] for each in stored))
            state, episode_start = rollout.state[index], rollout.episode_start[:, index]
            distribution, values = self.policy.sequence(rollout.sequences(index), state, episode_start)
        else:
            batch = Minibatch(*(each.flatten(0, 1)[index] for each in stored))
            state, episode_start = rollout.state[:0].new_zeros(len(index), 0), rollout.episode_start.flatten()[index]
            distribution, values, _ = self.policy.step(rollout.given(index), state, episode_start)
        logprobs, entropies = distribution.log_prob(batch.actions), distribution.entropy()
        loss, parts = ppo_loss(logprobs, entropies, values, batch, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parts |= self.policy.figures()
        parts["grad_norm"] = nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return parts

    def state_dict(self) -> dict[str, Any]:
        """The policy, the optimiser, the order of rows and the counter."""
        return {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:  # a resumed run may have been given another; the rate is set anew
            group["eps"] = self.config.adam_eps
        self.generator.set_state(state["generator"])
        self.updates = int(state["updates"])


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var[returns - values] / Var[returns], over the decisions that count; NaN where all returns are one."""
    y, error = returns[mask], (returns - values)[mask]
    return 1 - error.var(correction=0) / y.var(correction=0)
