"""Gradients held against slopes: a value that has the right number and the wrong derivative learns something else."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def check_module(module: nn.Module, call: Callable[[nn.Module, Tensor], Tensor], *inputs: Tensor) -> None:
    """Every derivative of ``call(module, *inputs)`` by weights and inputs, in float64 by finite differences."""
    module = module.double()
    names, weights = zip(*module.named_parameters(), strict=True)
    given = [x.double().requires_grad_() for x in inputs]

    def function(*tensors: Tensor) -> Tensor:
        parameters = dict(zip(names, tensors[len(given) :], strict=True))
        return torch.func.functional_call(Called(module, call), prefixed(parameters), tuple(tensors[: len(given)]))

    assert torch.autograd.gradcheck(function, (*given, *weights))


class Called(nn.Module):
    """A module whose forward is a function of it."""

    def __init__(self, module: nn.Module, call: Callable) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(self.module, *inputs)


def prefixed(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names inside `Called`."""
    return {f"module.{name}": value for name, value in parameters.items()}


def check_network(network: nn.Module, loss: Callable[[], Tensor], step: float = 5e-3) -> None:
    """Each weight's gradient along one random direction, in float32: whole networks are too large for more.

    Args:
        loss: smooth in the weights, of the size 1.
    """
    network.zero_grad()
    loss().backward()
    wrong = []
    for name, weight in network.named_parameters():
        direction = torch.randn_like(weight)
        direction *= step / direction.norm()
        assert weight.grad is not None, f"no gradient reaches {name}"
        expected = (weight.grad * direction).sum().item()
        with torch.no_grad():
            values = [loss().item() for moved in (direction, -2 * direction) if weight.add_(moved) is not None]
            weight.add_(direction)
        found = (values[0] - values[1]) / 2
        scale = (weight.grad.norm() * step).item() / weight.numel() ** 0.5  # what a random direction comes to
        if abs(found - expected) > 0.2 * scale + 3e-7:
            wrong.append((name, found, expected, scale))
    assert not wrong, wrong
