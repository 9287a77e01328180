"""Soft actor-critic (Haarnoja et al. 2018, https://arxiv.org/abs/1812.05905) with CleanRL's details."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from policies.protocol import SoftActorCritic
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.vector_env import VectorEnv
from training.common.acting import Player, Seen
from training.common.learner import NonFiniteError
from training.common.transfer import restore_generator
from training.off_policy.config import SACConfig
from training.off_policy.networks import follow, frozen_copy
from training.off_policy.protocol import Choice
from training.off_policy.replay import SequenceBatch
from training.off_policy.targets import n_step_targets


class Losses(NamedTuple):
    """What an update descends, each a scalar."""

    critic: Tensor
    actor: Tensor
    alpha: Tensor


def critic_loss(judged: Tensor, targets: Tensor, trained: Tensor) -> Tensor:
    """Mean squared error of both critics, added up, over the records that count.

    Args:
        judged: float32 [2, B]. targets: float32 [B]. trained: bool [B].
    """
    return mean((judged - targets).square().sum(0), trained)


def actor_loss(logprobs: Tensor, judged: Tensor, alpha: Tensor, trained: Tensor) -> Tensor:
    """``alpha log pi(a|s) - min Q(s, a)`` of actions that the actor draws now; float32 [B], [2, B], [], bool [B]."""
    return mean(alpha * logprobs - judged.amin(0), trained)


def alpha_loss(log_alpha: Tensor, logprobs: Tensor, target_entropy: float, trained: Tensor) -> Tensor:
    """Falls where the entropy is above its target, and rises where it is below; float32 [], [B], bool [B]."""
    return -mean(log_alpha.exp() * (logprobs + target_entropy), trained)


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Over the records that count."""
    return (x * mask).sum() / mask.sum().clamp(min=1)


def target_entropy_of(spec: ActionSpec, wanted: float | str) -> float:
    """In the units of the environment's actions, whose densities networks speak of: ``wanted`` is of -1 to 1."""
    low, high = spec.bounds
    per_unit = -float(spec.size) if wanted == "auto" else float(wanted)
    return per_unit + float(np.log(high / 2 - low / 2).sum())


