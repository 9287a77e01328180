"""The index of a folder of savestates: ``index.json`` beside the ``.state`` files.

A raw emulator state has no magic, no checksum and no name of its game, and garbage can load "successfully"; so the
identity of each file stands here. The file holds one state a line, each line with its own checksum: a damaged index
loses the damaged lines only.

Files are called ``<milestone>_<timestamp>.state``. The timestamp is game time, not wall clock: twelve digits of the
global step and four of the row that got there. So names sort by age, no two collide, and a resumed run writes the very
names that the uninterrupted one would have.
"""

import hashlib
import json
import math
import re
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from curriculum.sampling import TIERS
from puffer_envs.contract.state_file import write_atomically

INDEX_NAME = "index.json"
SUFFIX = ".state"
VERSION = 1
MAX_INDEX_BYTES = 16 << 20
MAX_STATE_BYTES = 16 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,159}")


class IndexDamaged(ValueError):
    """The index cannot be trusted; the message says where and why in one sentence."""


@dataclass(frozen=True)
class StateEntry:
    """Identity and record of one savestate."""

    id: str
    file: str  # plain name inside the folder
    sha256: str
    size: int  # bytes
    world_id: str  # what it belongs to (`Game.world_id`)
    emulator: str  # its version; empty for games without one
    state_version: int  # first byte of the file: the emulator's own version of its format
    milestone: str
    tier: str
    facts: dict[str, int | None]  # what the game says of the world (`Game.inspect_state`)
    step: int  # step of the episode at which it was saved
    global_step: int  # agent steps of the run at that moment
    made_by: str  # name of the run, or of who added it
    score: float = 0.0  # of its next milestone, when the index was last written
    uses: int = 0  # finished episodes that began from it
    failures: int = 0  # times that it could not be loaded
    source: str = ""  # name of the file that was added; empty for a state of a run


TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "file", "sha256", "world_id", "emulator", "milestone", "tier"), (str,)),
    **dict.fromkeys(("made_by", "source"), (str,)),
    **dict.fromkeys(("size", "state_version", "step", "global_step", "uses", "failures"), (int,)),
    "facts": (dict,),
    "score": (float, int),
}
LATER = {"source"}  # fields that an older index does not have
assert TYPES.keys() == {field.name for field in fields(StateEntry)}
# Keys of the file that have other names here: the first savestates were all an emulator's. The facts have no key of
# their own in it: each is one.
ON_DISK = {"world_id": "rom_sha1", "emulator": "pyboy_version"}
FROM_DISK = {key: name for name, key in ON_DISK.items()}


# -- names -------------------------------------------------------------------------------------------------------
def slug(name: str) -> str:
    """A milestone's name as part of a file name: ``Mt. Moon`` -> ``mt_moon``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:64] or "state"


def state_id(milestone: str, global_step: int, row: int) -> str:
    """Id of a savestate, which is also its file's name without the suffix."""
    return f"{slug(milestone)}_{global_step:012d}_{row:04d}"


def locate(directory: Path, name: str) -> Path:
    """Path of a file that an index names, if that stays inside the folder.

    Raises:
        IndexDamaged: the name is absolute, has a folder part or ``..``, or is a link that leads out.
    """
    if not NAME.fullmatch(name) or ".." in name or not name.endswith(SUFFIX):
        raise IndexDamaged(f"'{name[:80]}' is not a plain file name ending in {SUFFIX}")
    path = directory / name
    if path.is_symlink() and path.resolve().parent != directory.resolve():
        raise IndexDamaged(f"'{name}' is a link that leads out of {directory}")
    return path


# -- one entry ---------------------------------------------------------------------------------------------------
def checksum(record: dict[str, Any]) -> str:
    """CRC-32 of an entry's fields in a fixed order, as eight hex digits."""
    return f"{zlib.crc32(json.dumps(record, sort_keys=True).encode()):08x}"


def record_of(entry: StateEntry) -> dict[str, Any]:
    """An entry as it stands in the file."""
    record: dict[str, Any] = {}
    for key, value in asdict(entry).items():
        if key in LATER and not value:
            continue
        record |= value if key == "facts" else {ON_DISK.get(key, key): value}
    return record


