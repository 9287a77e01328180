"""Maps to conquer: files in OpenFront's format, and generated continents.

``python -m puffer_envs.territory.maps generate --size 1024 --seed 3 --out FOLDER`` writes a continent, and
``... info PATH`` describes a map. Exit codes: 0 done, 2 not: one sentence says why, and nothing is written.
"""

import argparse
import json
import os
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from puffer_envs.contract.state_file import write_atomically
from puffer_envs.territory.config import Config
from puffer_envs.territory.relief import continent_classes, masses, terrain_colours
from puffer_envs.territory.state import ALL_SIDES, CLASS_SHIFT, HIGHLAND, MAINLAND, MOUNTAIN, PLAINS, WATER

STEP = 128  # both sides of a map are multiples of it
LARGEST = 2048  # tiles of a side: sums of the observation's blocks are 16 bits wide
LEAST_LAND, MOST_LAND = 0.05, 0.95  # shares of land that a continent can have
LARGEST_MANIFEST = 1 << 22  # bytes; real ones have some thousands
LONGEST_NAME = 80
OK, FAILED = 0, 2

# OpenFront's byte of a tile
_LAND, _SHORE, _OCEAN, _MAGNITUDE = 128, 64, 32, 31
_HIGHLAND_FROM, _MOUNTAIN_FROM = 10, 20  # magnitudes
_MAGNITUDES = np.array((0, 5, 15, 25), np.uint8)  # that are written for the classes


class MapError(ValueError):
    """A map that cannot be used or made; the message says why, and what to do, for the person who asked for it."""


class Map(NamedTuple):
    """A map; its array is shared and cannot be written to."""

    name: str
    classes: np.ndarray  # uint8 [H, W], multiples of 128 up to 2048: 0 water, 1 plains, 2 highland, 3 mountain
    crc: int  # of shape and classes: names the map in savestates
    land: int  # tiles


def ground(classes: np.ndarray) -> np.ndarray:
    """What the rules ask of each tile, in one byte.

    Args:
        classes: uint8 [H, W] of a `Map`.

    Returns:
        uint8 [H * W], new. Bits 0 to 3: the neighbour N (y-1), E (x+1), S (y+1), W (x-1) is land; none is beyond the
        map's edge. Bits 4 and 5: the class. Bit 6: it is part of the largest land
        mass, of equals the one that comes first.
    """
    result = classes << CLASS_SHIFT
    for bit, neighbour in enumerate(_neighbours(classes != WATER)):
        result |= neighbour.astype(np.uint8) << bit
    labels, sizes = masses(classes != WATER)
    result[labels == np.argmax(sizes)] |= MAINLAND
    return result.ravel()


def coast(ground: np.ndarray) -> np.ndarray:
    """The land beside water or the map's edge, of a map's `ground` uint8 [T]: a bit for each tile, uint64 [T / 64]."""
    is_coast = (ground >> CLASS_SHIFT & 3 != WATER) & (ground & ALL_SIDES != ALL_SIDES)
    return np.packbits(is_coast, bitorder="little").view("<u8").astype(np.uint64)


def _neighbours(tiles: np.ndarray) -> list[np.ndarray]:
    """What lies N, E, S and W of each tile of a bool [H, W]; False beyond its edge."""
    padded = np.pad(tiles, 1)
    return [padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2]]


def _map(name: str, classes: np.ndarray) -> Map:
    shape = np.array(classes.shape, "<u4").tobytes()
    classes.setflags(write=False)
    return Map(name, classes, zlib.crc32(classes.tobytes(), zlib.crc32(shape)), int(np.count_nonzero(classes)))


# -- files -------------------------------------------------------------------------------------------------------------
def load(path: str | os.PathLike) -> Map:
    """Read a map in OpenFront's format; sides that 128 does not divide get water on the right and below.

    Args:
        path: a folder with ``map.bin`` and ``manifest.json``, or one of the two. Another file of tiles beside a
            manifest, as ``mini_map.bin``, has its sizes there under its own name.

    Raises:
        MapError: there is no such map, it contradicts its manifest, has no land, or a side is above 2048.
    """
    return _from_tiles(*_read(path))


def _from_tiles(tiles: np.ndarray, name: str) -> Map:
    """From OpenFront's bytes, uint8 [h, w]."""
    height, width = tiles.shape
    magnitude = tiles & _MAGNITUDE
    levels = PLAINS + (magnitude >= _HIGHLAND_FROM).astype(np.uint8) + (magnitude >= _MOUNTAIN_FROM)
    classes = np.full((height + -height % STEP, width + -width % STEP), WATER, np.uint8)
    classes[:height, :width] = np.where(tiles & _LAND, levels, WATER)
    return _map(name, classes)


