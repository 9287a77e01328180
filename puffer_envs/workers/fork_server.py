"""What `workers` stands on: a channel with deadlines, memory shared by descriptor, and a small server that forks.

Why our own server and not multiprocessing's: that one imports the user's main module, and with it torch, into every
worker; it inherits the environment, keys and thread counts included; and it leaves names in /dev/shm when the parent
is killed. Here the server is a fresh interpreter with a clean environment, memory is shared by anonymous descriptors,
and everything ends when the other end of a socket closes.
"""

import contextlib
import ctypes
import gc
import json
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.kit.process import clean_environment

_FRAME = struct.Struct("<cI")  # kind of message, size of its payload
_SERVER_CALL = struct.Struct("<ci")  # b"F" fork, b"W" wait for a process id
_SERVER_REPLY = struct.Struct("<i")  # process id, or wait status
_REPLY_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1
# A signal to the whole process group is for the parent: it decides, saves, and then ends its workers.
_IGNORED_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


class Channel:
    """Messages ``(kind, payload)`` over a stream socket.

    On a non-blocking socket every call keeps its deadline, also in the middle of a message: the other end may be
    stopped at any byte.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = bytearray()

    def send(self, kind: bytes, payload: bytes = b"", deadline: float | None = None) -> None:
        """Write one message.

        Raises:
            TimeoutError: the other end does not read.
            EOFError: the other end is closed.
        """
        data: bytes | memoryview = _FRAME.pack(kind, len(payload)) + payload
        while data:
            try:
                sent = self.sock.send(data)
                if sent == len(data):
                    return
                data = memoryview(data)[sent:]
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise EOFError from error

    def receive(self, deadline: float | None = None) -> tuple[bytes, bytes]:
        """Read one message.

        Raises:
            TimeoutError: it did not come whole in time.
            EOFError: the other end is closed.
        """
        buffer = self._received
        while True:
            if len(buffer) >= _FRAME.size:
                kind, size = _FRAME.unpack_from(buffer)
                end = _FRAME.size + size
                if len(buffer) >= end:
                    payload = bytes(buffer[_FRAME.size : end])
                    del buffer[:end]
                    return kind, payload
            try:
                data = self.sock.recv(1 << 16)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except ConnectionResetError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            buffer += data

    def has_mail(self) -> bool:
        """Whether some of a message is there, or the end of all messages."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(self._received) or bool(poller.poll(0))

    def _wait(self, event: int, deadline: float | None) -> None:
        poller = select.poll()
        poller.register(self.sock, event)
        if not poller.poll(None if deadline is None else milliseconds(deadline)):
            raise TimeoutError


def milliseconds(deadline: float) -> int:
    """What is left until a time of `time.monotonic`, for `select.poll`."""
    return max(0, ceil(1000 * (deadline - time.monotonic())))


