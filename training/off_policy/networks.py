"""The copies of a network that learning from a replay needs: one that judges, one that acts."""

import copy
from typing import TypeVar

import torch
from torch import nn

N = TypeVar("N", bound=nn.Module)


def frozen_copy(network: N) -> N:
    """The same weights, never trained."""
    twin = copy.deepcopy(network).requires_grad_(False)
    for module in twin.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # a copy scatters them, and cuDNN would gather them at every call
    return twin


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move a network by the fraction ``tau`` of the way to another; 1 copies it."""
    for moving, goal in zip(target.parameters(), online.parameters(), strict=True):
        if tau == 1:
            moving.copy_(goal)
        else:
            moving.lerp_(goal, tau)
