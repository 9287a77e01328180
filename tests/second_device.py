"""A second device on a machine that has none: its tensors lie apart from the CPU's, and hold numbers all the same.

Torch's own fake devices hold no numbers: whatever depends on one (a loss that is looked at, rows that are picked by a
mask) ends there, so no update runs to its end. Here every tensor of the device wraps one of the CPU, which does the
work. An operation that is given tensors of both devices fails: copies may, and so may single numbers, as on a GPU. It
is stricter than a GPU with indices, which a GPU takes from the CPU, but waits for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")  # the one name that torch lets go backward without a backend
COPIES = (torch.ops.aten.copy_, torch.ops.aten._to_copy, torch.ops.aten.to)


class There(Tensor):
    """A tensor of the second device over ``inner``, one of the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "There":
        shape = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        tensor = Tensor._make_wrapper_subclass(cls, inner.size(), device=DEVICE, **shape)
        tensor.inner = inner
        return tensor

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(operation, args, kwargs or {})

    def tolist(self) -> Any:
        return self.inner.tolist()


class Generator(torch.Generator):
    """In the place of torch's own: of the second device, too."""

    # By address: an operation is given a new wrapper
    there: ClassVar[WeakValueDictionary[int, "Generator"]] = WeakValueDictionary()

    def __new__(cls, device: torch.device | str = "cpu") -> "Generator":
        if torch.device(device) != DEVICE:
            return super().__new__(cls, device)
        generator = super().__new__(cls)
        cls.there[generator._cdata] = generator
        return generator


class _Mode(TorchDispatchMode):
    """So that tensors are made there, too."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(operation, args, kwargs or {})


def _run(operation: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there, copies = any(isinstance(each, There) for each in given), operation.overloadpacket in COPIES
    if there and not copies:
        _check(operation, given, kwargs.get("generator"))
    inner_args, inner_kwargs = tree_map(lambda x: x.inner if isinstance(x, There) else x, (args, kwargs))
    goal = kwargs.get("device")
    if goal is not None:
        inner_kwargs["device"] = torch.device("cpu")
        there = torch.device(goal) == DEVICE
    result = operation(*inner_args, **inner_kwargs)
    if operation is torch.ops.aten.copy_.default:
        return args[0]
    if there:
        result = tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, result)
    return return_and_correct_aliasing(operation, args, kwargs, result) if there and given and not copies else result


def _check(operation: Any, given: list[Tensor], generator: torch.Generator | None) -> None:
    if any(not isinstance(each, There) and each.dim() for each in given):
        raise RuntimeError(f"{operation} was given tensors of two devices")
    if generator is not None and generator._cdata not in Generator.there:
        raise RuntimeError(f"{operation} was given a generator of another device")


@contextmanager
def second_device() -> Iterator[torch.device]:
    """The device, for as long as the context lasts, in this thread."""
    optimizer = import_module("torch.optim.optimizer")  # which torch.optim hides
    with pytest.MonkeyPatch.context() as patch, _Mode():
        patch.setattr(torch, "Generator", Generator)
        for name in (
            "__enter__",
            "__exit__",
            "__call__",
        ):  # in inference mode no wrapped tensor may be looked at in part
            patch.setattr(torch.inference_mode, name, getattr(torch.no_grad, name))
        patch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", DEVICE.type])
        yield DEVICE
