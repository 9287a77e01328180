"""What is asked of the C library, and what is left alone where it refuses."""

import ctypes
import sys
from types import SimpleNamespace

import pytest
import torch

from training.run import machine

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(
    ("largest", "kept"),
    [
        (1 << 30, {machine.M_MMAP_THRESHOLD: 1 << 30, machine.M_TRIM_THRESHOLD: (1 << 31) - 1}),
        (32 * MIB, {machine.M_MMAP_THRESHOLD: 32 * MIB, machine.M_TRIM_THRESHOLD: (1 << 31) - 1}),  # before 2.35
        (0, {}),  # the trim threshold alone would only freeze the other one
    ],
)
def test_large_blocks_are_kept_as_far_as_the_library_allows(
    monkeypatch: pytest.MonkeyPatch, largest: int, kept: dict[int, int]
) -> None:
    settings = {}

    def mallopt(what: int, value: int) -> int:
        if what == machine.M_MMAP_THRESHOLD and value > largest:
            return 0
        settings[what] = value
        return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    machine.prepare(torch.get_num_threads())
    assert settings == kept
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())  # musl
    machine.prepare(torch.get_num_threads())