# -- shared memory -----------------------------------------------------------------------------------------------
class Slot(NamedTuple):
    """Where an array lies in a block of memory."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


def share(arrays: Mapping[str, np.ndarray]) -> tuple[int, dict[str, Slot], dict[str, np.ndarray]]:
    """Copies of arrays in one block of shared memory: its descriptor, the places, and the copies."""
    slots, size = {}, 0
    for name, array in arrays.items():
        slots[name] = Slot(array.dtype.str, array.shape, size)
        size += -(-array.nbytes // 64) * 64  # whole cache lines
    descriptor = _anonymous_file()
    os.ftruncate(descriptor, max(size, 1))
    copies = attach(descriptor, slots)
    for name, array in arrays.items():
        copies[name][...] = array
    return descriptor, slots, copies


def attach(descriptor: int, slots: Mapping[str, Slot]) -> dict[str, np.ndarray]:
    """The arrays of a block that another process shares; they keep the memory alive."""
    memory = mmap.mmap(descriptor, 0)
    return {
        name: np.frombuffer(memory, slot.dtype, int(np.prod(slot.shape)), slot.offset).reshape(slot.shape)
        for name, slot in slots.items()
    }


def share_bytes(data: bytes) -> int:
    """A descriptor from which another process can read the data, without a pipe that someone has to fill."""
    descriptor = _anonymous_file()
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    return descriptor


def read_shared_bytes(descriptor: int) -> bytes:
    """Inverse of `share_bytes`."""
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        return file.read()


def _anonymous_file() -> int:
    # A memfd has no name that could be left behind, and is not bound by the size of /dev/shm (64 MB in containers).
    if hasattr(os, "memfd_create"):
        return os.memfd_create("puffer_envs")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


# -- the server --------------------------------------------------------------------------------------------------
class ForkServer:
    """A light process that has imported what the workers need and forks one when asked.

    Args:
        boot: ``(entry, prepare, *arguments)``: module-level functions. A worker runs ``entry(socket, *descriptors)``,
            the server itself ``prepare(*arguments)`` before the first fork; what it leaves in memory is shared.
        boot_timeout_s: how long that may take.
    """

    def __init__(self, boot: tuple, boot_timeout_s: float) -> None:
        self._sock, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        code = (
            "import json, signal, sys\n"
            f"for name in {_IGNORED_SIGNALS}:\n"
            "    signal.signal(getattr(signal, name), signal.SIG_IGN)\n"
            "sys.path[:] = json.loads(sys.argv[2])\n"
            "from puffer_envs.workers.fork_server import serve\n"
            "serve(int(sys.argv[1]), json.loads(sys.argv[3]))\n"
        )
        # The kernel's death signal comes when the creating THREAD ends, so only the main thread may ask for it.
        bound = threading.current_thread() is threading.main_thread()
        paths = json.dumps([path or os.getcwd() for path in sys.path])
        descriptor = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(descriptor), paths, json.dumps(bound)],
            env=clean_environment(),
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        theirs.close()
        self._sock.settimeout(boot_timeout_s)
        try:
            payload = pickle.dumps(boot)
            self._sock.sendall(struct.pack("<I", len(payload)) + payload)
            self._reply()
        except (OSError, EOFError) as error:
            self._errors.seek(0)
            said = self._errors.read()[-4000:].decode(errors="replace").strip()
            self.close()
            raise ChildProcessError(f"the server that starts workers did not come up: {error} {said}") from error
        self._sock.settimeout(_REPLY_TIMEOUT_S)

    def fork(self, descriptors: Sequence[int]) -> int:
        """Start a worker that gets the descriptors (the first must be its socket); its process id.

        The id stays the worker's own until `wait` was called, dead or alive.
        """
        socket.send_fds(self._sock, [_SERVER_CALL.pack(b"F", 0)], list(descriptors))
        return self._reply()

    def wait(self, pid: int) -> int:
        """Exit code of a worker that is dead or dying; negative for the signal that killed it."""
        self._sock.sendall(_SERVER_CALL.pack(b"W", pid))
        return os.waitstatus_to_exitcode(self._reply())

    def _reply(self) -> int:
        return _SERVER_REPLY.unpack(_read_exactly(self._sock, _SERVER_REPLY.size))[0]

    def close(self) -> None:
        """End the server, and with it all workers that are left."""
        self._sock.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def serve(descriptor: int, bound_to_parent: bool) -> None:
    """The server's whole life, in its own interpreter."""
    parent = os.getppid()
    sock = socket.socket(fileno=descriptor)
    if bound_to_parent:
        _die_with(parent)
    payload = _read_exactly(sock, struct.unpack("<I", _read_exactly(sock, 4))[0])
    entry, prepare, *arguments = pickle.loads(payload)
    with contextlib.suppress(Exception):  # the worker will meet it again, and can tell its parent
        prepare(*arguments)
    with open(os.devnull, "r+b") as nothing:  # workers don't print: the terminal belongs to the parent
        os.dup2(nothing.fileno(), 2)
    gc.collect()
    gc.freeze()  # so that a collection in a worker does not touch, and copy, the pages of all that is shared
    sock.sendall(_SERVER_REPLY.pack(0))
    while True:
        message, descriptors, _, _ = socket.recv_fds(sock, _SERVER_CALL.size, 8)
        if len(message) < _SERVER_CALL.size:
            os._exit(0)  # the parent is gone; the kernel takes the workers along
        kind, pid = _SERVER_CALL.unpack(message)
        result = _fork(sock, entry, descriptors) if kind == b"F" else os.waitpid(pid, 0)[1]
        sock.sendall(_SERVER_REPLY.pack(result))


def _fork(server_sock: socket.socket, entry: Callable[..., None], descriptors: Sequence[int]) -> int:
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _die_with(server)
            server_sock.close()
            entry(socket.socket(fileno=descriptors[0]), *descriptors[1:])
            code = 0
        finally:
            os._exit(code)  # whatever happened: never return into the server's loop
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the closed socket must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it died before the kernel knew


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part: Any = sock.recv(size - len(data))
        if not part:
            raise EOFError("its socket was closed")
        data += part
    return data
