"""Files that only grow, by whole lines, and go back to a checkpoint."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

FLUSH_BYTES = 1 << 16
MAX_PENDING_BYTES = 1 << 22  # lines that a full disk may keep waiting


class TextFile:
    """Appends lines, whole ones only. When the disk refuses, lines wait a while and the run goes on."""

    def __init__(self, path: Path, complain: Callable[[str], None], header: str = "") -> None:
        self.path, self.complain, self.header = path, complain, header
        self.descriptor: int | None = None
        self.size = path.stat().st_size if path.exists() else 0
        self.pending: list[bytes] = []
        self.pending_bytes = 0
        self.lock = threading.Lock()

    def write(self, text: str) -> None:
        data = text.encode()
        with self.lock:
            self.pending.append(data)
            self.pending_bytes += len(data)
            full = self.pending_bytes >= FLUSH_BYTES
        if full:
            self.flush()

    def flush(self, sync: bool = False) -> None:
        with self.lock:
            try:
                if self.pending:
                    self._append(b"".join(self.pending))
                    self._forget()
                if sync and self.descriptor is not None:
                    os.fsync(self.descriptor)
            except OSError as error:
                self.complain(f"cannot write {self.path.name}: {error.strerror}; training goes on without it")
                self._cut(self.size)
                if self.pending_bytes > MAX_PENDING_BYTES:
                    self._forget()

    def truncate(self, size: int) -> None:
        """Go back to what the file was when it had `size` bytes."""
        with self.lock:
            self._forget()
            if self.size < size:
                self.complain(f"{self.path.name} lacks {size - self.size} bytes that its checkpoint knows of")
            elif self.size > size:
                try:
                    os.truncate(self.path, size)
                except OSError as error:
                    self.complain(f"cannot cut {self.path.name} back to its checkpoint: {error.strerror}")
                else:
                    self.size = size

    def close(self) -> None:
        self.flush()
        with self.lock:
            if self.descriptor is not None:
                os.close(self.descriptor)
                self.descriptor = None

    def _append(self, data: bytes) -> None:
        if self.descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self.size = os.fstat(self.descriptor).st_size
        if self.size == 0:
            data = self.header.encode() + data
        elif os.pread(self.descriptor, 1, self.size - 1) != b"\n":  # a crash tore the last line
            data = b"\n" + data
        view, written = memoryview(data), 0
        while written < len(data):
            written += os.write(self.descriptor, view[written:])
        self.size += written

    def _cut(self, size: int) -> None:
        if self.descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self.descriptor, size)

    def _forget(self) -> None:
        self.pending.clear()
        self.pending_bytes = 0
