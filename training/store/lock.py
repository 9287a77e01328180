"""One writer of a run: a lock on its folders that ends with the process that holds it.

The kernel keeps the lock (`flock` on an open file), so that nothing leaves it behind, a kill -9 included. On a local
disk that is all. On NFS Linux makes of it a lock of the server's, which holds between hosts; the server takes it from
a host that died after its lease of a minute or two. It holds within one host only where NFS is mounted with `nolock`
or `local_lock`, Lustre with `localflock`, and with some FUSE file systems; others refuse to lock at all.

So the file also says who holds it, and its holder touches it every few seconds. Where the kernel's lock says too
little, because the file names another host that did not sign off or because there are no locks, the file is watched
for some of these beats: one that comes is its holder's, who lives; where none comes the lock is stale and is taken
over. No clocks of two hosts are compared. What is not found out: two hosts that start in the same moment, on a file
system that carries no locks between them.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

LOCK = "lock.json"
BEAT_S = 5.0
WATCH_S = 4 * BEAT_S  # a beat may be late, as a server or a network can be
_READ_S = 1.0  # how long a holder may take from locking the file to writing its name there
_MAX_BYTES = 4096
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
_held: set[int] = set()  # descriptors of this process


class LockedError(RuntimeError):
    """Another process holds the lock; the message names it and says what can be done."""


class Holder(NamedTuple):
    """Who holds a lock, as its file says."""

    host: str
    pid: int
    since: str  # local time of that host


class RunLock:
    """The lock on the folders of a run, held until `release` or the end of the process.

    Args:
        name: of the run, for the message.
        folders: each gets a file `LOCK`; those that do not exist are made.

    Raises:
        LockedError: another process writes to one of them.
        OSError: a folder or its file cannot be written.
    """

    def __init__(self, name: str, folders: Sequence[Path]) -> None:
        self._files: list[_LockFile] = []
        self._released = threading.Event()
        try:
            for folder in dict.fromkeys(folder.resolve() for folder in folders):
                self._files.append(_LockFile(name, folder))
        except BaseException:
            self.release()
            raise
        threading.Thread(target=self._beat, name="lock", daemon=True).start()

    def release(self) -> None:
        """Sign off. A folder that was made for the lock and holds nothing else goes as well."""
        self._released.set()
        while self._files:
            self._files.pop().release()

    def _beat(self) -> None:
        while not self._released.wait(BEAT_S):
            for file in list(self._files):
                file.touch()


class _LockFile:
    """The lock on one folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.path = folder / LOCK
        self.made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            self.descriptor, carried = _open_locked(name, self.path)
        except BaseException:
            self._remove_made()
            raise
        _held.add(self.descriptor)
        try:
            _refuse_living(name, self.path, carried)
            self._sign()
        except BaseException:
            self._close()
            raise

    def _sign(self) -> None:
        holder = Holder(socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"))
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(holder._asdict()).encode(), 0)
        os.fsync(self.descriptor)

    def touch(self) -> None:
        with contextlib.suppress(OSError):  # a disk that is away for a moment
            os.utime(self.descriptor)

    def release(self) -> None:
        if self.descriptor not in _held:  # a forked child's copy
            return
        with contextlib.suppress(OSError):
            if os.listdir(self.path.parent) == [LOCK]:
                self.path.unlink()
            else:
                os.ftruncate(self.descriptor, 0)
        self._close()

    def _close(self) -> None:
        _held.discard(self.descriptor)
        os.close(self.descriptor)
        self._remove_made()

    def _remove_made(self) -> None:
        with contextlib.suppress(OSError):  # the first that is not empty
            for folder in self.made:
                folder.rmdir()


def _open_locked(name: str, path: Path) -> tuple[int, bool]:
    """A descriptor of the lock file, and whether the kernel has locked it for us.

    It is closed in every program that this process starts, as all of Python's are.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # a start that came to nothing has just taken the folder away
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor, False
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise LockedError(_refusal(name, path)) from None
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, True
        os.close(descriptor)  # the file of a start that came to nothing


def _refuse_living(name: str, path: Path, carried: bool) -> None:
    """Watch for the holder that the kernel cannot vouch for."""
    holder = read_holder(path)
    if holder is None or (carried and holder.host == socket.gethostname()):
        return
    logger.warning(
        "%s: waiting %g s to see whether process %d on host %s lives", path, WATCH_S, holder.pid, holder.host
    )
    first, end = _touched(path), time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(BEAT_S / 5)
        if read_holder(path) is None:
            return
        if _touched(path) != first:
            raise LockedError(_refusal(name, path))
    logger.warning("it does not: the lock is taken over")


def _touched(path: Path) -> int:
    """When the file was last touched; opened anew each time, as NFS asks the server only then."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns


def read_holder(path: Path) -> Holder | None:
    """Who a lock file names; None where its last holder signed off, or has not written yet."""
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read(_MAX_BYTES))
        return Holder(_clean(str(said["host"])), int(said["pid"]), _clean(str(said["since"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refusal(name: str, path: Path) -> str:
    end = time.monotonic() + _READ_S
    while (holder := read_holder(path)) is None and time.monotonic() < end:
        time.sleep(0.02)
    who = "another process"
    if holder is not None:
        who = f"process {holder.pid} on host {holder.host} since {holder.since}"
    return f"run '{name}' is being trained by {who} ({path}): stop it, or choose another --run-name"


def _clean(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:64]


def _close_in_child() -> None:
    """A forked child must not hold the lock on after its parent: the lock ends with the last copy of a descriptor."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