def _read(path: str | os.PathLike) -> tuple[np.ndarray, str]:
    """The bytes as they stand in the file, uint8 [h, w], checked against the manifest; and the map's name."""
    path = Path(path)
    # Of os.path, whose tests are False also for names that no file can have.
    if not os.path.exists(path):
        raise MapError(f"there is no map {path}; give a folder with map.bin and manifest.json")
    folder = path if os.path.isdir(path) else path.parent
    manifest_file = path if path != folder and path.suffix == ".json" else folder / "manifest.json"
    file = folder / "map.bin" if path in (folder, manifest_file) else path
    for needed in (file, manifest_file):
        if not os.path.isfile(needed):
            raise MapError(f"there is no file {needed}; a map is a folder with map.bin and manifest.json")
    manifest = _manifest(manifest_file)
    width, height, land = _sizes(manifest, file.stem, manifest_file)
    name = manifest.get("name")
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        name = folder.resolve().name
    return _tiles(file, width, height, land), name


def _tiles(file: Path, width: int, height: int, land: Any) -> np.ndarray:
    data = _bytes(file, width * height + 1)
    if len(data) != width * height:
        there = max(len(data), file.stat().st_size)
        wanted = f"the {width} x {height} tiles of its manifest need {width * height}"
        raise MapError(f"{file} has {there} bytes, but {wanted}; copy both files again")
    tiles = np.frombuffer(data, np.uint8).reshape(height, width)
    found = np.count_nonzero(tiles & _LAND)
    if found == 0:
        raise MapError(f"{file} has no land, so nobody can play on it; choose another map")
    if land is not None and (type(land) is not int or land != found):
        raise MapError(f"{file} has {found} tiles of land, but its manifest says {land!r:.40}; copy both files again")
    return tiles


def _manifest(file: Path) -> dict[str, Any]:
    data = _bytes(file, LARGEST_MANIFEST + 1)
    if len(data) > LARGEST_MANIFEST:
        raise MapError(f"{file} has more than {LARGEST_MANIFEST} bytes, so it is no manifest; check the path")
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MapError(f"{file} is no JSON ({error}); copy it again") from error
    if not isinstance(manifest, dict):
        raise MapError(f"{file} is no manifest, which is an object with the map's sizes; copy it again")
    return manifest


def _sizes(manifest: dict[str, Any], key: str, file: Path) -> tuple[int, int, Any]:
    """Width, height, checked, and the unchecked tiles of land (None where they are not told)."""
    sections = (manifest.get(key), manifest.get("map"), manifest)
    section = next((each for each in sections if isinstance(each, dict) and {"width", "height"} <= each.keys()), None)
    if section is None:
        raise MapError(f'{file} lacks the sizes of the map; it needs {{"map": {{"width": ..., "height": ...}}}}')
    for side in ("width", "height"):
        value = section[side]
        if type(value) is not int or value < 1:
            raise MapError(
                f"{file} gives the {side} {value!r:.40}; it must be a whole number of tiles from 1 to {LARGEST}"
            )
        if value > LARGEST:
            raise MapError(
                f"{file} gives the {side} {value:.6g}, but a side has at most {LARGEST} tiles; choose a smaller map"
            )
    return section["width"], section["height"], section.get("num_land_tiles")


