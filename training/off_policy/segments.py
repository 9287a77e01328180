"""The replay on disk: a segment is written once and then only linked, so a checkpoint costs seconds, not gigabytes."""

from collections.abc import Mapping
from pathlib import Path

import torch

from training.off_policy.replay import SequenceReplay
from training.store.checkpoint import save_file
from training.store.files import take_over


class SegmentFiles:
    """Files ``segment_<n>.pt`` of one replay in one folder; checkpoints hold hard links to them."""

    def __init__(self, replay: SequenceReplay, directory: Path) -> None:
        self.replay, self.directory = replay, directory
        self.written: set[int] = set()  # by this process: files of an earlier one may be of another future

    def write(self) -> list[Path]:
        """Bring the folder up to date; the files of all whole segments, in order.

        Raises:
            OSError: the disk refused; the next call tries again.
        """
        wanted = self.replay.segments()
        self.directory.mkdir(parents=True, exist_ok=True)
        keep = {self._path(number).name for number in wanted}
        for path in self.directory.iterdir():  # first, as the disk may be full
            if path.name not in keep:
                path.unlink()
        self.written &= set(wanted)
        for number in wanted:
            if number not in self.written:
                self._write(number)
        return [self._path(number) for number in wanted]

    def load(self, numbers: list[int], files: Mapping[str, Path]) -> None:
        """Fill the replay from a checkpoint's files, and take them over as our own.

        Raises:
            KeyError: the checkpoint lacks a segment that its replay names.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            source, path = files[self._path(number).name], self._path(number)
            self.replay.load_segment(number, torch.load(source, weights_only=True, map_location=self.replay.device))
            take_over(source, path)
            self.written.add(number)

    def _path(self, number: int) -> Path:
        return self.directory / f"segment_{number}.pt"

    def _write(self, number: int) -> None:
        parts = {name: part.clone() for name, part in self.replay.segment_dict(number).items()}  # not the whole ring
        save_file(self._path(number), parts)
        self.written.add(number)
