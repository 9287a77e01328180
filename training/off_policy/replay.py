"""Replay of sequences for recurrent Q-learning: every frame is stored once, as the packed row the game wrote.

Each row of the batch has its own stream of records, a ring of the last `length`. A record is an observation and what
was done there. An episode that was truncated is closed by one more record that holds its final observation and no
action, so that the observation after record k is always record k + 1 and bootstrapping needs no special case.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.common.history import stack_history

# Records between two stored recurrent states; sequences begin only there.
STATE_STRIDE = 8
# Records of a stream in one checkpoint file.
SEGMENT = 256


def stream_length(capacity: int, num_rows: int, segment: int = SEGMENT) -> int:
    """Records that each of `num_rows` streams keeps, for `capacity` in all: whole segments, at least two."""
    return max(-(-capacity // (num_rows * segment)), 2) * segment


class SequenceBatch(NamedTuple):
    """Sequences of L = burn_in + sequence + n_step records, time first, B of them."""

    rows: Tensor  # uint8 [L, B, R] packed observations
    frames: Tensor  # uint8 [L, B, H, F] history of the frame field, oldest first
    first: Tensor  # bool [L, B] first record of an episode: the recurrent state is reset before it
    actions: Tensor  # int64 [L, B]
    rewards: Tensor  # float32 [L, B]
    terminal: Tensor  # bool [L, B] the action ended the episode for good: nothing follows
    closing: Tensor  # bool [L, B] final observation of a truncated episode: no action was taken
    state: Tensor  # float32 [B, S] recurrent state before the first record


class SequenceReplay:
    """Streams of records, sampled as sequences with the recurrent state that was stored at their start.

    Args:
        capacity: records in all, shared out among `num_rows` streams by `stream_length`.
        row_size: elements R of a packed observation.
        frame_span: slice of the row that holds one frame of the history.
        history: frames H that the network sees at once.
        state_size: elements S of the recurrent state.
        sequence_length: records L of a sampled sequence.
        segment: records of a stream in one checkpoint file, see `segments`.
        device: where everything lies; a GPU holds a replay of 400,000 records of 2 kB easily.
    """

    def __init__(
        self,
        capacity: int,
        num_rows: int,
        row_size: int,
        frame_span: slice,
        history: int,
        state_size: int,
        sequence_length: int,
        *,
        segment: int = SEGMENT,
        device: torch.device | str = "cpu",
    ) -> None:
        self.length = stream_length(capacity, num_rows, segment)  # T
        self.num_rows, self.segment = num_rows, segment
        self.frame_span, self.history, self.sequence_length = frame_span, history, sequence_length
        self.device = torch.device(device)
        n, t = num_rows, self.length
        self.rows = torch.zeros((n, t, row_size), dtype=torch.uint8, device=device)
        self.actions = torch.zeros((n, t), dtype=torch.uint8, device=device)
        self.rewards = torch.zeros((n, t), dtype=torch.float32, device=device)
        self.first = torch.zeros((n, t), dtype=torch.bool, device=device)
        self.terminal = torch.zeros((n, t), dtype=torch.bool, device=device)
        self.closing = torch.zeros((n, t), dtype=torch.bool, device=device)
        self.states = torch.zeros((n, t // STATE_STRIDE, state_size), dtype=torch.float32, device=device)
        self.count = np.zeros(n, np.int64)  # records ever written to each stream

    @property
    def stored(self) -> int:
        """Records at hand."""
        return int(np.minimum(self.count, self.length).sum())

    # -- writing -------------------------------------------------------------------------------------------------
    def append(
        self,
        streams: np.ndarray,
        rows: Tensor,
        state: Tensor,
        first: Tensor,
        actions: Tensor,
        rewards: Tensor,
        terminal: Tensor,
    ) -> None:
        """One record to each of `streams` (int64 indices [n]); all tensors are of all N rows."""
        at = self._advance(streams, rows, state)
        pick, slot = at
        self.first[at] = first[pick]
        self.actions[at] = actions[pick].to(torch.uint8)
        self.rewards[at] = rewards[pick]
        self.terminal[at] = terminal[pick]
        self.closing[pick, slot] = False

    def close(self, streams: np.ndarray, final_rows: Tensor, state: Tensor) -> None:
        """End the episodes of `streams` by truncation, with their final observations (of all N rows)."""
        at = self._advance(streams, final_rows, state)
        self.first[at] = False
        self.actions[at] = 0
        self.rewards[at] = 0.0
        self.terminal[at] = False
        self.closing[at] = True

    def _advance(self, streams: np.ndarray, rows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        slots = self.count[streams] % self.length
        pick = torch.from_numpy(streams).to(self.device)
        slot = torch.from_numpy(slots).to(self.device)
        self.rows[pick, slot] = rows[pick]
        starts = slots % STATE_STRIDE == 0
        if starts.any():
            chosen = torch.from_numpy(streams[starts]).to(self.device)
            block = torch.from_numpy(slots[starts] // STATE_STRIDE).to(self.device)
            self.states[chosen, block] = state[chosen]
        self.count[streams] += 1
        return pick, slot

    # -- sampling ------------------------------------------------------------------------------------------------
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Where sequences may begin: the first absolute position of each stream and how many there are, int64 [N].

        A sequence must lie whole in the ring, with the frames before it that its first stack shows.
        """
        oldest = np.maximum(self.count - self.length, 0)
        margin = np.where(oldest > 0, self.history - 1, 0)
        first = -(-(oldest + margin) // STATE_STRIDE) * STATE_STRIDE
        last = self.count - self.sequence_length
        return first, np.maximum((last - first) // STATE_STRIDE + 1, 0)

    def sample(self, batch: int, generator: np.random.Generator) -> SequenceBatch:
        """Sequences drawn uniformly from all starts.

        Raises:
            ValueError: while no stream is long enough.
        """
        first, available = self.starts()
        ends = np.cumsum(available)
        if ends[-1] == 0:
            raise ValueError(f"the replay holds no sequence of {self.sequence_length} records yet")
        draw = generator.integers(0, ends[-1], size=batch)
        stream = np.searchsorted(ends, draw, side="right")
        nth = draw - (ends[stream] - available[stream])
        return self.gather(stream, first[stream] + nth * STATE_STRIDE)

    def gather(self, stream: np.ndarray, start: np.ndarray) -> SequenceBatch:
        """The sequences of `stream` that begin at the absolute positions `start`, int64 [B] each."""
        pad = self.history - 1
        window = np.arange(-pad, self.sequence_length)
        slots = torch.from_numpy((start[:, None] + window) % self.length).to(self.device)  # [B, pad + L]
        streams = torch.from_numpy(stream).to(self.device)
        flat = (streams[:, None] * self.length + slots).T  # [pad + L, B]
        rows = _take(self.rows, flat)
        first = _take(self.first, flat)
        first[:pad] &= torch.from_numpy((start[:, None] + window[:pad] >= 0).T).to(self.device)
        first[pad] |= torch.from_numpy(start == 0).to(self.device)
        inside = flat[pad:]
        block = torch.from_numpy((start % self.length) // STATE_STRIDE).to(self.device)
        return SequenceBatch(
            rows=rows[pad:],
            frames=stack_history(rows[..., self.frame_span], first, self.history),
            first=first[pad:],
            actions=_take(self.actions, inside).long(),
            rewards=_take(self.rewards, inside),
            terminal=_take(self.terminal, inside),
            closing=_take(self.closing, inside),
            state=self.states[streams, block],
        )

    # -- checkpoints ---------------------------------------------------------------------------------------------
    def segments(self) -> list[int]:
        """Numbers of the segments that every stream has filled and none has begun to overwrite: they never change.

        Segment s holds the records [s x segment, (s + 1) x segment) of every stream.
        """
        complete = int(self.count.min()) // self.segment
        oldest = max(-(-(int(self.count.max()) - self.length) // self.segment), 0)
        return list(range(oldest, complete))

    def segment_dict(self, number: int) -> dict[str, Tensor]:
        """The records of one segment of all streams."""
        begin = number * self.segment % self.length
        part, blocks = self._slices(begin, begin + self.segment)
        return self._parts(part, blocks)

    def load_segment(self, number: int, parts: dict[str, Tensor]) -> None:
        """Inverse of `segment_dict`."""
        begin = number * self.segment % self.length
        part, blocks = self._slices(begin, begin + self.segment)
        for name, tensor in self._parts(part, blocks).items():
            tensor.copy_(parts[name])

    def state_dict(self) -> dict[str, Any]:
        """What the segments leave out: the counters and the blocks at both ends of the ring."""
        kept = {number % (self.length // self.segment) for number in self.segments()}
        tail = [block for block in range(self.length // self.segment) if block not in kept]
        tail = [block for block in tail if block * self.segment < self.count.max()]
        return {
            "count": self.count.copy(),
            "length": self.length,
            "segments": self.segments(),
            "tail": {str(block): self.segment_dict(block) for block in tail},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`; the segments it names must be loaded as well.

        Raises:
            ValueError: the replay was saved with another capacity or another number of rows.
        """
        if state["length"] != self.length or len(state["count"]) != self.num_rows:
            raise ValueError(
                f"the checkpoint's replay has {len(state['count'])} streams of {state['length']} records, this run's "
                f"{self.num_rows} of {self.length}: resume with the same --num-envs and replay size"
            )
        self.count[:] = state["count"]
        for block, parts in state["tail"].items():
            self.load_segment(int(block), parts)

    def _slices(self, begin: int, end: int) -> tuple[slice, slice]:
        return slice(begin, end), slice(begin // STATE_STRIDE, end // STATE_STRIDE)

    def _parts(self, part: slice, blocks: slice) -> dict[str, Tensor]:
        names = ("rows", "actions", "rewards", "first", "terminal", "closing")
        parts = {name: getattr(self, name)[:, part] for name in names}
        return parts | {"states": self.states[:, blocks]}


def _take(array: Tensor, flat: Tensor) -> Tensor:
    """Records of [N, T, ...] at flat positions n * T + t, in the shape of `flat`."""
    values = array.reshape(-1, *array.shape[2:])[flat.reshape(-1)]
    return values.reshape(*flat.shape, *array.shape[2:])
