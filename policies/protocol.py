"""What a learner may ask of a network."""

from typing import Any

from torch import Tensor, nn

from policies.actions import Distribution, SquashedGaussian


class Network(nn.Module):
    """What all networks that act have: one flat recurrent state a row, and what they are shown of the past.

    A network without memory has a state of size 0. One that asks for a history of H > 1 is shown H frames of an
    episode, oldest first and the present one last; its first one is repeated where there are none yet.
    """

    state_size: int
    feature_size: int  # of what curiosity looks at, where the network has any
    history = 1  # H
    history_every = 1  # decisions from one frame that is shown to the next
    history_field = ""  # field of the row that is a frame; "": the whole row

    config: Any  # its options

    @property
    def bytes_of_a_row(self) -> int:
        """What an update of PPO or SAC remembers of a row between the layers, with its gradients."""
        return self.config.bytes_of_a_row

    @property
    def reach(self) -> int:
        """Decisions back to the oldest frame that is shown."""
        return (self.history - 1) * self.history_every

    def figures(self) -> dict[str, Tensor]:
        """What else a log line says of the last batch: scalars by name."""
        return {}


class QNetwork(Network):
    """Action values from packed rows, a frame history and a recurrent state.

    `encode` is apart from the memories, so that a learner runs it once over all frames of a batch of sequences and
    gives its features to the curiosity as well.
    """

    num_actions: int

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        """Rows ``[B, R]`` and frames ``[B, H, F]``, or the rows once more where H is 1 -> ``[B, feature_size]``."""
        raise NotImplementedError

    def step(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: ``[B, F], [B, state_size], bool [B] -> q [B, A], state``; zeroes the state at a start."""
        raise NotImplementedError

    def sequence(self, features: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Tensor, Tensor]:
        """T decisions: ``[T, B, F], [B, state_size], bool [T, B] -> q [T, B, A], state``."""
        raise NotImplementedError


class SoftActorCritic(Network):
    """An actor of bounded actions and two critics over the features of one encoder. It has no recurrent state."""

    state_size = 0

    def encode(self, given: Tensor) -> Tensor:
        """Rows ``[B, R]``, or histories of them ``[B, H, R]`` -> features ``[B, F]``."""
        raise NotImplementedError

    def act(self, features: Tensor) -> SquashedGaussian:
        """``[B, F]`` -> distribution of ``[B]``."""
        raise NotImplementedError

    def judge(self, features: Tensor, actions: Tensor) -> Tensor:
        """``[B, F], [B, *action shape]`` -> what both critics expect ``[2, B]``."""
        raise NotImplementedError

    def actor_parameters(self) -> list[nn.Parameter]:
        """What `act` has of its own: the encoder learns from the critics alone."""
        raise NotImplementedError


class ActorCritic(Network):
    """A distribution over actions and a value from packed rows ``[B, R]``, or histories of them ``[B, H, R]``."""

    embedder = ""  # name of what makes the vectors of texts (training/common/texts.py); none: it reads no texts

    def reading(self, vectors: Tensor) -> "ActorCritic":
        """The same network, its weights shared, for rows that number other texts; float32 ``[K, 384]``."""
        return self

    def step(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor, Tensor]:
        """One decision: ``[B, R], [B, state_size], bool [B] -> distribution, values [B], state``; zeroes the state at
        a start."""
        raise NotImplementedError

    def sequence(self, rows: Tensor, state: Tensor, episode_start: Tensor) -> tuple[Distribution, Tensor]:
        """T decisions of a network with a memory: ``[T, B, R], [B, state_size], bool [T, B] -> distribution of [T, B],
        values [T, B]``; histories are ``[T, B, H, R]``."""
        raise NotImplementedError
