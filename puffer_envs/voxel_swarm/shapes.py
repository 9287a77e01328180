"""Shapes to build: the library, scaling, files of shapes, and the check of shapes that come from elsewhere."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from puffer_envs.contract.state_file import write_atomically
from puffer_envs.kit.jit import kernel
from puffer_envs.voxel_swarm.families import FAMILIES, voxels_of

SMALLEST_GRID, LARGEST_GRID = 4, 256
HELD_OUT_FAMILIES = ("bridge", "dome", "crane")  # never trained on; each has an overhang of another kind
HELD_OUT_EVERY = 4  # of a training family's sizes, the third of each four is held out: never the smallest
FARTHEST = 1_000_000  # a coordinate that can still be reckoned with, if only to say how far outside it lies
PAIRS_GRID = 16  # of a file that does not say: the grid for which the original's list of pairs was made

Split = Literal["train", "sizes", "families", "all"]


class ShapeError(ValueError):
    """A shape or a file of shapes that cannot be used; the message says why in words for the person who gave it."""


class Shape(NamedTuple):
    """Something to build."""

    text: str
    family: str  # "" for one that came from a file
    grid: int  # cells along each side of the grid that it lies in
    voxels: np.ndarray  # int16 [V, 3], columns x, y (up), z; unique, sorted by (y, x, z)


# -- the library -------------------------------------------------------------------------------------------------
def library(grid: int, split: Split = "train", family: str = "") -> list[Shape]:
    """The built-in shapes of a grid, the one with the fewest voxels first.

    Args:
        grid: cells along each side, 4 to 256.
        split: "train"; "sizes" of the training families that are held out; "families" that are held out; or "all".
        family: only its shapes; none: those of all families.

    Raises:
        ShapeError: there is no such grid, split or family, or the split has none of the family.
    """
    check_grid(grid)
    if split not in ("train", "sizes", "families", "all"):
        raise ShapeError(f"there is no split '{split}': choose train, sizes, families or all")
    if family and family not in FAMILIES:
        raise ShapeError(f"there is no family '{family}': choose {', '.join(FAMILIES)}")
    shapes = [shape for each in ([family] if family else FAMILIES) for shape in _of_family(each, grid, split)]
    if not shapes:
        raise ShapeError(f"the split '{split}' has no {family}: choose another, or all")
    return sorted(shapes, key=lambda shape: len(shape.voxels))


def _of_family(family: str, grid: int, split: Split) -> Iterator[Shape]:
    if split != "all" and (family in HELD_OUT_FAMILIES) != (split == "families"):
        return
    for i, (text, voxels) in enumerate(FAMILIES[family](grid)):
        is_held_out = i % HELD_OUT_EVERY == HELD_OUT_EVERY - 2
        if split in ("all", "families") or is_held_out == (split == "sizes"):
            yield Shape(text, family, grid, voxels)


def check_grid(grid: Any) -> None:
    """Raise ShapeError unless this is a size that a grid can have."""
    if type(grid) is not int or not SMALLEST_GRID <= grid <= LARGEST_GRID:
        raise ShapeError(f"the grid is {grid!r}; it must be a whole number from {SMALLEST_GRID} to {LARGEST_GRID}")


# -- scaling -----------------------------------------------------------------------------------------------------
def scale_voxels(voxels: np.ndarray, from_size: int, to_size: int) -> np.ndarray:
    """A shape in a grid of another size.

    Down, voxel v falls into cell ``floor(v * to / from)``. Up, it fills all cells that would fall into it, so that the
    solid has no gaps, and scaling back down gives exactly the voxels that it came from. Either way neighbours stay
    neighbours, so a shape in one piece on the ground stays one.

    Args:
        voxels: int [V, 3], inside a grid of `from_size`.

    Returns:
        int16 [V', 3], unique, sorted by (y, x, z).
    """
    if to_size < from_size:
        return voxels_of(_filled(voxels.astype(np.int64) * to_size // from_size, to_size))
    source = np.arange(to_size) * from_size // to_size
    return voxels_of(_filled(voxels, from_size)[np.ix_(source, source, source)])


def _filled(voxels: np.ndarray, grid: int) -> np.ndarray:
    """Voxels int [V, 3] as a bool [G, G, G] indexed by x, y, z."""
    filled = np.zeros((grid, grid, grid), np.bool_)
    filled[voxels[:, 0], voxels[:, 1], voxels[:, 2]] = True
    return filled


# -- checking ----------------------------------------------------------------------------------------------------
def check_voxels(voxels: Sequence[Any] | np.ndarray, grid: int) -> np.ndarray:
    """Refuse what is no shape; what it returns can be built.

    (One piece on the ground has a voxel in every layer up to its top, and then agents can climb to each.)

    Args:
        voxels: untrusted; an array [V, 3], or a list of ``[x, y, z]`` or ``{"x": x, "y": y, "z": z}``.

    Returns:
        int16 [V', 3], sorted by (y, x, z); a voxel given twice is there once.

    Raises:
        ShapeError: they are not 1 to G^3 whole numbers inside the grid, or do not touch y=0, or are in pieces.
    """
    check_grid(grid)
    array = to_array(voxels, grid)
    outside = ((array < 0) | (array >= grid)).any(axis=1)
    if outside.any():
        first = array[outside][0].tolist()
        raise ShapeError(f"{outside.sum()} of its voxels lie outside the grid of {grid}, the first at {first}")
    lowest = array[:, 1].min()
    if lowest > 0:
        raise ShapeError(f"it does not touch the ground: its lowest voxel is at y={lowest}")
    filled = _filled(array, grid)
    pieces = len(sizes_of_pieces(filled)[1])
    if pieces > 1:
        raise ShapeError(f"it is in {pieces} pieces that do not touch face to face")
    return voxels_of(filled)


def to_array(voxels: Sequence[Any] | np.ndarray, grid: int) -> np.ndarray:
    """Untrusted voxels as int64 [V, 3] with 1 <= V <= grid^3, inside the grid or not.

    Raises:
        ShapeError: they are too few, too many, or no triples of whole numbers up to a million.
    """
    if not isinstance(voxels, (list, tuple, np.ndarray)):
        raise ShapeError(f"its voxels are {type(voxels).__name__}, not a list of [x, y, z]")
    if not 1 <= len(voxels) <= grid**3:
        raise ShapeError(f"it has {len(voxels)} voxels where 1 to {grid**3} fit into a grid of {grid}")
    if isinstance(voxels, np.ndarray):
        is_right = voxels.ndim == 2 and voxels.shape[1] == 3 and voxels.dtype.kind in "iu"
    else:
        voxels = [_triple(voxel) for voxel in voxels]
        # Exact types: True is no coordinate, though Python counts it among the whole numbers.
        is_right = set(map(len, voxels)) == {3} and set(map(type, chain.from_iterable(voxels))) == {int}
    if not is_right:
        raise ShapeError("its voxels are not all three whole numbers [x, y, z]")
    try:
        array = np.array(voxels, np.int64)
    except OverflowError as error:
        raise ShapeError("one of its coordinates is far beyond any grid") from error
    if ((array < -FARTHEST) | (array > FARTHEST)).any():
        raise ShapeError("one of its coordinates is far beyond any grid")
    return array


def _triple(voxel: Any) -> Sequence[Any]:
    if isinstance(voxel, dict) and voxel.keys() == {"x", "y", "z"}:
        return voxel["x"], voxel["y"], voxel["z"]
    return voxel if isinstance(voxel, (list, tuple)) else ()


def sizes_of_pieces(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the pieces of a bool [G, G, G] whose voxels touch face to face.

    Returns:
        int32 [G, G, G], 0 where empty, else 1 + the number of the piece; and the voxels of each piece, int64 [pieces].
    """
    labels = np.zeros(filled.shape, np.int32)
    _label(filled, labels, np.empty((np.count_nonzero(filled), 3), np.int16))
    return labels, np.bincount(labels.ravel())[1:]


@kernel
def _label(filled: np.ndarray, labels: np.ndarray, stack: np.ndarray) -> None:
    """Number the pieces of `filled` from 1 in `labels`, int32 of zeros; `stack` int16 [V, 3] is scratch."""
    pieces = 0
    for x in range(filled.shape[0]):
        for y in range(filled.shape[1]):
            for z in range(filled.shape[2]):
                if filled[x, y, z] and labels[x, y, z] == 0:
                    pieces += 1
                    _flood(filled, labels, stack, x, y, z, pieces)


@kernel
def _flood(filled: np.ndarray, labels: np.ndarray, stack: np.ndarray, x: int, y: int, z: int, label: int) -> None:
    labels[x, y, z] = label
    stack[0, 0], stack[0, 1], stack[0, 2] = x, y, z
    waiting = 1
    while waiting > 0:
        waiting -= 1
        x, y, z = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        for way in range(6):
            step = 1 if way < 3 else -1
            i = x + (step if way % 3 == 0 else 0)
            j = y + (step if way % 3 == 1 else 0)
            k = z + (step if way % 3 == 2 else 0)
            inside = 0 <= i < filled.shape[0] and 0 <= j < filled.shape[1] and 0 <= k < filled.shape[2]
            # Marked when pushed, so each voxel is pushed once and the stack holds at most all.
            if inside and filled[i, j, k] and labels[i, j, k] == 0:
                labels[i, j, k] = label
                stack[waiting, 0], stack[waiting, 1], stack[waiting, 2] = i, j, k
                waiting += 1


# -- files -------------------------------------------------------------------------------------------------------
def load_shapes(path: str | os.PathLike, grid: int) -> list[Shape]:
    """Read a file of shapes and rescale each to `grid`.

    The file has a line ``{"text", "grid", "voxels": [[x, y, z], ...], "voxel_count"}`` for each shape, or is one JSON
    list of such objects, as the original's ``training_pairs.json``. `voxel_count` may be left out, and so may `grid`:
    then it is 16.

    Raises:
        ShapeError: the file cannot be read, or a line of it is no shape; names both and says what to do.
    """
    check_grid(grid)
    shapes = []
    for place, entry in _entries(Path(path)):
        try:
            text, size, voxels = _parse(entry)
        except ShapeError as error:
            raise ShapeError(f"{path}, {place}: {error}; correct or delete it") from error
        shapes.append(Shape(text, "", grid, voxels if size == grid else scale_voxels(voxels, size, grid)))
    if not shapes:
        raise ShapeError(f"{path} holds no shape; write some with `python -m puffer_envs.voxel_swarm.text_shapes`")
    return shapes


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Where each entry stands, for a person, and what json made of it."""
    text = _read_text(path)
    if text.lstrip().startswith("["):
        entries = _decode(text, str(path))
        yield from ((f"entry {i}", entry) for i, entry in enumerate(entries, start=1))
        return
    for i, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {i}", _decode(line, f"{path}, line {i}")


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ShapeError(f"cannot read the shapes of {path} ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise ShapeError(f"{path} is no file of shapes: it is not text in UTF-8") from error


def _decode(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"{place}: this is no JSON ({error}); correct or delete it") from error


def _parse(entry: Any) -> tuple[str, int, np.ndarray]:
    """Text, size of the grid and checked voxels of one entry."""
    if not isinstance(entry, dict) or "voxels" not in entry:
        raise ShapeError("a shape is an object with 'text', 'grid' and 'voxels'")
    text = entry.get("text")
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise ShapeError("its text is missing, or more than one line of printable characters")
    size = entry.get("grid", PAIRS_GRID)
    voxels = check_voxels(entry["voxels"], size)
    claimed = entry.get("voxel_count", len(entry["voxels"]))
    if claimed not in (len(voxels), len(entry["voxels"])):
        raise ShapeError(f"it has {len(voxels)} voxels where its voxel_count says {claimed!r}")
    return text, size, voxels


def save_shapes(path: str | os.PathLike, shapes: Iterable[Shape], append: bool = False) -> int:
    """Write shapes as JSON lines, or add those that a file lacks to its end.

    All are written or, on any failure, the file is as it was. One writer at a time.

    Returns:
        how many lines were written: with `append`, a line that stands in the file already is not added again.

    Raises:
        ShapeError: the file cannot be written, or is no file of lines that one could append to.
    """
    path = Path(os.path.realpath(path))  # a link is followed, not replaced
    before = _read_text(path) if append and path.exists() else ""
    if before.lstrip().startswith("["):
        raise ShapeError(f"{path} is a JSON list, to which no line can be added; choose another file")
    if before and not before.endswith("\n"):
        before += "\n"
    known = set(before.split("\n"))
    lines = [line for line in map(_line, shapes) if line not in known]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (before + "".join(f"{line}\n" for line in lines)).encode())
    except OSError as error:
        raise ShapeError(f"cannot write the shapes to {path} ({error.strerror})") from error
    return len(lines)


def _line(shape: Shape) -> str:
    voxels = shape.voxels.tolist()
    entry = {"text": shape.text, "grid": shape.grid, "voxels": voxels, "voxel_count": len(voxels)}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
