"""The `.state` container of the numpy games: named arrays under a checksum, and no pickle.

Layout, little endian: ``magic 8s | version u16 | crc32 u32 | body size u64 | zlib(body)``, where the body is
``manifest size u32 | manifest (JSON: kind, and name, dtype, shape of each array) | bytes of each array in turn``.
The checksum covers all but itself, so that any flipped bit and any missing or extra byte is refused.
"""

import json
import os
import struct
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"PUFFRSTA"
VERSION = 1
MAX_BODY_BYTES = 1 << 30  # refused before anything of that size is allocated
_MAX_NDIM = 16
_HEAD = struct.Struct("<8sHIQ")  # magic, version, crc32, body size
_CHECKED_FROM = 14  # the checksum covers magic and version (the first ten bytes) and everything behind itself
_KINDS = "biufc"  # booleans and numbers: what can be rebuilt from raw bytes without running anything


class StateFileError(ValueError):
    """A savestate or snapshot that cannot be used; the message says why in words for the person who gave it."""


def pack(kind: str, arrays: Mapping[str, np.ndarray]) -> bytes:
    """The container as bytes.

    Args:
        kind: what the arrays are, e.g. ``"dodge/world"``; `unpack` insists on the same.

    Raises:
        StateFileError: for arrays of objects, text or records, or more than `MAX_BODY_BYTES`.
    """
    entries, parts = [], []
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.dtype.kind not in _KINDS:
            raise StateFileError(f"array '{name}' has dtype {array.dtype}: only booleans and numbers can be stored")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        entries.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes())
    manifest = json.dumps({"kind": kind, "arrays": entries}).encode()
    body = b"".join([struct.pack("<I", len(manifest)), manifest, *parts])
    if len(body) > MAX_BODY_BYTES:
        raise StateFileError(f"a state of {len(body)} bytes is larger than the limit of {MAX_BODY_BYTES}")
    packed = zlib.compress(body, 1)
    head = _HEAD.pack(MAGIC, VERSION, 0, len(body))
    return _HEAD.pack(MAGIC, VERSION, _checksum(head, packed), len(body)) + packed


def unpack(kind: str, data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a container, as writable copies.

    Raises:
        StateFileError: the data is no container, is damaged, of another version or of another kind.
    """
    body = _body(data)
    try:
        (size,) = struct.unpack_from("<I", body)
        manifest = json.loads(body[4 : 4 + size])
        entries = manifest["arrays"]
        found = manifest["kind"]
        if found != kind:
            raise StateFileError(f"this is a state of '{found}', not of '{kind}'")
        return _arrays(entries, memoryview(body)[4 + size :])
    except StateFileError:
        raise
    except (struct.error, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        # The checksum was right, so a program wrote this; it still must not bring ours down.
        raise StateFileError(f"the state's table of contents makes no sense: {error}") from error


def unpack_like(kind: str, data: bytes, targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As `unpack`, where arrays of the names, shapes and dtypes of ``targets`` are in it, and hold numbers alone.

    Raises:
        StateFileError: as `unpack`, and where any of that is not so.
    """
    arrays = unpack(kind, data)
    for name, target in targets.items():
        found = arrays.get(name)
        if found is None or found.shape != target.shape or found.dtype != target.dtype:
            raise StateFileError(f"this is a state of another version of {kind}: '{name}' differs")
        if not np.isfinite(found).all():
            raise StateFileError(f"the state's '{name}' holds what is no number")
    return arrays


def _body(data: bytes) -> bytes:
    """The decompressed body of data whose header and checksum are in order."""
    data = bytes(data)
    if len(data) < _HEAD.size:
        raise StateFileError(f"{len(data)} bytes are too few for a state: the file is empty or was cut off")
    magic, version, checksum, size = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise StateFileError("this is no state file of ours: it does not begin with the magic bytes")
    if checksum != _checksum(data[: _HEAD.size], memoryview(data)[_HEAD.size :]):
        raise StateFileError("the checksum does not match: the state was cut off or changed")
    if version != VERSION:
        raise StateFileError(f"this state has format version {version}, this program reads version {VERSION}")
    if size > MAX_BODY_BYTES:
        raise StateFileError(f"the state claims {size} bytes, more than the limit of {MAX_BODY_BYTES}")
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(memoryview(data)[_HEAD.size :], size + 1)  # never more than it claims
    except zlib.error as error:
        raise StateFileError(f"the state cannot be decompressed: {error}") from error
    if len(body) != size or not stream.eof or stream.unused_data:
        raise StateFileError("the state's size is not the one that it claims")
    return body


def _checksum(head: bytes, packed: bytes | memoryview) -> int:
    return zlib.crc32(packed, zlib.crc32(head[_CHECKED_FROM:], zlib.crc32(head[:10])))


def _arrays(entries: list[Any], raw: memoryview) -> dict[str, np.ndarray]:
    arrays, offset = {}, 0
    for name, dtype_name, shape in entries:
        dtype = _dtype(name, dtype_name)
        if not isinstance(name, str) or name in arrays:
            raise StateFileError(f"array name {name!r} is no text or appears twice")
        if len(shape) > _MAX_NDIM or any(not isinstance(x, int) or isinstance(x, bool) or x < 0 for x in shape):
            raise StateFileError(f"array '{name}' has the impossible shape {shape}")
        size = prod(shape) * dtype.itemsize  # Python integers: cannot overflow
        if offset + size > len(raw):
            raise StateFileError(f"array '{name}' claims {size} bytes where {len(raw) - offset} are left")
        # Copied, so that every array is aligned: an unaligned one would be another type to a compiled kernel.
        arrays[name] = np.frombuffer(raw[offset : offset + size], dtype).reshape(shape).copy()
        offset += size
    if offset != len(raw):
        raise StateFileError(f"{len(raw) - offset} bytes of the state belong to no array")
    return arrays


def _dtype(name: str, text: str) -> np.dtype:
    # The set of spellings is closed: numpy's own parser accepts records, objects and much else.
    allowed = isinstance(text, str) and len(text) <= 4 and text[:1] in ("<", "|") and text[1:2] in tuple(_KINDS)
    if not allowed:
        raise StateFileError(f"array '{name}' has dtype {text!r}: only booleans and numbers can be stored")
    return np.dtype(text)


# -- files -----------------------------------------------------------------------------------------------------------
def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by a new one that is safe on disk, or leave it as it was and raise OSError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # on a full disk half a file would take the last free bytes
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
