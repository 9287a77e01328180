"""Checkpoints that are whole or not there at all, and whose damage is found before anything is loaded.

A checkpoint is a folder ``step_<N>``: one ``.pt`` file a part, linked files (replay segments), and ``manifest.json``
with the size and SHA-256 of each. It is written under a temporary name, synced and renamed, so a crash at any point
leaves the old checkpoint or the new one. Parts are plain containers of tensors, arrays and scalars: loading runs no
code.
"""

import hashlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch

from training.store.containers import decode, encode

logger = logging.getLogger(__name__)

SCHEMA = 3
KEPT = 3  # newest checkpoints that stay
MANIFEST = "manifest.json"
BEST = "best.json"
LIBRARIES = ("torch", "numpy", "numba", "pufferlib-core", "pyboy")
# `.old` is the former checkpoint of a step that is saved again, set aside for the moment between two renames.
_FOLDER = re.compile(r"step_(\d+)(\.old)?")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHUNK = 1 << 20


class CheckpointError(ValueError):
    """A checkpoint is damaged, incomplete or of another version."""


class Loaded(NamedTuple):
    """What `load` gives back."""

    step: int
    parts: dict[str, Any]
    files: dict[str, Path]  # the linked files by name; never write into them, checkpoints share their bytes


# -- saving --------------------------------------------------------------------------------------------------------
def save(
    directory: Path, step: int, parts: dict[str, Any], *, link_files: Sequence[Path] = (), keep: int = KEPT
) -> Path:
    """Write ``directory/step_<step>`` and drop all but the newest ``keep`` and the best one.

    Args:
        parts: name -> nested dicts, lists and tuples of tensors, arrays, numbers, strings, bytes, bools and None.
        link_files: files that never change again; they are hard-linked, and hashed once in their life.

    Raises:
        OSError: the disk refused; what was there before is untouched.
        TypeError, ValueError: a part holds something else, or two files share a name.
    """
    names = [f"{name}.pt" for name in parts] + [path.name for path in link_files]
    for name in names:
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST or names.count(name) > 1:
            raise ValueError(f"'{name}' cannot be the name of a file in a checkpoint, or is used twice")
    encoded = {name: encode(part, name) for name, part in parts.items()}
    known = _known_hashes(directory)
    final = directory / f"step_{step}"
    temporary = directory / f"step_{step}.tmp"
    os.makedirs(directory, exist_ok=True)
    _remove(temporary)
    try:
        os.mkdir(temporary)
        files = {f"{name}.pt": _write_part(temporary / f"{name}.pt", part) for name, part in encoded.items()}
        files |= {path.name: _link(path, temporary / path.name, known) for path in link_files}
        _write_manifest(temporary / MANIFEST, step, files)
        _sync_folder(temporary)
        _publish(temporary, final)
    except Exception:
        _remove(temporary)
        raise
    _prune(directory, final, keep)
    return final


def mark_best(path: Path) -> None:
    """Remember a checkpoint as the best one: `save` will not drop it."""
    text = json.dumps({"name": path.name}).encode()
    temporary = path.parent / f"{BEST}.tmp"
    _write_file(temporary, lambda file: file.write(text))
    os.replace(temporary, path.parent / BEST)
    _sync_folder(path.parent)


