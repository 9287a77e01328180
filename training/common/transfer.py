"""From the environments' arrays to the device, and generators from one device to another."""

import hashlib

import numpy as np
import torch
from torch import Tensor


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy on the device, which a GPU makes in its own time: whoever owns the array may write on at once."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":  # the allocator keeps the pinned block until its copy is done
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.clone().to(device)


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Go on with the draws of a saved generator.

    The states of two kinds of devices have nothing in common: saved on another kind, the draws begin anew, with a seed
    that is made of the state (uint8 [S]).
    """
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
    else:
        digest = hashlib.blake2b(state.numpy().tobytes(), digest_size=8).digest()
        generator.manual_seed(int.from_bytes(digest, "little") >> 1)
