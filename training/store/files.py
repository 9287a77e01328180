"""Files that several checkpoints share: they are linked, and never written into."""

import os
from pathlib import Path


def take_over(source: Path, path: Path) -> None:
    """Make ``path`` another name of ``source``, or a copy where the file system cannot.

    What was at ``path`` goes, but for the other names that it has: those are checkpoints.
    """
    path.unlink(missing_ok=True)
    try:
        os.link(source, path)
    except OSError:  # another file system, or one without links
        path.write_bytes(source.read_bytes())