def best(directory: Path) -> Path | None:
    """The checkpoint that was marked best, if it is still there."""
    try:
        name = json.loads((directory / BEST).read_bytes())["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    valid = isinstance(name, str) and _FOLDER.fullmatch(name) is not None and (directory / name).is_dir()
    return directory / name if valid else None


def clean(directory: Path) -> None:
    """Sweep up after a crash: temporary folders go, a former checkpoint that was set aside returns to its place."""
    for path in directory.glob("*.tmp"):
        _remove(path)
    for path in directory.glob("step_*.old"):
        if path.with_suffix("").exists():
            _remove(path)
        else:
            os.replace(path, path.with_suffix(""))


# -- loading -------------------------------------------------------------------------------------------------------
def latest_valid(directory: Path) -> Path | None:
    """The newest checkpoint whose every byte is as it was written; says so when it has to pass one over."""
    for path in checkpoints(directory):
        try:
            verify(path)
        except CheckpointError as error:
            logger.warning("checkpoint %s is damaged (%s); falling back to the one before", path, error)
        else:
            return path
    return None


def load(path: Path, device: torch.device | str = "cpu") -> Loaded:
    """Read a checkpoint, after every file in it has been checked.

    Tensors that lay on an accelerator come back on ``device``, those of the CPU (generator states) on the CPU.

    Raises:
        CheckpointError: something is damaged, missing or of another version; nothing was loaded.
    """
    manifest = verify(path)
    _compare_libraries(manifest["libraries"])
    parts, files = {}, {}
    for name, record in manifest["files"].items():
        if record["part"]:
            stored = torch.load(path / name, map_location="cpu", weights_only=True)
            parts[name.removesuffix(".pt")] = decode(stored, device)
        else:
            files[name] = path / name
    return Loaded(manifest["step"], parts, files)


def verify(path: Path) -> dict[str, Any]:
    """Compare every file of a checkpoint with its manifest, which is returned.

    Raises:
        CheckpointError: for the first thing that is not as it was written.
    """
    try:
        manifest = _read_manifest(path / MANIFEST)
        for name, record in manifest["files"].items():
            if (path / name).stat().st_size != record["size"]:
                raise CheckpointError(f"{name} has another size than when it was written")
            if _hash(path / name) != record["sha256"]:
                raise CheckpointError(f"{name} differs from what was written")
    except OSError as error:
        raise CheckpointError(f"{Path(error.filename or path).name} cannot be read: {error.strerror}") from error
    return manifest


def checkpoints(directory: Path) -> list[Path]:
    """All checkpoints, newest first, whole or not; temporary folders are none."""
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        if (match := _FOLDER.fullmatch(path.name)) and path.is_dir():
            found.append((int(match[1]), match[2] is None, path))
    return [path for _, _, path in sorted(found, reverse=True)]


# -- files ---------------------------------------------------------------------------------------------------------
class _HashedFile(io.RawIOBase):
    """A new file that knows the SHA-256 of what was written to it, and the first error that the disk gave."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            written = os.write(self.descriptor, data)
        except OSError as error:
            self.error = error
            raise
        self.sha256.update(memoryview(data)[:written])
        self.size += written
        return written

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self.descriptor)


def _write_file(path: Path, produce: Callable[[Any], Any]) -> dict[str, Any]:
    """Let ``produce(file)`` write a new file and sync it; the file's entry in a manifest.

    Raises:
        OSError: the disk refused, whatever ``produce`` makes of that.
    """
    _remove(path)
    raw = _HashedFile(path)
    try:
        file = io.BufferedWriter(raw, _CHUNK)
        produce(file)
        file.flush()
        os.fsync(raw.descriptor)
    except Exception as error:
        # torch reports a full disk as a RuntimeError about positions in a file.
        raise raw.error or error from None
    finally:
        raw.close()
    return {"size": raw.size, "sha256": raw.sha256.hexdigest()}


def save_file(path: Path, content: Any) -> None:
    """``torch.save`` a file that is whole or not there at all.

    Raises:
        OSError: the disk refused; what was there before is untouched.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        _write_file(temporary, lambda file: torch.save(content, file))
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def _write_part(path: Path, part: Any) -> dict[str, Any]:
    return {"part": True, **_write_file(path, lambda file: torch.save(part, file))}


def _link(source: Path, target: Path, known: dict[tuple[str, int, int], str]) -> dict[str, Any]:
    """Hard-link a file, or copy it where the file system cannot."""
    stat = source.stat()
    record = {"part": False, "mtime_ns": stat.st_mtime_ns}
    sha256 = known.get((source.name, stat.st_size, stat.st_mtime_ns))
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as file:
            return record | _write_file(target, lambda out: shutil.copyfileobj(file, out, _CHUNK))
    if sha256 is None:  # the first checkpoint that holds it
        with open(target, "rb") as file:
            os.fsync(file.fileno())
        sha256 = _hash(target)
    return record | {"size": stat.st_size, "sha256": sha256}


def _known_hashes(directory: Path) -> dict[tuple[str, int, int], str]:
    """Hashes of linked files by name, size and time, from the newest manifest."""
    for path in checkpoints(directory):
        try:
            files = _read_manifest(path / MANIFEST)["files"]
        except (OSError, CheckpointError):
            continue
        return {(name, r["size"], r["mtime_ns"]): r["sha256"] for name, r in files.items() if not r["part"]}
    return {}


def _publish(temporary: Path, final: Path) -> None:
    """Give a finished folder its name. Where the name is taken, the former one can be loaded at every moment."""
    former = final.with_name(f"{final.name}.old")
    if final.exists():
        _remove(former)
        os.replace(final, former)
    os.replace(temporary, final)
    _sync_folder(final.parent)
    _remove(former)


def _prune(directory: Path, newest: Path, keep: int) -> None:
    """Drop old checkpoints. What lies beyond the newest step was passed over as damaged: it earns no place."""
    order = [path for path in checkpoints(directory) if step_of(path) <= step_of(newest)]
    spared = best(directory)
    for path in order[max(keep, 1) :]:
        if path == spared:
            continue
        doomed = path.with_name(f"{path.name}.tmp")  # a half-deleted folder must not look like a checkpoint
        try:
            os.replace(path, doomed)
        except OSError as error:
            logger.warning("cannot remove the old checkpoint %s: %s", path, error)
        _remove(doomed)


def step_of(path: Path) -> int:
    """Decisions that had been made when a checkpoint was saved; -1 of what is none."""
    match = _FOLDER.fullmatch(path.name)
    return int(match[1]) if match else -1


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- the manifest --------------------------------------------------------------------------------------------------
def _write_manifest(path: Path, step: int, files: dict[str, Any]) -> None:
    manifest = {"schema": SCHEMA, "step": step, "libraries": dict(_libraries()), "files": files}
    manifest["sha256"] = hashlib.sha256(_canonical(manifest)).hexdigest()
    text = _canonical(manifest)
    _write_file(path, lambda file: file.write(text))


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, if it is byte for byte what `_write_manifest` wrote."""
    text = path.read_bytes()
    try:
        manifest = json.loads(text)
        claimed = manifest.pop("sha256")
        sound = hashlib.sha256(_canonical(manifest)).hexdigest() == claimed
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{MANIFEST} is unreadable") from error
    if not sound or _canonical(manifest | {"sha256": claimed}) != text:
        raise CheckpointError(f"{MANIFEST} differs from what was written")
    if manifest["schema"] != SCHEMA:
        raise CheckpointError(f"it has format {manifest['schema']}, this version reads format {SCHEMA}")
    if not all(_FILE_NAME.fullmatch(name) for name in manifest["files"]):
        raise CheckpointError(f"{MANIFEST} names a file outside the checkpoint")
    return manifest


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True).encode()


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _compare_libraries(written: dict[str, str]) -> None:
    for name, version in _libraries():
        if written.get(name, version) != version:
            logger.warning("the checkpoint was written with %s %s, this is %s", name, written[name], version)
