"""A folder of savestates and its index, kept in agreement: files in, files out, nothing lost on the way.

Every state is also held in memory, compressed (a raw one is 200 KB, compressed 2-11 KB). So a checkpoint carries the
states that it names, files that fell out of use are deleted at once, and a resume can put back whatever the folder
lacks, even from a checkpoint older than the deletion.

Order of writes: a file before the index names it, the index before a file it named goes. What a crash can leave behind
is a file that no index names, never an index that names no file.
"""

import logging
import os
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from curriculum import index
from curriculum.index import IndexDamaged, StateDamaged, StateEntry
from puffer_envs.contract.state_file import write_atomically

log = logging.getLogger(__name__)

QUARANTINE, ORPHANED = "quarantine", "orphaned"  # folders for what is bad, and for what a checkpoint does not know
MAX_REASON = 500  # characters


class StateStore:
    """The savestates of one run, in order of registration. One store a folder: nobody else may write there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: dict[str, StateEntry] = {}
        self._copies: dict[str, bytes] = {}  # zlib

    # -- reading -------------------------------------------------------------------------------------------------
    def load(self, state_id: str) -> bytes:
        """The bytes of a state, verified by size and sha256.

        Raises:
            KeyError: no such state.
            StateDamaged: the bytes are not those that were stored.
        """
        entry = self.entries[state_id]
        data = _unpack(entry, self._copies[state_id])
        index.verify_state(entry, data)
        return data

    def open(self) -> list[tuple[StateEntry, bytes]]:
        """Read the folder: what its index names and what is as the index says.

        A damaged index is kept under another name and what can be saved of it is used; files that differ from the
        index go to quarantine.
        """
        try:
            listed = index.read_index(self.directory)
        except IndexDamaged as error:
            listed = index.salvage(self.directory)
            damaged = self.directory / f"{index.INDEX_NAME}.damaged"
            os.replace(self.directory / index.INDEX_NAME, damaged)
            log.warning("%s; kept as %s, %d states saved from it", error, damaged.name, len(listed))
        found = []
        for entry in listed:
            try:
                found.append((entry, index.read_state(self.directory, entry)))
            except (StateDamaged, OSError) as error:
                self.quarantine_file(entry.file, str(error))
        return found

    # -- changing ------------------------------------------------------------------------------------------------
    def add(self, entry: StateEntry, data: bytes) -> None:
        """Register a state and write its file.

        Raises:
            OSError: the file or the index could not be written; the state is not registered.
        """
        if entry.id in self.entries:
            raise ValueError(f"a savestate '{entry.id}' exists already")
        self.directory.mkdir(parents=True, exist_ok=True)
        path = index.locate(self.directory, entry.file)
        write_atomically(path, data)
        self._keep(entry, data)
        try:
            self.write_index()
        except OSError:
            self._forget(entry.id)
            path.unlink(missing_ok=True)
            raise

    def adopt(self, entry: StateEntry, data: bytes) -> None:
        """Register a state whose file lies in the folder already."""
        self._keep(entry, data)

    def update(self, state_id: str, **changes: Any) -> None:
        """Change an entry in memory; the next `write_index` writes it."""
        self.entries[state_id] = replace(self.entries[state_id], **changes)

    def remove(self, state_id: str) -> None:
        """Forget a state and delete its file."""
        entry = self._forget(state_id)
        self._try(self.write_index)
        self._try(index.locate(self.directory, entry.file).unlink)

    def quarantine(self, state_id: str, reason: str) -> None:
        """Forget a state and put its file aside with the reason."""
        entry = self._forget(state_id)
        self._try(self.write_index)
        self.quarantine_file(entry.file, reason)

    def write_index(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        index.write_index(self.directory, list(self.entries.values()))

    def flush(self) -> None:
        """Write the index; a full disk is a warning, as the checkpoint holds all of it."""
        self._try(self.write_index)

    def _keep(self, entry: StateEntry, data: bytes) -> None:
        self.entries[entry.id] = entry
        self._copies[entry.id] = zlib.compress(data, 1)

    def _forget(self, state_id: str) -> StateEntry:
        del self._copies[state_id]
        return self.entries.pop(state_id)

    def _try(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            log.warning("savestates in %s: %s", self.directory, error)

    # -- putting aside -------------------------------------------------------------------------------------------
    def quarantine_file(self, name: str, reason: str) -> None:
        """Move a file to ``quarantine/`` with the reason in a text file beside it."""
        reason = printable(reason)
        log.warning("savestate %s put into %s/: %s", name, QUARANTINE, reason)
        self._try(lambda: self._move(name, QUARANTINE, reason))

    def quarantine_bytes(self, name: str, data: bytes, reason: str) -> None:
        """Put bytes that never were in this folder into ``quarantine/`` under a plain file name."""
        destination = self._aside(name, QUARANTINE)
        write_atomically(destination, data)
        destination.with_suffix(".txt").write_text(printable(reason) + "\n")

    def _move(self, name: str, folder: str, reason: str | None = None) -> None:
        destination = self._aside(name, folder)
        if (self.directory / name).exists():
            os.replace(self.directory / name, destination)
        if reason is not None:
            destination.with_suffix(".txt").write_text(reason + "\n")

    def _aside(self, name: str, folder: str) -> Path:
        """A free path for a file in a folder beside the states."""
        target = self.directory / folder
        target.mkdir(parents=True, exist_ok=True)
        stem, suffix = os.path.splitext(name)
        free = (target / f"{stem}{f'.{n}' if n else ''}{suffix}" for n in range(10_000))
        return next(path for path in free if not path.exists())

    # -- checkpoints ---------------------------------------------------------------------------------------------
    def state_dict(self) -> list[dict[str, Any]]:
        """Every entry with its compressed bytes, in order of registration."""
        return [index.record_of(entry) | {"data": self._copies[entry.id]} for entry in self.entries.values()]

    def load_state_dict(self, states: Iterable[dict[str, Any]]) -> None:
        """Make the folder agree with a checkpoint.

        Files that the checkpoint does not know (made after it) go to ``orphaned/``; files that differ from it go to
        quarantine; both these and files that were deleted after it are written anew from the checkpoint.

        Raises:
            StateDamaged: a state inside the checkpoint is not what its entry says; nothing was changed.
        """
        entries: dict[str, StateEntry] = {}
        copies: dict[str, bytes] = {}
        for state in states:
            entry = StateEntry(**index.fields_of({key: value for key, value in state.items() if key != "data"}))
            index.locate(self.directory, entry.file)
            index.verify_state(entry, _unpack(entry, state["data"]))
            entries[entry.id], copies[entry.id] = entry, bytes(state["data"])
        self.entries, self._copies = entries, copies
        self.directory.mkdir(parents=True, exist_ok=True)
        self._put_strangers_aside()
        for entry in entries.values():
            self._restore(entry)
        self.write_index()

    def _put_strangers_aside(self) -> None:
        known = {entry.file for entry in self.entries.values()}
        for path in sorted(self.directory.glob(f"*{index.SUFFIX}")):
            if path.name not in known:
                log.info("savestate %s is not in the checkpoint: moved to %s/", path.name, ORPHANED)
                self._move(path.name, ORPHANED)
        for path in self.directory.glob("*.tmp"):  # a write that a crash cut short
            path.unlink()

    def _restore(self, entry: StateEntry) -> None:
        try:
            index.read_state(self.directory, entry)
            return
        except StateDamaged as error:
            if (self.directory / entry.file).exists():
                self.quarantine_file(entry.file, str(error))
        write_atomically(self.directory / entry.file, self.load(entry.id))


def _unpack(entry: StateEntry, copy: bytes) -> bytes:
    try:
        # Bounded by the size that the entry promises, so that no few bytes can fill the memory.
        return zlib.decompressobj().decompress(copy, entry.size + 1)
    except zlib.error as error:
        raise StateDamaged(f"the stored copy of {entry.file} is damaged: {error}") from None


def printable(text: str) -> str:
    """Text of unknown origin as one short line without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_REASON].strip()
