"""Replay of sequences: every frame is stored once, as the packed row the game wrote.

Each row of the batch has its own stream of records, a ring of the last `length`. A record is an observation and what
was done there. An episode that was truncated is closed by one more record that holds its final observation and no
action, so that the observation after record k is always record k + 1 and bootstrapping needs no special case.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from policies.actions import stored
from policies.protocol import Network
from puffer_envs.contract.spec import EnvSpec
from training.common.history import history_span, stack_history, take, torch_dtype
from training.common.transfer import to_device

# Records between two stored recurrent states, at the most.
LONGEST_STRIDE = 8
# Records of a stream in one checkpoint file.
SEGMENT = 256


def stride_of(sequence: int, state_size: int) -> int:
    """Records between two places where sequences may begin; ``sequence`` of each are trained.

    A recurrent state is stored at each such place. Every record must be trained from one of them, so the stride is no
    longer than what is trained; it is a power of two, so that segments are whole strides.
    """
    if not state_size:
        return 1
    return 1 << (min(sequence, LONGEST_STRIDE).bit_length() - 1)


def stream_length(capacity: int, num_rows: int, segment: int = SEGMENT) -> int:
    """Records that each of `num_rows` streams keeps, for `capacity` in all: whole segments, at least two."""
    return max(-(-capacity // (num_rows * segment)), 2) * segment


class SequenceBatch(NamedTuple):
    """Sequences of L = burn_in + sequence + n_step records, time first, B of them."""

    rows: Tensor  # [L, B, R] packed observations
    frames: Tensor  # [L, B, H, F] history of the frames, oldest first; the rows once more where H is 1
    episode_start: Tensor  # bool [L, B]: the recurrent state is reset before it
    actions: Tensor  # [L, B, *action shape], as stored (`policies.actions.stored`)
    rewards: Tensor  # float32 [L, B]
    terminal: Tensor  # bool [L, B] the action ended the episode for good: nothing follows
    truncated: Tensor  # bool [L, B] final observation of a truncated episode: no action was taken
    state: Tensor  # float32 [B, S] recurrent state before the first record


class SequenceReplay:
    """Streams of records, sampled as sequences with the recurrent state that was stored at their start.

    Args:
        capacity: records in all, shared out among `num_rows` streams by `stream_length`.
        spec: of the game, whose rows and actions are stored as they are.
        network: whose history and recurrent states they go with.
        sequence_length: records L of a sampled sequence.
        stride: records between two places where sequences may begin (`stride_of`).
        segment: records of a stream in one checkpoint file, see `segments`.
        device: where everything lies; a GPU holds a replay of 400,000 records of 2 kB easily.
    """

    def __init__(
        self,
        capacity: int,
        num_rows: int,
        spec: EnvSpec,
        network: Network,
        sequence_length: int,
        *,
        stride: int = LONGEST_STRIDE,
        segment: int = SEGMENT,
        device: torch.device | str = "cpu",
    ) -> None:
        self.length = stream_length(capacity, num_rows, segment)  # T
        self.num_rows, self.segment, self.stride = num_rows, segment, stride
        self.span = history_span(network, spec.layout)
        self.history, self.every, self.reach = network.history, network.history_every, network.reach
        self.sequence_length = sequence_length
        self.device = torch.device(device)
        n, t = num_rows, self.length
        action_dtype, action_shape = stored(spec.action)

        def zeros(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros((n, *shape), dtype=dtype, device=device)

        self.rows = zeros(torch_dtype(spec.layout.dtype), t, spec.layout.size)
        self.actions = zeros(action_dtype, t, *action_shape)
        self.rewards = zeros(torch.float32, t)
        self.episode_start = zeros(torch.bool, t)
        self.terminal = zeros(torch.bool, t)
        self.truncated = zeros(torch.bool, t)
        self.states = zeros(torch.float32, t // stride, network.state_size)
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
        episode_start: Tensor,
        actions: Tensor,
        rewards: Tensor,
        terminal: Tensor,
    ) -> None:
        """One record to each of `streams` (int64 indices [n]); all tensors are of all N rows."""
        at = self._advance(streams, rows, state)
        pick, _ = at
        self.episode_start[at] = episode_start[pick]
        self.actions[at] = actions[pick].to(self.actions.dtype).reshape(-1, *self.actions.shape[2:])
        self.rewards[at] = rewards[pick]
        self.terminal[at] = terminal[pick]
        self.truncated[at] = False

    def close(self, streams: np.ndarray, final_rows: Tensor, state: Tensor) -> None:
        """End the episodes of `streams` by truncation, with their final observations (of all N rows)."""
        at = self._advance(streams, final_rows, state)
        self.episode_start[at] = False
        self.actions[at] = 0
        self.rewards[at] = 0.0
        self.terminal[at] = False
        self.truncated[at] = True

    def _advance(self, streams: np.ndarray, rows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        slots = self.count[streams] % self.length
        pick, slot = to_device(np.stack([streams, slots]), self.device)
        self.rows[pick, slot] = rows[pick]
        starts = slots % self.stride == 0
        if starts.any():
            chosen, block = to_device(np.stack([streams[starts], slots[starts] // self.stride]), self.device)
            self.states[chosen, block] = state[chosen]
        self.count[streams] += 1
        return pick, slot

    # -- sampling ------------------------------------------------------------------------------------------------
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Where sequences may begin: the first absolute position of each stream and how many there are, int64 [N].

        A sequence must lie whole in the ring, with the frames before it that its first stack shows.
        """
        oldest = np.maximum(self.count - self.length, 0)
        margin = np.where(oldest > 0, self.reach, 0)
        first = -(-(oldest + margin) // self.stride) * self.stride
        last = self.count - self.sequence_length
        return first, np.maximum((last - first) // self.stride + 1, 0)

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
        return self.gather(stream, first[stream] + nth * self.stride)

    def gather(self, stream: np.ndarray, start: np.ndarray) -> SequenceBatch:
        """The sequences of `stream` that begin at the absolute positions `start`, int64 [B] each."""
        pad = self.reach
        window = np.arange(-pad, self.sequence_length)
        slots = (start[:, None] + window) % self.length  # [B, pad + L]
        flat = to_device((stream[:, None] * self.length + slots).T, self.device)  # [pad + L, B]
        rows = take(self.rows.flatten(0, 1), flat)
        episode_start = take(self.episode_start.flatten(), flat)
        episode_start[:pad] &= to_device((start[:, None] + window[:pad] >= 0).T, self.device)
        episode_start[pad] |= to_device(start == 0, self.device)
        inside = flat[pad:]
        streams, block = to_device(np.stack([stream, (start % self.length) // self.stride]), self.device)
        return SequenceBatch(
            rows=rows[pad:],
            frames=stack_history(rows[..., self.span], episode_start, self.history, self.every) if pad else rows,
            episode_start=episode_start[pad:],
            actions=take(self.actions.flatten(0, 1), inside),
            rewards=take(self.rewards.flatten(), inside),
            terminal=take(self.terminal.flatten(), inside),
            truncated=take(self.truncated.flatten(), inside),
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
        return slice(begin, end), slice(begin // self.stride, end // self.stride)

    def _parts(self, part: slice, blocks: slice) -> dict[str, Tensor]:
        names = ("rows", "actions", "rewards", "episode_start", "terminal", "truncated")
        parts = {name: getattr(self, name)[:, part] for name in names}
        return parts | {"states": self.states[:, blocks]}