class SAC:
    """Actor, critics and encoder, their targets, the temperature, the optimiser and the update.

    `acting` is a copy as of the last `publish`: an update may run in another thread.
    """

    def __init__(
        self, policy: SoftActorCritic, config: SACConfig, spec: ActionSpec, seed: int, device: torch.device | str
    ) -> None:
        self.config, self.spec = config, spec
        self.device = torch.device(device)
        self.policy = policy.to(self.device)
        self.target = frozen_copy(self.policy)
        self.acting = frozen_copy(self.policy)
        self.learns_alpha = config.alpha == "auto"
        first = 1.0 if self.learns_alpha else float(config.alpha)
        self.log_alpha = torch.tensor(math.log(first), device=self.device, requires_grad=self.learns_alpha)
        self.target_entropy = target_entropy_of(spec, config.target_entropy)
        self.generator = torch.Generator(self.device).manual_seed(seed)  # of the actions in updates
        actor = policy.actor_parameters()
        known = {id(parameter) for parameter in actor}
        self.judges = [parameter for parameter in policy.parameters() if id(parameter) not in known]
        self.optimizer = torch.optim.Adam(
            [
                {"params": actor, "lr": config.learning_rate},
                {"params": self.judges, "lr": config.critic_learning_rate},
            ],
            fused=self.device.type != "mps",
        )
        self.alpha_optimizer = torch.optim.Adam([self.log_alpha], lr=config.learning_rate)
        self.updates = 0

    # -- learning ----------------------------------------------------------------------------------------------------
    def update(self, batch: SequenceBatch) -> tuple[dict[str, float], None]:
        """One gradient step of all, each from the others as they were before it.

        Raises:
            NonFiniteError: before the weights are touched.
        """
        targets = self._targets(batch)
        losses, judged, logprobs = self._losses(batch, targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.alpha_optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        norm = nn.utils.get_total_norm([each.grad for each in self.policy.parameters() if each.grad is not None])
        figures = {
            "loss": losses.critic,
            "actor_loss": losses.actor,
            "alpha": self.log_alpha.exp(),
            "entropy": -logprobs.mean(),
            "q_mean": judged.mean(),
            "target_mean": targets.mean(),
            "grad_norm": norm,
        }
        values = dict(zip(figures, torch.stack([each.detach() for each in figures.values()]).tolist(), strict=True))
        if not all(math.isfinite(value) for value in values.values()):
            told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            raise NonFiniteError(f"{told} at update {self.updates}; the weights are as they were", batch._asdict())
        self.optimizer.step()
        self.alpha_optimizer.step()  # nothing where it is given: it has no gradient
        self.updates += 1
        follow(self.target, self.policy, self.config.tau)
        return values, None

    @torch.no_grad()
    def _targets(self, batch: SequenceBatch) -> Tensor:
        """float32 [B]: rewards, then what the target critics expect of the actor's next action, with its entropy."""
        config, steps = self.config, self.config.n_step
        frames = batch.frames[1:].flatten(0, 1)  # of the records that an episode may go on with
        distribution = self.policy.act(self.policy.encode(frames))
        actions, logprobs = distribution.sample_with_log_prob(self.generator)
        judged = self.target.judge(self.target.encode(frames), actions).amin(0)
        following = (judged - self.log_alpha.exp() * logprobs).unflatten(0, (steps, -1))
        bootstrap = torch.cat([torch.zeros_like(following[:1]), following])  # the first record's own is never asked
        rewards = config.reward_scale * batch.rewards
        return n_step_targets(rewards, batch.terminal, batch.truncated, bootstrap, config.gamma, steps)[0]

    def _losses(self, batch: SequenceBatch, targets: Tensor) -> tuple[Losses, Tensor, Tensor]:
        """The losses; what the critics expected, float32 [2, B]; log-densities of what the actor would do, [B]."""
        trained = ~batch.truncated[0]
        features = self.policy.encode(batch.frames[0])
        judged = self.policy.judge(features, batch.actions[0])
        seen = features.detach()  # the encoder learns from the critics alone
        actions, logprobs = self.policy.act(seen).sample_with_log_prob(self.generator)
        for parameter in self.judges:  # the actor's loss asks the critics, and moves the actor alone
            parameter.requires_grad_(False)
        answered = self.policy.judge(seen, actions)
        for parameter in self.judges:
            parameter.requires_grad_(True)
        alpha = self.log_alpha.exp().detach()
        losses = Losses(
            critic_loss(judged, targets, trained),
            actor_loss(logprobs, answered, alpha, trained),
            alpha_loss(self.log_alpha, logprobs.detach(), self.target_entropy, trained),
        )
        return losses, judged.detach(), logprobs.detach()

    def publish(self) -> None:
        follow(self.acting, self.policy, 1)

    # -- acting ------------------------------------------------------------------------------------------------------
    def behaviour(self, num_rows: int, seed: int) -> "Sampling":
        return Sampling(self.acting, self.spec, self.config.learning_starts, num_rows, seed, self.device)

    def player(self, env: VectorEnv, seed: int, random_share: float) -> Player:
        return SoftPlayer(env, self.acting, False, seed, self.device)

    # -- checkpoints -------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Networks, temperature, optimiser, what is drawn, counter."""
        return {
            "policy": self.policy.state_dict(),
            "acting": self.acting.state_dict(),
            "target": self.target.state_dict(),
            "log_alpha": self.log_alpha.detach(),
            "optimizer": self.optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.policy.load_state_dict(state["policy"])
        self.acting.load_state_dict(state["acting"])
        self.target.load_state_dict(state["target"])
        if self.learns_alpha:
            self.log_alpha.data.copy_(state["log_alpha"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])
        self.alpha_optimizer.param_groups[0]["lr"] = self.config.learning_rate
        rates = (self.config.learning_rate, self.config.critic_learning_rate)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):  # a resumed run may have others
            group["lr"] = rate
        restore_generator(self.generator, state["generator"])
        self.updates = int(state["updates"])


class Sampling:
    """`protocol.Behaviour` of an actor: what it draws; before the learning starts, anything."""

    def __init__(
        self,
        network: SoftActorCritic,
        spec: ActionSpec,
        learning_starts: int,
        num_rows: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.spec, self.learning_starts, self.num_rows = network, spec, learning_starts, num_rows
        self.rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        self.generator = torch.Generator(device).manual_seed(int(self.rng.integers(2**63)))

    def choose(self, seen: Seen, global_step: int) -> Choice:
        if global_step < self.learning_starts:
            low, high = self.spec.bounds
            actions = self.rng.uniform(low, high, (self.num_rows, *self.spec.shape)).astype(np.float32)
        else:
            actions = _drawn(self.network, self.spec, seen, self.generator)
        return Choice(actions, None, seen.state)

    def observe(self, new: np.ndarray) -> None:
        """New places are nothing to it."""

    def forget(self, rows: np.ndarray) -> None:
        """It remembers nothing of an episode."""

    def figures(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"rng": self.rng.bit_generator.state, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]
        restore_generator(self.generator, state["generator"])


class SoftPlayer(Player):
    """Draws its actions, or takes the middle of what it would draw."""

    def __init__(
        self, env: VectorEnv, policy: SoftActorCritic, likeliest: bool, seed: int, device: torch.device | str
    ) -> None:
        super().__init__(env, policy, device)
        self.policy, self.likeliest = policy, likeliest
        self.generator = torch.Generator(device).manual_seed(seed)

    def choose(self, seen: Seen) -> np.ndarray:
        return _drawn(self.policy, self.env.spec.action, seen, None if self.likeliest else self.generator)


def _drawn(network: SoftActorCritic, spec: ActionSpec, seen: Seen, generator: torch.Generator | None) -> np.ndarray:
    """Actions as the environments take them: drawn, or without a generator the middle ones."""
    distribution = network.act(network.encode(seen.given))
    actions = distribution.mode() if generator is None else distribution.sample(generator)
    return spec.to_env(actions.cpu().numpy())