def _bytes(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise MapError(f"cannot read {file} ({error.strerror}); check the path") from error


def write(map: Map, folder: str | os.PathLike) -> None:
    """Write ``map.bin`` and ``manifest.json`` that `load` reads as the same map, and OpenFront's loader too.

    That one needs a ``mini_map.bin``, the map at half the resolution, on which its boats find their way. Magnitudes
    within a class are not kept, so all plains are written alike.

    Raises:
        MapError: the folder cannot be made or written to.
    """
    files = {"map": map.classes, "mini_map": _halved(map.classes)}
    sizes = {
        name: {"width": classes.shape[1], "height": classes.shape[0], "num_land_tiles": int(np.count_nonzero(classes))}
        for name, classes in files.items()
    }
    manifest = {"name": map.name, **sizes, "nations": []}
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, classes in files.items():
            write_atomically(folder / f"{name}.bin", _to_tiles(classes).tobytes())
        write_atomically(folder / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    except OSError as error:
        raise MapError(f"cannot write the map to {folder} ({error.strerror}); choose another folder") from error


def _halved(classes: np.ndarray) -> np.ndarray:
    """Classes at half the resolution, uint8 [H / 2, W / 2]: water where one of four tiles is, else their highest."""
    height, width = classes.shape
    fours = classes.reshape(height // 2, 2, width // 2, 2)
    return np.where(fours.min((1, 3)) == WATER, np.uint8(WATER), fours.max((1, 3)))


def _to_tiles(classes: np.ndarray) -> np.ndarray:
    """OpenFront's bytes, uint8 [H, W]."""
    land = classes != WATER
    beside_land, beside_water = (np.logical_or.reduce(_neighbours(tiles)) for tiles in (land, ~land))
    labels, sizes = masses(~land)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_ocean = np.zeros(len(sizes), np.bool_)
    is_ocean[edge] = True  # water from which the map can be left; the rest are lakes
    is_ocean[0] = False
    shore = np.where(land, beside_water, beside_land)
    return (
        _MAGNITUDES[classes] | land * np.uint8(_LAND) | shore * np.uint8(_SHORE) | is_ocean[labels] * np.uint8(_OCEAN)
    )


# -- generated maps ----------------------------------------------------------------------------------------------------
def continent(size: int, seed: int, land_share: float = 0.7) -> Map:
    """A continent with bays, lakes, islands and ranges of mountains; always the same for the same arguments.

    At least 95% of the land is one mass, and 56, 40 and 4% are plains, highland and mountain.

    Args:
        size: tiles of each side, a multiple of 128 from 128 to 2048.
        seed: from 0 on.
        land_share: of all tiles, 0.05 to 0.95; met to half a percentage point.

    Raises:
        MapError: there is no such size, seed or share.
    """
    if type(size) is not int:
        raise MapError(f"the size is {size!r}; it must be a multiple of {STEP} from {STEP} to {LARGEST}")
    if size % STEP or not STEP <= size <= LARGEST:
        nearest = {min(max(side, STEP), LARGEST) for side in (size // STEP * STEP, -(-size // STEP) * STEP)}
        choice = " or ".join(map(str, sorted(nearest)))
        raise MapError(f"a continent cannot have {size} tiles a side, only multiples of {STEP}: choose {choice}")
    if type(seed) is not int or seed < 0:
        raise MapError(f"the seed is {seed!r}; it must be a whole number from 0 on")
    if not LEAST_LAND <= land_share <= MOST_LAND:
        raise MapError(f"the share of land is {land_share!r}; it must lie between {LEAST_LAND} and {MOST_LAND}")
    return _map(f"continent {size} seed {seed}", continent_classes(size, seed, land_share))


def maps_for(config: Config) -> tuple[Map, ...]:
    """The maps that games are played on: the one of `config.map`, or `num_maps` continents of seeds from `map_seed` on.

    Made once in a process, so a file that changes later is not read again.

    Raises:
        MapError: as of `load` and `continent`, or there are to be no maps.
    """
    return _maps(config.map, config.map_size, config.land_share, config.map_seed, config.num_maps)


@cache
def _maps(path: str | None, size: int, land_share: float, seed: int, number: int) -> tuple[Map, ...]:
    if path is not None:
        return (load(path),)
    if type(number) is not int or number < 1:
        raise MapError(f"the number of maps is {number!r}; it must be a whole number from 1 on")
    return tuple(continent(size, seed + i, land_share) for i in range(number))


# -- the command -------------------------------------------------------------------------------------------------------
def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        print(_generate(arguments) if arguments.command == "generate" else _info(arguments.path))
    except MapError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m puffer_envs.territory.maps", description="Make and look at maps.")
    commands = parser.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("generate", help="write a continent")
    generate.add_argument("--size", type=int, default=1024, help="tiles of each side; default: %(default)s")
    generate.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    generate.add_argument("--land", type=float, default=0.7, help="share of all tiles; default: %(default)s")
    generate.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="of map.bin and manifest.json")
    generate.add_argument("--png", type=Path, metavar="FILE", help="draw it as well")
    info = commands.add_parser("info", help="describe a map")
    info.add_argument("path", help="folder with map.bin and manifest.json, or one of them")
    return parser


def _generate(arguments: argparse.Namespace) -> str:
    map = continent(arguments.size, arguments.seed, arguments.land)
    if arguments.png is None:
        write(map, arguments.out)
        return f"{arguments.out}: {map.name}, {map.land} tiles of land"
    _draw(map, arguments.png)
    try:
        write(map, arguments.out)
    except MapError:
        arguments.png.unlink()
        raise
    return f"{arguments.out}: {map.name}, {map.land} tiles of land; drawn in {arguments.png}"


def _draw(map: Map, file: Path) -> None:
    import imageio.v3 as iio

    picture = iio.imwrite("<bytes>", terrain_colours(map.classes), extension=".png")
    try:
        write_atomically(file, picture)
    except OSError as error:
        raise MapError(f"cannot draw the map in {file} ({error.strerror}); choose another file") from error


def _info(path: str) -> str:
    tiles, name = _read(path)
    map = _from_tiles(tiles, name)
    height, width = map.classes.shape
    counts = np.bincount(map.classes.ravel(), minlength=MOUNTAIN + 1)
    sizes = masses(map.classes != WATER)[1]
    is_padded = tiles.shape != map.classes.shape
    lines = {
        "name": map.name,
        "size": f"{width} x {height} tiles",
        "padded": f"with water, from {tiles.shape[1]} x {tiles.shape[0]}" if is_padded else "no",
        "land": f"{map.land / map.classes.size:6.1%} of all tiles: {map.land}",
        "plains": f"{counts[PLAINS] / map.land:6.1%} of the land",
        "highland": f"{counts[HIGHLAND] / map.land:6.1%}",
        "mountain": f"{counts[MOUNTAIN] / map.land:6.1%}",
        "masses": f"{len(sizes) - 1} of land, the largest {sizes.max() / map.land:.1%} of it",
        "checksum": f"{map.crc:08x}",
    }
    return "\n".join(f"{key:10}{value}" for key, value in lines.items())


if __name__ == "__main__":
    sys.exit(main())
