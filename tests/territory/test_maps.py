"""Maps: files come back as they were written, bad ones are named, and continents are what they promise."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from puffer_envs.territory import maps
from puffer_envs.territory.config import Config
from puffer_envs.territory.maps import Map, MapError, continent, ground, load, maps_for, terrain_colours, write
from puffer_envs.territory.relief import masses

LAND, SHORE, OCEAN = 128, 64, 32


def random_classes(height: int = 128, width: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (height, width), np.uint8)


def put(folder: Path, tiles: np.ndarray, **changes: object) -> Path:
    """A map's two files, with what is to be different in the manifest's sizes."""
    height, width = tiles.shape
    sizes = {"width": width, "height": height, "num_land_tiles": int((tiles >= LAND).sum())} | changes
    folder.mkdir(exist_ok=True)
    (folder / "map.bin").write_bytes(tiles.tobytes())
    (folder / "manifest.json").write_text(json.dumps({"map": sizes, "mini_map": {}, "nations": [{"flag": "x"}]}))
    return folder


def plain(height: int = 3, width: int = 5) -> np.ndarray:
    return np.full((height, width), LAND, np.uint8)


def pieces(land: np.ndarray) -> list[int]:
    """The slow twin of `masses`: the tiles of each mass."""
    left, found = set(zip(*map(np.ndarray.tolist, np.nonzero(land)), strict=True)), []
    while left:
        edge, count = [left.pop()], 0
        while edge:
            y, x = edge.pop()
            count += 1
            around = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left
            left -= around
            edge += around
        found.append(count)
    return found


# -- what the rules ask ------------------------------------------------------------------------------------------------
def test_ground_is_that_of_a_double_loop() -> None:
    classes = random_classes()
    height, width = classes.shape
    expected = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            value = int(classes[y, x]) << 4
            for bit, (i, j) in enumerate([(y - 1, x), (y, x + 1), (y + 1, x), (y, x - 1)]):
                if 0 <= i < height and 0 <= j < width and classes[i, j]:
                    value |= 1 << bit
            expected[y, x] = value
    labels, sizes = masses(classes > 0)
    expected[labels == sizes.argmax()] += 64
    result = ground(classes)
    assert result.dtype == np.uint8
    assert result.flags.writeable
    np.testing.assert_array_equal(result, expected.ravel())


def test_coast_is_land_beside_water_or_the_edge() -> None:
    classes = random_classes()
    expected = [
        classes[y, x] > 0 and any(not (0 <= v < 128 and 0 <= u < 256) or classes[v, u] == 0 for v, u in around)
        for y in range(128)
        for x in range(256)
        for around in [((y - 1, x), (y, x + 1), (y + 1, x), (y, x - 1))]
    ]
    words = maps.coast(ground(classes))
    assert (words.dtype, words.shape) == (np.uint64, (128 * 256 // 64,))
    assert [bool(int(words[tile // 64]) >> tile % 64 & 1) for tile in range(128 * 256)] == expected


def test_masses_are_those_of_sets() -> None:
    land = random_classes(seed=3) > 1
    labels, sizes = masses(land)
    np.testing.assert_array_equal(labels > 0, land)
    assert sorted(sizes[1:].tolist()) == sorted(pieces(land))
    assert sizes[0] == 0
    beside = (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    assert (labels[:, 1:] == labels[:, :-1])[beside].all()


# -- files -------------------------------------------------------------------------------------------------------------
def test_a_written_map_comes_back(tmp_path: Path) -> None:
    before = continent(128, 5)
    write(before, tmp_path / "new" / "folder")
    for path in ("new/folder", "new/folder/map.bin", "new/folder/manifest.json"):
        after = load(tmp_path / path)
        np.testing.assert_array_equal(after.classes, before.classes)
        assert (after.name, after.crc, after.land) == (before.name, before.crc, before.land)
    write(after, tmp_path / "again")
    for name in ("map.bin", "mini_map.bin", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "new/folder" / name).read_bytes()


def test_a_map_at_half_the_resolution_is_written_beside_it(tmp_path: Path) -> None:
    classes = random_classes()
    classes[:64] = np.maximum(classes[:64], 1)
    write(Map("x", classes, 0, int(np.count_nonzero(classes))), tmp_path)
    expected = np.zeros((64, 128), np.uint8)
    for y in range(64):
        for x in range(128):
            four = [classes[v, u] for v in (2 * y, 2 * y + 1) for u in (2 * x, 2 * x + 1)]
            expected[y, x] = 0 if 0 in four else max(four)
    assert len((tmp_path / "mini_map.bin").read_bytes()) == 64 * 128
    found = load(tmp_path / "mini_map.bin")
    np.testing.assert_array_equal(found.classes[:64], expected)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == {
        "name": "x",
        "map": {"width": 256, "height": 128, "num_land_tiles": np.count_nonzero(classes)},
        "mini_map": {"width": 128, "height": 64, "num_land_tiles": np.count_nonzero(expected)},
        "nations": [],
    }
    assert 0 < found.land < 64 * 128
    assert set(os.listdir(tmp_path)) == {"map.bin", "mini_map.bin", "manifest.json"}


def test_what_is_written_says_which_water_is_sea_and_where_the_shore_is(tmp_path: Path) -> None:
    classes = np.zeros((128, 128), np.uint8)
    classes[1:7, 1:6] = 1
    classes[2, 2], classes[4, 4] = 2, 3
    classes[5, 3] = 0  # a lake
    classes[127] = 1  # land up to the map's edge
    write(Map("x", classes, 0, int((classes > 0).sum())), tmp_path)
    tiles = np.frombuffer((tmp_path / "map.bin").read_bytes(), np.uint8).reshape(128, 128)
    np.testing.assert_array_equal((tiles & LAND) > 0, classes > 0)
    assert tiles[5, 3] == SHORE
    assert tiles[0, 0] == OCEAN  # beside land at a corner only
    assert tiles[0, 1] == tiles[7, 5] == OCEAN | SHORE
    assert tiles[9, 9] == OCEAN
    assert tiles[1, 1] & tiles[4, 3] & tiles[5, 2] & tiles[6, 3] & SHORE  # at the sea, at the lake
    assert not tiles[2, 2] & SHORE
    assert not ((tiles & OCEAN > 0) & (classes > 0)).any()
    magnitudes = (tiles & 31)[[1, 2, 4, 0], [1, 2, 4, 0]]
    assert magnitudes[0] < 10 <= magnitudes[1] < 20 <= magnitudes[2]


def test_classes_are_cut_at_magnitudes_10_and_20(tmp_path: Path) -> None:
    tiles = np.array([[0, 9, 10, 19, 20, 31]], np.uint8)
    both = np.concatenate([tiles | LAND | SHORE, tiles | OCEAN])  # water has a magnitude too
    classes = load(put(tmp_path, both)).classes
    np.testing.assert_array_equal(classes[:2, :6], [[1, 1, 2, 2, 3, 3], [0] * 6])


@pytest.mark.parametrize(("size", "padded"), [((1, 1), (128, 128)), ((129, 128), (256, 128)), ((250, 300), (256, 384))])
def test_odd_sides_get_water_on_the_right_and_below(tmp_path: Path, size: tuple, padded: tuple) -> None:
    found = load(put(tmp_path, plain(*size)))
    expected = np.zeros(padded, np.uint8)
    expected[: size[0], : size[1]] = 1
    np.testing.assert_array_equal(found.classes, expected)
    assert found.land == size[0] * size[1]


def test_the_largest_map_loads(tmp_path: Path) -> None:
    found = load(put(tmp_path, plain(2048, 1930)))
    assert found.classes.shape == (2048, 2048)
    assert (found.classes[:, :1930] == 1).all()
    assert found.land == 2048 * 1930


def test_names_and_checksums(tmp_path: Path) -> None:
    folder = put(tmp_path / "pangaea", plain())
    found = load(folder)
    assert found.name == "pangaea"  # the manifest has none
    shape = np.array([128, 128], "<u4").tobytes()
    assert found.crc == zlib.crc32(shape + found.classes.tobytes())
    wide, high = np.ones((128, 256), np.uint8), np.ones((256, 128), np.uint8)
    assert maps._map("", wide).crc != maps._map("", high).crc  # the same bytes
    with pytest.raises(ValueError, match="read-only"):
        found.classes[0, 0] = 0


def test_sizes_may_stand_elsewhere_and_more_may_stand_there(tmp_path: Path) -> None:
    put(tmp_path, plain(4, 6))
    (tmp_path / "mini_map.bin").write_bytes(plain(2, 3).tobytes())
    sizes = {"width": 6, "height": 4}
    (tmp_path / "manifest.json").write_text(
        json.dumps({"name": "Earth", **sizes, "mini_map": {"width": 3, "height": 2}})
    )
    found = load(tmp_path)
    assert (found.name, found.land) == ("Earth", 24)
    assert load(tmp_path / "mini_map.bin").land == 6


MISFITS = [
    ({"width": True}, "gives the width True; it must be a whole number of tiles from 1 to 2048"),
    ({"width": 5.0}, r"gives the width 5\.0; it must"),
    ({"height": -3}, "gives the height -3; it must"),
    ({"height": 0}, "gives the height 0; it must"),
    ({"height": "3"}, "gives the height '3'; it must"),
    ({"width": 2049}, "gives the width 2049, but a side has at most 2048 tiles; choose a smaller map"),
    ({"width": 10**12, "height": 10**12}, r"gives the width 1e\+12, but a side"),
    ({"width": 2048, "height": 2048}, "has 15 bytes, but the 2048 x 2048 tiles of its manifest need 4194304"),
    ({"width": 6}, "has 15 bytes, but the 6 x 3 tiles of its manifest need 18; copy both files again"),
    ({"width": 4}, "has 15 bytes, but the 4 x 3 tiles of its manifest need 12; copy"),
    ({"num_land_tiles": 14}, "has 15 tiles of land, but its manifest says 14; copy both files again"),
    ({"num_land_tiles": 15.0}, r"but its manifest says 15\.0; copy"),
    ({"num_land_tiles": "many"}, "but its manifest says 'many'; copy"),
]


@pytest.mark.parametrize(("changes", "message"), MISFITS)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(MapError, match=message):
        load(put(tmp_path, plain(), **changes))


MANIFESTS = [
    (b"{", "manifest.json is no JSON .*; copy it again"),
    (b"\xff\xfe\xff", "is no JSON"),
    (b"[" * 100_000, "is no JSON"),
    (b'{"map": {"width": ' + b"1" * 5000 + b', "height": 3}}', "is no JSON"),
    (b"[]", "is no manifest, which is an object"),
    (b"{}", "lacks the sizes of the map; it needs"),
    (b'{"map": {"width": 5}}', "lacks the sizes"),
    (b'{"map": [5, 3]}', "lacks the sizes"),
    (b'{"map": {"width": NaN, "height": 3}}', "gives the width nan; it must"),
    (b" " * ((1 << 22) + 1), "has more than 4194304 bytes, so it is no manifest"),
]


@pytest.mark.parametrize(("data", "message"), MANIFESTS, ids=[message for _, message in MANIFESTS])
def test_what_is_no_manifest_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (put(tmp_path, plain()) / "manifest.json").write_bytes(data)
    with pytest.raises(MapError, match=message) as caught:
        load(tmp_path)
    assert len(str(caught.value)) < 400


def test_missing_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", "\0", "x" * 5000):
        with pytest.raises(MapError, match=r"there is no map .*; give a folder with map\.bin and manifest\.json"):
            load(path)
    for name in ("map.bin", "manifest.json"):
        folder = put(tmp_path / "half", plain())
        (folder / name).unlink()
        with pytest.raises(MapError, match=f"there is no file .*{name}; a map is a folder"):
            load(folder)
        (folder / name).mkdir()
        with pytest.raises(MapError, match=f"there is no file .*{name}; a map is a folder"):
            load(folder)
        (folder / name).rmdir()


def test_a_map_without_land_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="has no land, so nobody can play on it; choose another map"):
        load(put(tmp_path, plain() & 127 | OCEAN))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MapError, match=r"cannot write the map to .*file/under .*; choose another folder"):
        write(continent(128, 0), tmp_path / "file" / "under")


# -- generated maps ----------------------------------------------------------------------------------------------------
CONTINENTS = [
    *((128, seed, 0.7) for seed in range(8)),
    *((128, seed, share) for seed in range(3) for share in (0.05, 0.2, 0.5, 0.95)),
    (384, 0, 0.7),
    (640, 1, 0.3),
    (1024, 2, 0.7),
    (1920, 3, 0.6),
]


@pytest.mark.parametrize(("size", "seed", "share"), CONTINENTS)
def test_continents_have_the_land_that_was_asked_for_in_one_mass(size: int, seed: int, share: float) -> None:
    found = continent(size, seed, share)
    assert found.classes.shape == (size, size)
    assert found.classes.dtype == np.uint8
    counts = np.bincount(found.classes.ravel(), minlength=4)
    assert len(counts) == 4
    assert found.land == counts[1:].sum()
    assert found.land / size**2 == pytest.approx(share, abs=0.005)
    assert counts[1:] / found.land == pytest.approx([0.56, 0.40, 0.04], abs=0.005)
    assert masses(found.classes > 0)[1].max() >= 0.95 * found.land


def test_there_are_lakes_and_islands_but_no_specks() -> None:
    classes = [continent(512, seed).classes for seed in range(4)]
    lakes, islands = ([masses((each > 0) == is_land)[1][1:] for each in classes] for is_land in (False, True))
    assert sum(map(len, lakes)) > 8
    assert sum(map(len, islands)) > 8
    assert min(sizes.min() for sizes in (*lakes, *islands)) >= 6


def test_mountains_form_ranges() -> None:
    """Few large masses; drawn tile by tile, there would be thousands."""
    for seed in range(3):
        sizes = masses(continent(512, seed).classes == 3)[1]
        assert np.sort(sizes)[-5:].sum() > 0.4 * sizes.sum()
        assert len(sizes) < 150


def test_seeds_sizes_and_shares_make_other_maps_and_the_same_make_the_same() -> None:
    first, *others = continent(128, 0), continent(128, 1), continent(256, 0), continent(128, 0, 0.6)
    assert len({each.crc for each in (first, *others)}) == 4
    np.testing.assert_array_equal(continent(128, 0).classes, first.classes)


def test_a_continent_is_the_same_everywhere() -> None:
    """Savestates know their map by this number: one that changes makes those of all players worthless."""
    assert {seed: continent(256, seed).crc for seed in (0, 1)} == {0: 2900131624, 1: 2700414}


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1000, "cannot have 1000 tiles a side, only multiples of 128: choose 896 or 1024"),
        (0, "choose 128$"),
        (-1, "choose 128$"),
        (130, "choose 128 or 256$"),
        (2049, "choose 2048$"),
        (2176, "choose 2048$"),
        (1024.0, r"the size is 1024\.0; it must be a multiple of 128 from 128 to 2048"),
        (True, "the size is True"),
    ],
)
def test_sizes_that_no_continent_has_are_refused(size: int, message: str) -> None:
    with pytest.raises(MapError, match=message):
        continent(size, 0)


def test_seeds_and_shares_that_cannot_be_are_refused() -> None:
    for seed in (-1, 0.5, True):
        with pytest.raises(MapError, match=r"the seed is .*; it must be a whole number from 0 on"):
            continent(128, seed)  # type: ignore[arg-type]
    for share in (0.0, 0.04, 1.0, float("nan")):
        with pytest.raises(MapError, match=r"the share of land is .*; it must lie between 0\.05 and 0\.95"):
            continent(128, 0, share)


def test_the_maps_of_a_config(tmp_path: Path) -> None:
    config = Config(map_size=128, map_seed=7, num_maps=3, land_share=0.6)
    found = maps_for(config)
    assert [each.crc for each in found] == [continent(128, seed, 0.6).crc for seed in (7, 8, 9)]
    assert maps_for(config._replace(num_bots=3)) is found  # they cost time and memory
    write(found[1], tmp_path)
    (loaded,) = maps_for(config._replace(map=str(tmp_path)))
    assert loaded.crc == found[1].crc
    with pytest.raises(MapError, match="the number of maps is 0; it must be"):
        maps_for(config._replace(num_maps=0))
    with pytest.raises(MapError, match="there is no map"):
        maps_for(config._replace(map=str(tmp_path / "none")))


# -- pictures ----------------------------------------------------------------------------------------------------------
def test_colours_tell_the_classes_apart() -> None:
    classes = np.repeat(np.arange(4, dtype=np.uint8), 64)[None].repeat(128, 0)
    colours = terrain_colours(classes)
    assert colours.shape == (128, 256, 3)
    assert colours.dtype == np.uint8
    water, plains, highland, mountain = (colours[64, 32 + 64 * i].astype(int) for i in range(4))
    assert water.argmax() == 2
    assert plains.argmax() == 1
    assert highland.argmax() == 0
    assert np.ptp(mountain) < 20  # grey
    assert colours[64, 60].sum() > colours[64, 5].sum()  # shallow, deep


# -- the command -------------------------------------------------------------------------------------------------------
def test_generate_and_info(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out, png = tmp_path / "a" / "map", tmp_path / "map.png"
    arguments = ["generate", "--size", "128", "--seed", "3", "--land", "0.6", "--out", str(out), "--png", str(png)]
    assert maps.main(arguments) == 0
    expected = continent(128, 3, 0.6)
    assert capsys.readouterr().out == f"{out}: continent 128 seed 3, {expected.land} tiles of land; drawn in {png}\n"
    assert load(out).crc == expected.crc
    assert (out / "mini_map.bin").stat().st_size == 64 * 64
    np.testing.assert_array_equal(iio.imread(png), terrain_colours(expected.classes))
    assert maps.main(["info", str(out)]) == 0
    said = capsys.readouterr()
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert lines["name"] == "continent 128 seed 3"
    assert lines["size"] == "128 x 128 tiles"
    assert lines["padded"] == "no"
    assert lines["land"] == f"60.0% of all tiles: {expected.land}"
    assert lines["plains"] == "56.0% of the land"
    assert lines["masses"].endswith("of it")
    assert len({len(line) - len(line[10:].lstrip()) for line in said.out.splitlines() if "%" not in line}) == 1
    assert said.err == ""


def test_info_tells_that_a_map_was_padded(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tiles = plain(3, 5)
    tiles[1], tiles[2] = 0, LAND | 25
    assert maps.main(["info", str(put(tmp_path, tiles))]) == 0
    said = capsys.readouterr().out
    assert "128 x 128 tiles" in said
    assert "with water, from 5 x 3" in said
    assert "2 of land, the largest 50.0% of it" in said
    assert "mountain   50.0%" in said


def test_failures_are_one_sentence_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    out, file = str(tmp_path / "out"), str(tmp_path / "file")
    failures = [
        (["generate", "--size", "1000", "--out", out], "cannot have 1000 tiles"),
        (["generate", "--size", "128", "--land", "2", "--out", out], "the share of land is 2.0"),
        (["generate", "--size", "128", "--out", file], "cannot write the map to"),
        (["generate", "--size", "128", "--out", file, "--png", f"{out}.png"], "cannot write the map to"),
        (["generate", "--size", "128", "--out", out, "--png", f"{out}/none/x.png"], "cannot draw the map in"),
        (["info", out], "there is no map"),
    ]
    for arguments, message in failures:
        assert maps.main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert message in said.err
        assert said.err.count("\n") == 1
        assert os.listdir(tmp_path) == ["file"]


def test_it_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "puffer_envs.territory.maps", "info", str(tmp_path / "none")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(maps.__file__).parents[2])
    assert run.returncode == 2
    assert run.stderr.startswith("error: there is no map")
