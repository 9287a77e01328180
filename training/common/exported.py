"""A network as one function of tensors, as torch.export and ONNX take it: to play without this repository."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from policies.actions import Distribution
from policies.protocol import ActorCritic, Network, QNetwork, SoftActorCritic
from training.common.history import history_span, torch_dtype

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

EXAMPLES = 2  # rows that a program is traced with; it takes any number


class Exported(nn.Module):
    """Observations and what is remembered -> what an action is drawn from, the likeliest one, what to remember.

    Everything that a run keeps beside the network is within: the frame history is a part of the memory, and actions
    leave as the environments take them.

    Args:
        network: its parameters are shared.
        layout, action: of the rows that it was trained on.
    """

    low: Tensor  # float32, of a Box
    high: Tensor

    def __init__(self, network: Network, layout: "ObsLayout", action: "ActionSpec") -> None:
        super().__init__()
        self.network, self.layout, self.action = network, layout, action
        self.span = history_span(network, layout)
        self.bounds = action.low is not None
        if action.low is not None and action.high is not None:
            self.register_buffer("low", torch.from_numpy(action.low.copy()), persistent=False)
            self.register_buffer("high", torch.from_numpy(action.high.copy()), persistent=False)

    def first_memory(self, num_rows: int) -> dict[str, Tensor]:
        """What is handed in at first: zeros, of which nothing is left where an episode begins.

        ``state`` float32 [B, S] where the network has a recurrent one, ``history`` [B, reach, F] in the rows' dtype
        where it is shown frames before the present one: all of them as far back as it is shown any, oldest first.
        """
        memory = {}
        if self.network.state_size:
            memory["state"] = torch.zeros(num_rows, self.network.state_size)
        if self.network.history > 1:
            size = len(range(self.layout.size)[self.span])
            dtype = torch_dtype(self.layout.dtype)
            memory["history"] = torch.zeros(num_rows, self.network.reach, size, dtype=dtype)
        return memory

    def example(self, num_rows: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Inputs of the right dtypes and extents: the first step of rows in which there is nothing."""
        rows = torch.zeros(num_rows, self.layout.size, dtype=torch_dtype(self.layout.dtype))
        return rows, torch.ones(num_rows, dtype=torch.bool), self.first_memory(num_rows)

    @torch.no_grad()
    def distribution(self) -> str:
        """What an actor draws its actions from, by the name of the class; "" of action values."""
        if isinstance(self.network, QNetwork):
            return ""
        observation, episode_start, memory = self.example(1)
        shown, _ = self._shown(observation, episode_start, memory)
        return type(self._acted(shown, self._state(observation, memory), episode_start)[0]).__name__

    def forward(self, observation: Tensor, episode_start: Tensor, memory: dict[str, Tensor]) -> dict[str, Tensor]:
        """One decision of B rows.

        Args:
            observation: packed rows [B, R], as the environments write them.
            episode_start: bool [B], the observation begins an episode.
            memory: by name, as `first_memory` or the decision before has it.

        Returns:
            ``logits``, or ``mean`` and ``log_std``, or ``q``, float32 [B, n]; ``action``, the likeliest or best one;
            ``value`` float32 [B] of an actor-critic; ``next_<name>`` for each name of the memory.
        """
        shown, kept = self._shown(observation, episode_start, memory)
        state = self._state(observation, memory)
        if isinstance(self.network, QNetwork):
            features = self.network.encode(observation, shown)
            q, state = self.network.step(features, state, episode_start)
            outputs = {"q": q, "action": self._as_played(q.argmax(-1))}
        else:
            distribution, beside, state = self._acted(shown, state, episode_start)
            outputs = distribution.numbers() | {"action": self._as_played(distribution.mode())} | beside
        following = {"state": state} | kept
        return outputs | {f"next_{name}": following[name] for name in memory}

    def _acted(
        self, shown: Tensor, state: Tensor, episode_start: Tensor
    ) -> tuple[Distribution, dict[str, Tensor], Tensor]:
        """What an actor draws from, what it says beside, and its state."""
        if isinstance(self.network, SoftActorCritic):
            return self.network.act(self.network.encode(shown)), {}, state
        assert isinstance(self.network, ActorCritic)
        distribution, value, state = self.network.step(shown, state, episode_start)
        return distribution, {"value": value}, state

    @staticmethod
    def _state(rows: Tensor, memory: dict[str, Tensor]) -> Tensor:
        return memory["state"] if "state" in memory else rows.new_zeros((rows.shape[0], 0), dtype=torch.float32)

    def _shown(
        self, rows: Tensor, episode_start: Tensor, memory: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the network is shown, as `History.push` makes it, and the history that goes on."""
        if "history" not in memory:
            return rows, {}
        frame = rows[:, None, self.span]
        frames = torch.cat([torch.where(episode_start[:, None, None], frame, memory["history"]), frame], 1)
        return frames[:, :: self.network.history_every], {"history": frames[:, 1:]}

    def _as_played(self, actions: Tensor) -> Tensor:
        """A policy's actions [B] or [B, size] as the environments take them, see `ActionSpec.to_env`."""
        actions = actions.reshape(actions.shape[0], *self.action.shape)
        if self.bounds:
            actions = torch.minimum(torch.maximum(actions, self.low), self.high)
        return actions.to(torch_dtype(self.action.dtype))


class Traced(NamedTuple):
    """A network's program, which takes any number of rows."""

    program: ExportedProgram
    inputs: dict[str, Tensor]  # by name, in the program's order, as it was traced with
    outputs: dict[str, Tensor]


@torch.no_grad()
def trace(exported: Exported) -> Traced:
    """Follow one decision of some rows."""
    observation, episode_start, memory = exported.example(EXAMPLES)
    outputs = exported(observation, episode_start, memory)
    rows = {0: Dim("batch", min=1)}
    sizes = {"observation": rows, "episode_start": rows, "memory": dict.fromkeys(memory, rows)}
    program = torch.export.export(exported, (observation, episode_start, memory), dynamic_shapes=sizes)
    return Traced(program, {"observation": observation, "episode_start": episode_start} | memory, outputs)
