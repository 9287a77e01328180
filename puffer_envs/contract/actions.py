"""What an action is: made from a gymnasium space, asked by buffers, learners and networks, checked at the door."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

Kind = Literal["discrete", "multi_discrete", "multi_binary", "box"]


@dataclass(frozen=True, eq=False)  # arrays have no single answer to ==
class ActionSpec:
    """Kind, shape and range of one row's action.

    A policy's actions are flat: [..., size], or [...] where `kind` is "discrete". The environments take [N, *shape].
    """

    kind: Kind
    parts: tuple[int, ...]  # choices of each discrete part; none in a Box
    shape: tuple[int, ...]  # of one row's action as the environments take it; () for one choice
    dtype: np.dtype  # of the environments' buffers: int32, int8 for MultiBinary, float32 for Box
    low: np.ndarray | None = None  # float32 [*shape], of a Box
    high: np.ndarray | None = None  # float32 [*shape], of a Box

    @classmethod
    def of(cls, space: spaces.Space) -> "ActionSpec":
        """The actions of a Discrete, MultiDiscrete, MultiBinary or bounded float Box.

        Raises:
            ValueError: for any other space.
        """
        if space.shape and not math.prod(space.shape):
            raise ValueError(f"actions must have one number at least, not shape {space.shape}")
        if isinstance(space, spaces.Discrete):
            _from_zero(space.start)
            return cls("discrete", (int(space.n),), (), np.dtype(np.int32))
        if isinstance(space, spaces.MultiDiscrete):
            _from_zero(space.start)
            if space.nvec.ndim != 1:
                raise ValueError(f"a MultiDiscrete of actions must have one axis, not shape {space.shape}")
            return cls("multi_discrete", tuple(space.nvec.tolist()), space.shape, np.dtype(np.int32))
        if isinstance(space, spaces.MultiBinary):
            return cls("multi_binary", (2,) * math.prod(space.shape), space.shape, np.dtype(np.int8))
        if isinstance(space, spaces.Box):
            return cls("box", (), space.shape, np.dtype(np.float32), *_bounds(space))
        raise ValueError(f"actions must be Discrete, MultiDiscrete, MultiBinary or Box, not {space}")

    @property
    def size(self) -> int:
        """Numbers in one action."""
        return math.prod(self.shape)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """`low` and `high` of a Box.

        Raises:
            ValueError: it is none.
        """
        if self.low is None or self.high is None:
            raise ValueError(f"actions that are {self.kind} have no bounds")
        return self.low, self.high

    @property
    def num_inputs(self) -> int:
        """Numbers that the distribution of one action is made from: logits, a Box's means."""
        return self.size if self.kind in ("multi_binary", "box") else sum(self.parts)

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """A policy's actions, [N, size] or [N], as the environments take them: ``dtype`` [N, *shape], a Box clipped."""
        actions = actions.reshape(len(actions), *self.shape)
        if self.low is not None:
            actions = np.clip(actions, self.low, self.high)
        return actions.astype(self.dtype, copy=False)


def _from_zero(start: Any) -> None:
    if np.any(start):
        raise ValueError(f"actions must start at 0, not {start}")


def _bounds(space: spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    """Float32 low and high; wider bounds than float32 can hold are none."""
    if space.dtype.kind != "f":
        raise ValueError(f"a Box of actions must be of floats, not {space.dtype}; take MultiDiscrete for integers")
    with np.errstate(over="ignore"):
        low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(f"a Box of actions must have finite bounds, low below high, not {low.min()} to {high.max()}")
    return low, high


def check(spec: ActionSpec, actions: Any, num_rows: int) -> np.ndarray:
    """Actions of all rows, [N, *shape], ready to be copied into a buffer of ``spec.dtype``.

    Numbers out of range pass, see `valid`; those that the buffer's integers cannot hold become its last ones, which
    are out of range as well.

    Raises:
        ValueError: another shape, not integers where choices are asked (MultiBinary takes bools), or NaN in a Box.
    """
    try:
        array = np.asarray(actions)
    except ValueError as error:
        raise ValueError(f"actions must be an array of shape {(num_rows, *spec.shape)}: {error}") from error
    if array.shape != (num_rows, *spec.shape):
        raise ValueError(f"actions must have shape {(num_rows, *spec.shape)}, not {array.shape}")
    if array.dtype != spec.dtype:
        array = _cast(spec, array)
    if spec.kind == "box" and math.isnan(array.max()):  # of numbers with a NaN among them it is the maximum
        rows = np.isnan(array).reshape(num_rows, -1).any(1)
        raise ValueError(f"actions must be numbers, but row {rows.argmax()} has NaN")
    return array


def _cast(spec: ActionSpec, array: np.ndarray) -> np.ndarray:
    kind = array.dtype.kind
    if spec.kind == "box":
        if kind not in "fiu":
            raise ValueError(f"actions must be floats, not {array.dtype}")
        with np.errstate(over="ignore"):  # infinity is out of range
            return array.astype(spec.dtype)
    if kind not in ("iub" if spec.kind == "multi_binary" else "iu"):
        raise ValueError(f"actions must be integers, not {array.dtype}")
    if not np.can_cast(array.dtype, spec.dtype):
        limits = np.iinfo(spec.dtype)
        if array.min() < limits.min or array.max() > limits.max:  # 2**32 must not become action 0
            array = array.clip(limits.min, limits.max)
    return array.astype(spec.dtype)


def valid(spec: ActionSpec, actions: np.ndarray) -> np.ndarray:
    """Which rows' actions, [N, *shape], are in range in all their parts, bool [N]; the others shall do nothing."""
    if spec.kind == "discrete":
        return (actions >= 0) & (actions < spec.parts[0])
    if spec.low is not None:
        inside = (actions >= spec.low) & (actions <= spec.high)
    else:
        choices = np.array(spec.parts) if spec.kind == "multi_discrete" else spec.parts[0]
        inside = (actions >= 0) & (actions < choices)
    if not spec.shape:
        return inside
    if inside.all():  # as nearly always, and much faster to see than row by row
        return np.ones(len(actions), np.bool_)
    return np.all(inside.reshape(len(actions), -1), axis=1)
