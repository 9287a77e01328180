"""Histories of frames: the last ones of each row while acting, and those of sampled records."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from policies.protocol import Network

if TYPE_CHECKING:
    from puffer_envs.contract.layout import ObsLayout


def stack_history(frames: Tensor, episode_start: Tensor, history: int, every: int = 1) -> Tensor:
    """Stack each frame with those before it, without reaching into the episode before.

    Args:
        frames: [reach + L, B, F], consecutive frames of each sequence; reach = (history - 1) * every.
        episode_start: bool [reach + L, B].
        every: frames from one of a stack to the next.

    Returns:
        [L, B, history, F], oldest first. Before an episode's first frame that frame itself stands.
    """
    total, batch = episode_start.shape
    reach = (history - 1) * every
    at = torch.arange(total, device=frames.device)[:, None].expand(total, batch)
    begin = torch.where(episode_start, at, 0).cummax(dim=0).values
    lags = torch.arange(reach, -1, -every, device=frames.device)
    now = at[reach:, :, None]
    source = torch.maximum(now - lags, begin[reach:, :, None])  # [L, B, history]
    columns = torch.arange(batch, device=frames.device)[None, :, None]
    return take(frames.reshape(total * batch, -1), source * batch + columns)


def take(records: Tensor, places: Tensor) -> Tensor:
    """Records ``[K, ...]`` at places (int64, any shape): ``[*shape, ...]``.

    Each is copied as a whole: on a CPU ten times as fast as an index, which goes number by number.
    """
    return records.index_select(0, places.reshape(-1)).reshape(*places.shape, *records.shape[1:])


def history_span(network: Network, layout: "ObsLayout") -> slice:
    """The part of a row that a network is shown several of: a field, or the whole row."""
    return layout[network.history_field].span if network.history_field else slice(0, layout.size)


def torch_dtype(dtype: np.dtype) -> torch.dtype:
    """The same dtype by torch's name."""
    return torch.from_numpy(np.empty(0, dtype)).dtype


class History:
    """What a network is shown while it acts: the rows as they are, or some of the last frames of each.

    A ring that is indexed, never shifted.
    """

    def __init__(
        self, num_rows: int, network: Network, layout: "ObsLayout", device: torch.device | str = "cpu"
    ) -> None:
        self.length = network.reach + 1
        self.span = history_span(network, layout)
        self.cursor = 0
        self.ring: Tensor | None = None  # [N, H, F]
        if self.length > 1:
            size = self.span.stop - self.span.start
            self.ring = torch.zeros((num_rows, self.length, size), dtype=torch_dtype(layout.dtype), device=device)
        # Earlier frames of each row's episode, at most those that are kept
        self.former = torch.zeros(num_rows, dtype=torch.int64, device=device)
        self.rows = torch.arange(num_rows, device=device)
        self.ages = torch.arange(network.reach, -1, -network.history_every, device=device)  # of what is shown

    def push(self, rows: Tensor, episode_start: Tensor) -> Tensor:
        """Add the newest frame of each row, [N, R]; rows that begin an episode forget the others.

        Returns:
            the rows [N, R] where one is all that is shown; else [N, H, F], oldest first.
        """
        if self.ring is None:
            return rows
        self.cursor = (self.cursor + 1) % self.length
        self.former = torch.where(episode_start, 0, (self.former + 1).clamp(max=self.length - 1))
        self.ring[:, self.cursor] = rows[:, self.span]
        return self._aged(self.rows, self.ages)

    def ahead(self, rows: Tensor, following: Tensor) -> Tensor:
        """What rows (indices [K]) would be shown next if ``following`` [K, R] were their next frames: [K, H, F]."""
        return torch.cat([self._aged(rows, self.ages[:-1] - 1), following[:, None, self.span]], 1)

    def _aged(self, rows: Tensor, ages: Tensor) -> Tensor:
        """Frames of these ages [H] of rows (indices [K]), [K, H, F]; for those before an episode its first one."""
        assert self.ring is not None
        places = (self.cursor - ages.minimum(self.former[rows, None])) % self.length
        return take(self.ring.flatten(0, 1), rows[:, None] * self.length + places)

    def state_dict(self) -> dict[str, Any]:
        """The ring, its cursor and how much of it is of the present episodes; nothing where there is none.

        The ring goes on being written: what was saved before a push is restored after it where the same rows are pushed
        again, as no frame of what the push has overwritten is shown before that.
        """
        return {} if self.ring is None else {"ring": self.ring, "cursor": self.cursor, "former": self.former}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        if self.ring is not None:
            self.ring = state["ring"].to(self.ring.device)
            self.cursor = int(state["cursor"])
            whole = torch.full_like(self.former, self.length - 1)  # as rings were that checkpoints of before have
            self.former = state.get("former", whole).to(self.ring.device)
