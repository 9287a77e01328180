"""On-policy segments: T decisions of all rows, as the policy that is then updated made them."""

import numpy as np
import torch
from torch import Tensor

from policies.protocol import ActorCritic
from puffer_envs.base import VectorEnv
from training.returns import gae


class Rollout:
    """Storage of one segment on the device, written in place: T steps of N rows.

    Args:
        row_size: elements of an observation row, of ``dtype``.
    """

    def __init__(
        self, num_steps: int, num_rows: int, row_size: int, dtype: torch.dtype, state_size: int, device: torch.device
    ) -> None:
        shape = (num_steps, num_rows)
        self.rows = torch.zeros((*shape, row_size), dtype=dtype, device=device)
        self.first = torch.zeros(shape, dtype=torch.bool, device=device)  # the row begins an episode
        self.actions = torch.zeros(shape, dtype=torch.int64, device=device)
        self.logprobs = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)
        self.rewards = torch.zeros(shape, device=device)
        self.terminals = torch.zeros(shape, dtype=torch.bool, device=device)
        self.ended = torch.zeros(shape, dtype=torch.bool, device=device)  # terminal or truncated
        self.following = torch.zeros(shape, device=device)  # value of what the action led to
        self.alive = torch.zeros(shape, dtype=torch.bool, device=device)  # False: the row's worker was away
        self.state = torch.zeros((num_rows, state_size), device=device)  # recurrent state before the first step

    def advantages(self, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
        """Advantages and returns, float32 [T, N] (`returns.gae`)."""
        return gae(self.rewards, self.values, self.following, self.terminals, self.ended, gamma, lam)


class RolloutCollector:
    """Fills a `Rollout` by acting in the environments; they and the recurrent state go on from segment to segment.

    Args:
        seed: of the actions, which are drawn on the device.
    """

    def __init__(self, env: VectorEnv, policy: ActorCritic, rollout: Rollout, seed: int, device: torch.device) -> None:
        self.env, self.policy, self.rollout, self.device = env, policy, rollout, device
        self.state = torch.zeros((env.num_agents, policy.state_size), device=device)
        self.first = torch.ones(env.num_agents, dtype=torch.bool, device=device)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.global_step = 0

    @torch.no_grad()
    def collect(self) -> None:
        """One segment."""
        rollout = self.rollout
        rollout.state.copy_(self.state)
        for t in range(len(rollout.rows)):
            self._act(t)
            self.env.recv()
            self._note(t)
        _, last, _ = self.policy.step(self._to_device(self.env.observations), self.state, self.first)
        ahead = torch.cat([rollout.values[1:], last[None]])
        rollout.following.copy_(torch.where(rollout.ended, rollout.following, ahead))

    def _act(self, t: int) -> None:
        """Draw actions and send them; while the environments step, what led to them is stored."""
        rollout = self.rollout
        rows = self._to_device(self.env.observations)
        logits, values, self.state = self.policy.step(rows, self.state, self.first)
        logprobs = logits.log_softmax(-1)
        actions = torch.multinomial(logprobs.exp(), 1, generator=self.generator)
        self.env.send(actions[:, 0].cpu().numpy())
        rollout.rows[t], rollout.first[t], rollout.values[t] = rows, self.first, values
        rollout.actions[t], rollout.logprobs[t] = actions[:, 0], logprobs.gather(-1, actions)[:, 0]

    def _note(self, t: int) -> None:
        """What came of the actions."""
        rollout, env = self.rollout, self.env
        rollout.rewards[t] = self._to_device(env.rewards)
        rollout.terminals[t] = self._to_device(env.terminals)
        rollout.alive[t] = self._to_device(env.masks)
        self.first = rollout.ended[t] = self._to_device(env.terminals | env.truncations | ~env.masks)
        truncated = np.flatnonzero(env.truncations)
        if truncated.size:
            rows = torch.from_numpy(truncated).to(self.device)
            final = self._to_device(env.final_observations[truncated])
            nothing = torch.zeros(len(rows), dtype=torch.bool, device=self.device)
            rollout.following[t, rows] = self.policy.step(final, self.state[rows], nothing)[1]
        self.global_step += int(env.masks.sum())

    def _to_device(self, array: np.ndarray) -> Tensor:
        """A copy: the environments write on."""
        return torch.from_numpy(array.copy()).to(self.device, non_blocking=True)
