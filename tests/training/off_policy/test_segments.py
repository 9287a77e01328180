"""The replay on disk: written once, and a full disk is an error that the run can live with."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.protocol import Network
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from training.off_policy.replay import SequenceReplay
from training.off_policy.segments import SegmentFiles
from training.store import checkpoint

ROW = 4_000  # large enough that torch's writer meets the disk within the file
SPEC = EnvSpec("none", ObsLayout(np.uint8, ("frame", (ROW,))), spaces.Discrete(2), {"pay": 1.0})


def network_of() -> Network:
    network = Network()
    network.state_size, network.history = 4, 4
    return network


def fill(replay: SequenceReplay, steps: int) -> None:
    n, flags = replay.num_rows, torch.zeros(replay.num_rows, dtype=torch.bool)
    for _ in range(steps):
        rows = torch.full((n, replay.rows.shape[2]), int(replay.count[0]) % 251, dtype=torch.uint8)
        replay.append(np.arange(n), rows, torch.zeros(n, 4), flags, torch.zeros(n), torch.zeros(n), flags)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def replay() -> SequenceReplay:
    """Two rows, three segments of 16 each."""
    return SequenceReplay(96, 2, SPEC, network_of(), 8, segment=16)


def test_a_full_disk_is_an_oserror_and_the_next_call_makes_up_for_it(
    tmp_path: Path, replay: SequenceReplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = SegmentFiles(replay, tmp_path / "replay")
    fill(replay, 16)
    files.write()
    fill(replay, 40)  # the first segment has been overwritten by now
    real = os.write
    room = ROW * 2 * 16 + 50_000  # for one segment and a part of the next

    def full(descriptor: int, data: Any) -> int:
        nonlocal room
        room -= len(data)
        if room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        files.write()
    assert names(tmp_path / "replay") == ["segment_1.pt"]  # nothing half-written, nothing stale
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save_file(tmp_path / "bad_batch.pt", {"rows": torch.zeros(100_000)})
    monkeypatch.setattr(os, "write", real)
    assert [path.name for path in files.write()] == ["segment_1.pt", "segment_2.pt"]
    assert names(tmp_path) == ["replay"]


def test_segments_come_back_as_they_were_and_are_written_once(tmp_path: Path, replay: SequenceReplay) -> None:
    files = SegmentFiles(replay, tmp_path / "replay")
    fill(replay, 40)
    written = {path.name: path for path in files.write()}
    times = {name: path.stat().st_mtime_ns for name, path in written.items()}
    assert {path.name: path.stat().st_mtime_ns for path in files.write()} == times
    again = SequenceReplay(96, 2, SPEC, network_of(), 8, segment=16)
    SegmentFiles(again, tmp_path / "other").load(replay.segments(), written)
    assert torch.equal(again.rows[:, :32], replay.rows[:, :32])
    assert (again.rows[0, 5] == 5).all()


def test_what_an_earlier_process_wrote_is_not_trusted(tmp_path: Path, replay: SequenceReplay) -> None:
    """Its file of this number may be of a future that was given up: of rows that nobody has played."""
    folder = tmp_path / "replay"
    folder.mkdir()
    fill(replay, 16)
    (folder / "segment_0.pt").write_bytes(b"of another future")
    (path,) = SegmentFiles(replay, folder).write()
    assert torch.equal(torch.load(path, weights_only=True)["rows"], replay.rows[:, :16])


def test_a_segment_that_another_checkpoint_still_holds_is_not_written_over(
    tmp_path: Path, replay: SequenceReplay
) -> None:
    """A run that goes on from an older checkpoint meets the files of the future it gives up, which are only links."""
    fill(replay, 40)
    older = {path.name: path for path in SegmentFiles(replay, tmp_path / "older").write()}
    folder, kept = tmp_path / "replay", tmp_path / "newer"
    for path in (folder, kept):
        path.mkdir()
    for name in older:
        (folder / name).write_bytes(b"of another future")
        os.link(folder / name, kept / name)
    again = SequenceReplay(96, 2, SPEC, network_of(), 8, segment=16)
    SegmentFiles(again, folder).load(replay.segments(), older)
    assert all((kept / name).read_bytes() == b"of another future" for name in older)
    assert all((folder / name).read_bytes() == path.read_bytes() for name, path in older.items())
