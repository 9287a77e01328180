"""Memories of three spans over one flat state tensor.

Each memory has ``state_size`` and two forms of one function, with ``state [B, state_size]``:

- ``step(x [B, in], state, episode_start [B]) -> (y [B, hidden], state)``
- ``sequence(x [T, B, in], state, episode_start [T, B]) -> (y [T, B, hidden], state)``

Where ``episode_start`` is true the state is zeroed before the step.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from policies.blocks import orthogonal


def _init_gates(rnn: nn.RNNBase, gates: int) -> None:
    """Orthogonal per gate, zero biases."""
    for name, parameter in rnn.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
        else:
            for gate in parameter.data.chunk(gates):
                nn.init.orthogonal_(gate)


def _runs(episode_start: Tensor) -> list[tuple[int, int]]:
    """The stretches ``(start, end)`` of a sequence in which no row starts a new episode after the first step."""
    cuts = [0, *(1 + episode_start[1:].any(1).nonzero().flatten()).tolist(), len(episode_start)]
    return list(pairwise(cuts))


class GRU(nn.Module):
    """Short memory: a gated recurrent unit. Its state is h."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.state_size = hidden
        self.cell = nn.GRU(in_features, hidden)
        _init_gates(self.cell, 3)

    def step(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One step, see the module."""
        state = torch.gru_cell(x, state * ~episode_start[:, None], *self.cell.parameters())
        return state, state

    def sequence(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T steps, see the module."""
        outputs = []
        for start, end in _runs(episode_start):
            y, state = self.cell(x[start:end], (state * ~episode_start[start, :, None])[None])
            outputs.append(y)
            state = state[0]
        return torch.cat(outputs), state


class LSTM(nn.Module):
    """Middle memory: long short-term memory, forget gates open at the start. Its state is [h, c]."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.state_size = 2 * hidden
        self.cell = nn.LSTM(in_features, hidden)
        _init_gates(self.cell, 4)
        nn.init.ones_(self.cell.get_parameter("bias_hh_l0").data[hidden : 2 * hidden])

    def step(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One step, see the module."""
        h, c = (state * ~episode_start[:, None]).chunk(2, -1)
        h, c = torch.lstm_cell(x, (h, c), *self.cell.parameters())
        return h, torch.cat((h, c), -1)

    def sequence(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T steps, see the module."""
        outputs = []
        for start, end in _runs(episode_start):
            h, c = (state * ~episode_start[start, :, None])[None].chunk(2, -1)
            y, (h, c) = self.cell(x[start:end], (h.contiguous(), c.contiguous()))
            outputs.append(y)
            state = torch.cat((h[0], c[0]), -1)
        return torch.cat(outputs), state


class SSM(nn.Module):
    """Long memory: a diagonal state space model, ``h = a * h + (1 - a) * (W x + b)`` with ``a = sigmoid(decay)``.

    The channels begin with time scales ``1 / (1 - a)`` spread evenly in logarithm over ``time_scales`` steps.
    """

    def __init__(self, in_features: int, hidden: int, time_scales: tuple[float, float] = (2.0, 512.0)) -> None:
        super().__init__()
        self.state_size = hidden
        self.input = orthogonal(nn.Linear(in_features, hidden))
        scales = torch.logspace(math.log10(time_scales[0]), math.log10(time_scales[1]), hidden)
        self.decay = nn.Parameter(torch.log(scales - 1))  # sigmoid(log(s - 1)) = 1 - 1 / s

    def step(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One step, see the module."""
        y, state = self.sequence(x[None], state, episode_start[None])
        return y[0], state

    def sequence(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T steps, see the module."""
        drive = self.input(x) * torch.sigmoid(-self.decay)
        keep = torch.sigmoid(self.decay) * ~episode_start[..., None]
        outputs = []
        for u, k in zip(drive.unbind(0), keep.unbind(0), strict=True):
            state = torch.addcmul(u, k, state)
            outputs.append(state)
        return torch.stack(outputs), state


class Hierarchy(nn.Module):
    """GRU -> LSTM -> SSM, each fed by the one before; all three are heard, each normalised on its own.

    The state is one tensor ``[B, state_size]``: gru h, lstm h, lstm c, ssm h. ``step`` and ``sequence`` return
    ``[gru, lstm, ssm]`` of 3 x ``hidden`` features (``out_features``) and the new state.
    """

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        short, mid, long = GRU(in_features, hidden), LSTM(hidden, hidden), SSM(hidden, hidden)
        self.sizes = [short.state_size, mid.state_size, long.state_size]
        self.memories = nn.ModuleDict({"short": short, "mid": mid, "long": long})
        self.state_size = sum(self.sizes)
        self.out_features = 3 * hidden
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.sizes)

    def step(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One step, see the module."""
        return self._chain("step", x, state, episode_start)

    def sequence(self, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T steps, see the module."""
        return self._chain("sequence", x, state, episode_start)

    def _chain(self, form: str, x: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        outputs, states = [], []
        for memory, part, norm in zip(self.memories.values(), state.split(self.sizes, -1), self.norms, strict=True):
            x, part = getattr(memory, form)(x, part, episode_start)
            outputs.append(norm(x))
            states.append(part)
        return torch.cat(outputs, -1), torch.cat(states, -1)
