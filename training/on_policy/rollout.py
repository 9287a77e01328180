"""On-policy segments: T decisions of all rows, as the policy that is then updated made them."""

import torch
from torch import Tensor

from policies.actions import stored
from policies.protocol import ActorCritic
from puffer_envs.contract.spec import EnvSpec
from training.common.acting import Seen
from training.common.history import take, torch_dtype
from training.on_policy.returns import gae


class Rollout:
    """Storage of one segment on the device, written in place: T steps of N rows, and the frames before them."""

    def __init__(self, spec: EnvSpec, num_rows: int, policy: ActorCritic, num_steps: int, device: torch.device) -> None:
        lead, self.every = policy.reach, policy.history_every
        dtype, action_shape = stored(spec.action)
        shape = (num_steps, num_rows)

        def zeros(dtype: torch.dtype = torch.float32, *more: int) -> Tensor:
            return torch.zeros((*shape, *more), dtype=dtype, device=device)

        row_dtype = torch_dtype(spec.layout.dtype)
        self.seen = torch.zeros((lead + num_steps, num_rows, spec.layout.size), dtype=row_dtype, device=device)
        self.former = zeros(torch.int64)  # earlier observations of the episode, at most those that are kept
        self.episode_start = zeros(torch.bool)
        self.actions = zeros(dtype, *action_shape)
        self.logprobs = zeros()
        self.values = zeros()
        self.rewards = zeros()
        self.terminals = zeros(torch.bool)  # nothing follows the action
        self.dones = zeros(torch.bool)  # the row's sum of rewards ends here: terminal, truncated, or its worker is lost
        self.next_values = zeros()  # value of what the action led to
        self.mask = zeros(torch.bool)  # alive and active: the decision is learned from
        self.state = torch.zeros((num_rows, policy.state_size), device=device)  # recurrent, before the first step

    @property
    def rows(self) -> Tensor:
        """The observations of the segment, [T, N, R]: a view."""
        return self.seen[self.lead :]

    @property
    def lead(self) -> int:
        """Observations before the segment that are kept: as far as the policy is shown the past."""
        return len(self.seen) - len(self.episode_start)

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.episode_start)

    # -- writing -----------------------------------------------------------------------------------------------------
    def decide(self, t: int, seen: Seen, actions: Tensor, logprobs: Tensor, values: Tensor) -> None:
        """Store the decision of step t."""
        if t == 0:
            self.state.copy_(seen.state)
            if self.lead:  # the end of the former segment is what comes before this one
                self.seen[: self.lead] = self.seen[-self.lead :].clone()
        self.former[t] = torch.where(seen.episode_start, 0, (self.former[t - 1] + 1).clamp(max=self.lead))
        self.rows[t], self.episode_start[t], self.values[t] = seen.rows, seen.episode_start, values
        self.actions[t], self.logprobs[t] = actions, logprobs

    def receive(self, t: int, rewards: Tensor, terminals: Tensor, dones: Tensor, mask: Tensor) -> None:
        """Store what came of it."""
        self.rewards[t], self.terminals[t], self.dones[t], self.mask[t] = rewards, terminals, dones, mask

    def look_ahead(self, last: Tensor) -> None:
        """Complete `next_values`, known where episodes were cut; ``last`` float32 [N] follows the last step."""
        ahead = torch.cat([self.values[1:], last[None]])
        self.next_values.copy_(torch.where(self.dones, self.next_values, ahead))

    # -- reading -----------------------------------------------------------------------------------------------------
    def given(self, index: Tensor) -> Tensor:
        """What a policy was shown at decisions numbered t N + n, int64 [B]: rows [B, R], or histories [B, H, R]."""
        if not self.lead:
            return take(self.seen.flatten(0, 1), index)
        rows = self.episode_start.shape[1]
        ages = torch.arange(self.lead, -1, -self.every, device=index.device).minimum(self.former.flatten()[index, None])
        return take(self.seen.flatten(0, 1), (index + self.lead * rows)[:, None] - ages * rows)

    def sequences(self, index: Tensor) -> Tensor:
        """What a policy with a memory was shown in whole rows n, int64 [B]: [T, B, R], or histories [T, B, H, R]."""
        if not self.lead:
            return self.rows[:, index]
        steps, rows = self.episode_start.shape
        decisions = torch.arange(steps, device=index.device)[:, None] * rows + index
        return self.given(decisions.flatten()).unflatten(0, (steps, len(index)))

    def advantages(self, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
        """Advantages and returns, float32 [T, N] (`returns.gae`)."""
        return gae(self.rewards, self.values, self.next_values, self.terminals, self.dones, self.mask, gamma, lam)

    # -- checkpoints -------------------------------------------------------------------------------------------------
    def state_dict(self, steps: int | None = None) -> dict[str, Tensor]:
        """All tensors by name, of the first ``steps`` steps (default: of all).

        Pictures are large: a segment of 64 games can take .9 GB, of which a checkpoint needs what is filled.
        """
        end = self.num_steps if steps is None else steps
        ends = {"seen": self.lead + end, "state": len(self.state)}
        # By way of NumPy: with a slice of a tensor, all that it is a slice of would be saved
        parts = {name: tensor[: ends.get(name, end)].cpu().numpy() for name, tensor in self.tensors().items()}
        return {name: torch.from_numpy(part) for name, part in parts.items()}

    def tensors(self) -> dict[str, Tensor]:
        """All of them, by name."""
        return {name: each for name, each in vars(self).items() if isinstance(each, Tensor)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state_dict`; steps that were not saved stay as they are."""
        for name, tensor in self.tensors().items():
            tensor[: len(state[name])].copy_(state[name])