def fields_of(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry from its record: what is no key of ours is a fact of the game."""
    named = {FROM_DISK.get(key, key): value for key, value in record.items()}
    ours = {key: value for key, value in named.items() if key in TYPES and key != "facts"}
    return ours | {"facts": {key: value for key, value in named.items() if key not in ours}}


def parse_entry(record: Any) -> StateEntry:
    """A verified entry.

    Raises:
        IndexDamaged: a field is missing, of the wrong type or impossible, or the checksum does not match.
    """
    if not isinstance(record, dict):
        raise IndexDamaged("an entry is no JSON object")
    record = dict(record)
    check = record.pop("check", None)
    name = str(record.get("id", "?"))[:80]
    values = fields_of(record)
    if missing := TYPES.keys() - LATER - values.keys():
        raise IndexDamaged(f"entry '{name}' lacks {', '.join(sorted(missing))}")
    typed = [(key, values[key], types) for key, types in TYPES.items() if key in values]
    typed += [(key[:40], value, (int, type(None))) for key, value in values["facts"].items()]
    for key, value, types in typed:
        if not isinstance(value, types) or isinstance(value, bool):
            raise IndexDamaged(f"entry '{name}' has a {key} of the wrong type")
    if check != checksum(record):
        raise IndexDamaged(f"entry '{name}' does not match its checksum")
    if problem := _impossible(values):
        raise IndexDamaged(f"entry '{name}' has {problem}")
    return StateEntry(**values)


def _impossible(record: dict[str, Any]) -> str | None:
    if not NAME.fullmatch(record["id"]):
        return "an id that is no plain name"
    if not re.fullmatch(r"[0-9a-f]{64}", record["sha256"]):
        return "a sha256 that is none"
    if not re.fullmatch(r"([0-9a-f]{40})?", record["world_id"]):
        return "a world id that is none"
    if record["tier"] not in TIERS:
        return f"an unknown tier '{record['tier'][:40]}'"
    if not 0 < record["size"] <= MAX_STATE_BYTES:
        return f"a size of {record['size']} bytes"
    if not math.isfinite(record["score"]):
        return "a score that is no number"
    counts = ("state_version", "step", "global_step", "uses", "failures")
    return next((f"a negative {key}" for key in counts if record[key] < 0), None)


# -- the whole ---------------------------------------------------------------------------------------------------
def read_index(directory: Path) -> list[StateEntry]:
    """Entries in order of registration; empty where there is no index.

    Raises:
        IndexDamaged: any part of it cannot be trusted.
    """
    path = directory / INDEX_NAME
    if not path.exists():
        return []
    try:
        document = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise IndexDamaged(f"{path} is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise IndexDamaged(f"{path} is not an index of version {VERSION}")
    if not isinstance(document.get("states"), list):
        raise IndexDamaged(f"{path} holds no list of states")
    try:
        entries = [parse_entry(record) for record in document["states"]]
        for entry in entries:
            locate(directory, entry.file)
    except IndexDamaged as error:
        raise IndexDamaged(f"{path}: {error}") from None
    for key in ("id", "file"):
        if len({getattr(entry, key) for entry in entries}) != len(entries):
            raise IndexDamaged(f"{path} names the same {key} twice")
    return entries


def _read_text(path: Path) -> str:
    size = path.stat().st_size
    if size > MAX_INDEX_BYTES:
        raise IndexDamaged(f"{path} is {size >> 20} MiB long, which no index is")
    return path.read_bytes().decode("utf-8")


def salvage(directory: Path) -> list[StateEntry]:
    """The entries of a damaged index that are whole and whose files match, in their order."""
    found: dict[str, StateEntry] = {}
    with (directory / INDEX_NAME).open("rb") as file:
        lines = file.read(MAX_INDEX_BYTES).decode("utf-8", errors="replace").splitlines()
    for line in lines:
        try:
            entry = parse_entry(json.loads(line.strip().rstrip(",")))
            read_state(directory, entry)
        except (ValueError, RecursionError, OSError):  # IndexDamaged, StateDamaged and JSON errors are ValueErrors
            continue
        if entry.file not in {other.file for other in found.values()}:
            found.setdefault(entry.id, entry)
    return list(found.values())


def write_index(directory: Path, entries: list[StateEntry]) -> None:
    """Replace the index in one step: readers see the old one or the new one."""
    lines = []
    for entry in entries:
        record = record_of(entry)
        lines.append(json.dumps(record | {"check": checksum(record)}))
    body = ",\n".join(lines)
    write_atomically(directory / INDEX_NAME, f'{{"version": {VERSION}, "states": [\n{body}\n]}}\n'.encode())


# -- the states --------------------------------------------------------------------------------------------------
class StateDamaged(ValueError):
    """A savestate is not the one that the index names; the message says how it differs in one sentence."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def verify_state(entry: StateEntry, data: bytes) -> None:
    """Check bytes against the identity in the index.

    Raises:
        StateDamaged: they differ.
    """
    if len(data) < entry.size:
        raise StateDamaged(f"{entry.file} is truncated: {len(data)} of {entry.size} bytes")
    if digest(data) != entry.sha256:
        raise StateDamaged(f"{entry.file} was changed: its sha256 is not the one in the index")


def read_state(directory: Path, entry: StateEntry) -> bytes:
    """A savestate's bytes, verified.

    Raises:
        StateDamaged: the file is missing or is not the one that the index names.
        IndexDamaged: the file's name leads out of the folder.
    """
    path = locate(directory, entry.file)
    try:
        with path.open("rb") as file:
            data = file.read(entry.size + 1)
    except FileNotFoundError:
        raise StateDamaged(f"{entry.file} is missing") from None
    verify_state(entry, data)
    return data
