"""Figures as TensorBoard files: by our names, and by those under which people look for them."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# metric of ours -> the name under which people look for it in TensorBoard
KNOWN_NAMES = {
    "episode/return_env": "rollout/ep_rew_mean",
    "episode/length": "rollout/ep_len_mean",
    "learner/loss": "train/loss",
    "sps/total": "time/fps",
}


class Scalars:
    """Writes scalars until the disk refuses once; nothing is made before the first.

    Args:
        complain: told why there will be no more of them.
    """

    def __init__(self, folder: Path, complain: Callable[[str], None]) -> None:
        self.folder, self.complain = folder, complain
        self.enabled = True
        self.purge_step: int | None = None  # figures from here on are hidden: a resumed run writes them again
        self.writer: Any = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One value a name."""
        if not self.enabled:
            return
        try:
            writer = self._open()
            for name, value in values.items():
                writer.add_scalar(name, value, step)
                if name in KNOWN_NAMES:
                    writer.add_scalar(KNOWN_NAMES[name], value, step)
        except Exception as error:  # its writer thread fails in ways of its own when the disk is full
            self.enabled = False
            self.complain(f"no more TensorBoard in this run: {error}")

    def _open(self) -> Any:
        if self.writer is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from torch.utils.tensorboard import SummaryWriter
            self.writer = SummaryWriter(str(self.folder), purge_step=self.purge_step, flush_secs=30)
        return self.writer

    def close(self) -> None:
        """Let go of the file; more than once does no harm."""
        if self.writer is not None:
            with suppress(Exception):  # a full disk, once more
                self.writer.close()
            self.writer = None
