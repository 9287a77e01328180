"""What a process should settle once, before the work begins: threads, and memory that is kept."""

import ctypes
import sys

import torch

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # of glibc's mallopt


def prepare(torch_threads: int) -> None:
    """Set torch's threads, and have glibc keep large blocks.

    By default glibc gives every large block back to the kernel and faults its pages in again at the next update: 8-17%
    of all trained transitions on the CPU were lost to that. Systems with another C library are left as they are.
    """
    torch.set_num_threads(torch_threads)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        # glibc before 2.35 takes 32 MiB at most. Alone the other call would do harm: it stops glibc from adapting.
        if mallopt is not None and any(mallopt(M_MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25)):
            mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def hardware() -> str:
    """The preset (of a game's training.toml) of this machine: cuda-24gb, cuda-16gb, mps or cpu."""
    if torch.cuda.is_available():
        gigabytes = torch.cuda.get_device_properties(0).total_memory / 1e9
        return "cuda-24gb" if gigabytes >= 20 else "cuda-16gb"
    return "mps" if torch.backends.mps.is_available() else "cpu"
