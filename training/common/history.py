"""Histories of frames: the last ones of each row while acting, and those of sampled records."""

from typing import Any

import torch
from torch import Tensor

from policies.protocol import ActorCritic
from puffer_envs.contract.vector_env import VectorEnv


def stack_history(frames: Tensor, first: Tensor, history: int) -> Tensor:
    """Stack each frame with those before it, without reaching into the episode before.

    Args:
        frames: uint8 [history - 1 + L, B, F], consecutive frames of each sequence.
        first: bool [history - 1 + L, B], True where an episode begins.

    Returns:
        uint8 [L, B, history, F], oldest first. Before an episode's first frame that frame itself stands.
    """
    total, batch = first.shape
    length = total - history + 1
    at = torch.arange(total, device=frames.device)[:, None].expand(total, batch)
    begin = torch.where(first, at, 0).cummax(dim=0).values
    lags = torch.arange(history - 1, -1, -1, device=frames.device)
    now = at[history - 1 :, :, None]
    source = torch.maximum(now - lags, begin[history - 1 :, :, None])  # [L, B, history]
    flat = frames.reshape(total * batch, -1)
    columns = torch.arange(batch, device=frames.device)[None, :, None]
    stacked = flat[(source * batch + columns).reshape(-1)]
    return stacked.reshape(length, batch, history, -1)


class FrameHistory:
    """The last frames of every row while acting: a ring that is indexed, never shifted."""

    def __init__(self, num_rows: int, history: int, frame_size: int, device: torch.device | str = "cpu") -> None:
        self.ring = torch.zeros((num_rows, history, frame_size), dtype=torch.uint8, device=device)
        self.cursor = 0
        self.history = history

    def push(self, frames: Tensor, first: Tensor) -> Tensor:
        """Add the newest frame of each row, uint8 [N, F]; rows with `first` begin anew.

        Returns:
            uint8 [N, history, F], oldest first.
        """
        self.cursor = (self.cursor + 1) % self.history
        fresh = first[:, None, None]
        self.ring = torch.where(fresh, frames[:, None, :], self.ring)
        self.ring[:, self.cursor] = frames
        order = [(self.cursor + 1 + i) % self.history for i in range(self.history)]
        return self.ring[:, order]

    def state_dict(self) -> dict[str, Any]:
        """The ring and its cursor."""
        return {"ring": self.ring, "cursor": self.cursor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.ring = state["ring"].to(self.ring.device)
        self.cursor = int(state["cursor"])


class History:
    """What a policy is given while it acts: the rows as they are, or the last ones of each."""

    def __init__(self, env: VectorEnv, policy: ActorCritic, device: torch.device) -> None:
        self.frames = None
        if policy.history > 1:
            self.frames = FrameHistory(env.num_agents, policy.history, env.spec.layout.size, device)

    def push(self, rows: Tensor, first: Tensor) -> Tensor:
        """Rows [N, R] -> [N, R] or [N, H, R]."""
        return rows if self.frames is None else self.frames.push(rows, first)

    def state_dict(self) -> dict[str, Any]:
        """Nothing where there is no history."""
        return {} if self.frames is None else self.frames.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        if self.frames is not None:
            self.frames.load_state_dict(state)
