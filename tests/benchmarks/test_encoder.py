"""Histories are disturbed as they are said to be, and the present never is."""

import torch

from benchmarks.fighter.encoder import WAYS, disturbed


def test_only_what_was_before_is_disturbed():
    given = torch.arange(4 * 5 * 2.0).reshape(4, 5, 2)  # two matches of two rows
    told = {way: disturbed(given, way, torch.Generator().manual_seed(0)) for way in WAYS}
    for history in told.values():
        assert torch.equal(history[:, -1], given[:, -1])
    assert torch.equal(told["intact"], given)
    assert torch.equal(told["another"][:, :-1], given[[2, 3, 0, 1], :-1])
    assert torch.equal(told["none"], given[:, -1:].expand(4, 5, 2))
    assert not torch.equal(told["shuffled"], given)
    assert torch.equal(told["shuffled"].sort(1).values, given)
