"""What a learner may ask of a network."""

from torch import Tensor, nn


class RecurrentQNetwork(nn.Module):
    """Action values from packed rows, a frame history and one flat recurrent state a row.

    `encode` is apart from the memories, so that a learner runs it once over all frames of a batch of sequences and
    gives its features to the curiosity as well.
    """

    history_field: str  # field of the observation row that is stacked
    history: int  # frames H of the stack
    feature_size: int
    state_size: int
    num_actions: int

    def encode(self, rows: Tensor, frames: Tensor) -> Tensor:
        """Rows uint8 ``[B, R]`` and packed frames uint8 ``[B, H, F]``, oldest first -> ``[B, feature_size]``."""
        raise NotImplementedError

    def step(self, features: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: ``[B, F], [B, state_size], bool [B] -> q [B, A], state``; zeroes the state where ``first``."""
        raise NotImplementedError

    def sequence(self, features: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """T decisions: ``[T, B, F], [B, state_size], bool [T, B] -> q [T, B, A], state``."""
        raise NotImplementedError


class ActorCritic(nn.Module):
    """Logits of actions and a value from packed rows, and one flat recurrent state a row (of size 0 without memory).

    A network without memory may ask for a history: then it is given the rows of the last H observations of an episode,
    ``[B, H, R]``, oldest first, an episode's first one repeated, instead of ``[B, R]``.
    """

    state_size: int
    num_actions: int
    history = 1  # H
    embedder = ""  # name of what makes the vectors of texts (training/text.py); none: it reads no texts

    def reading(self, vectors: Tensor) -> "ActorCritic":
        """The same network, its weights shared, for rows that number other texts; float32 ``[K, 384]``."""
        return self

    def figures(self) -> dict[str, Tensor]:
        """What else a log line says of the last batch: scalars by name."""
        return {}

    def step(self, rows: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One decision: ``[B, R], [B, state_size], bool [B] -> logits [B, A], values [B], state``; zeroes the state
        where ``first``."""
        raise NotImplementedError

    def sequence(self, rows: Tensor, state: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """T decisions of a network with a memory: ``[T, B, R], [B, state_size], bool [T, B] -> logits [T, B, A],
        values [T, B]``."""
        raise NotImplementedError
