"""Shapes: the library can be built at every size, scaling keeps the solid, and bad shapes and files are named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffer_envs.kit.rng import streams
from puffer_envs.voxel_swarm import families
from puffer_envs.voxel_swarm.shapes import (
    FAMILIES,
    HELD_OUT_FAMILIES,
    Shape,
    ShapeError,
    check_voxels,
    library,
    load_shapes,
    save_shapes,
    scale_voxels,
    sizes_of_pieces,
)

Cells = set[tuple[int, int, int]]


def cells(voxels: np.ndarray) -> Cells:
    return {(x, y, z) for x, y, z in voxels.tolist()}


def pieces(filled: Cells) -> list[Cells]:
    """The slow twin of `sizes_of_pieces`: sets and plain Python."""
    left, found = set(filled), []
    while left:
        piece, edge = set(), [left.pop()]
        while edge:
            x, y, z = edge.pop()
            piece.add((x, y, z))
            around = {(x - 1, y, z), (x + 1, y, z), (x, y - 1, z), (x, y + 1, z), (x, y, z - 1), (x, y, z + 1)} & left
            left -= around
            edge += around
        found.append(piece)
    return found


def assert_in_order(voxels: np.ndarray) -> None:
    keys = [(y, x, z) for x, y, z in voxels.tolist()]
    assert keys == sorted(set(keys))
    assert voxels.dtype == np.int16


# -- the library -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("grid", [8, 10, 16, 32])
def test_every_shape_can_be_built(grid: int) -> None:
    for shape in library(grid, "all"):
        voxels = shape.voxels
        assert_in_order(voxels)
        assert voxels.min() >= 0, shape.text
        assert voxels.max() < grid, shape.text
        # From the ground one can always step to y=1, and on from above a filled cell: a voxel in each layer suffices.
        assert np.unique(voxels[:, 1]).tolist() == list(range(voxels[:, 1].max() + 1)), shape.text
        assert len(pieces(cells(voxels))) == 1, shape.text


@pytest.mark.parametrize("grid", [*range(4, 25), 31, 64, 100])
def test_every_grid_has_every_family(grid: int) -> None:
    shapes = library(grid, "all")
    assert {shape.family for shape in shapes} == set(FAMILIES)
    for shape in shapes:
        assert np.array_equal(check_voxels(shape.voxels, grid), shape.voxels), shape.text


@pytest.mark.parametrize("grid", [4, 8, 10, 16, 33])
def test_no_two_shapes_are_alike(grid: int) -> None:
    shapes = library(grid, "all")
    assert len({shape.text for shape in shapes}) == len(shapes)
    assert len({shape.voxels.tobytes() for shape in shapes}) == len(shapes)


def test_at_least_three_sizes_a_family_and_no_more_than_sixteen() -> None:
    for grid in (8, 16, 64, 128):
        for family, make in FAMILIES.items():
            assert 3 <= len(make(grid)) <= 16, (grid, family)


@pytest.mark.parametrize("grid", [8, 16, 32])
def test_splits_part_the_library(grid: int) -> None:
    everything, train, sizes, families = (library(grid, split) for split in ("all", "train", "sizes", "families"))
    parts = [shape.text for part in (train, sizes, families) for shape in part]
    assert sorted(parts) == sorted(shape.text for shape in everything)
    assert {shape.family for shape in families} == set(HELD_OUT_FAMILIES)
    trained = {shape.family for shape in train}
    assert trained == set(FAMILIES) - set(HELD_OUT_FAMILIES) == {shape.family for shape in sizes}
    for family in trained:
        assert FAMILIES[family](grid)[0][0] in {shape.text for shape in train}  # the smallest
    assert len(sizes) * 5 > len(train)


def test_the_easiest_come_first_and_always_the_same() -> None:
    first, second = library(10), library(10)
    counts = [len(shape.voxels) for shape in first]
    assert counts == sorted(counts)
    assert [(a.text, a.voxels.tobytes()) for a in first] == [(b.text, b.voxels.tobytes()) for b in second]
    assert {shape.grid for shape in first} == {10}


def test_held_out_families_hang_over() -> None:
    for shape in library(8, "families"):
        filled = cells(shape.voxels)
        assert any(y > 0 and (x, y - 1, z) not in filled for x, y, z in filled), shape.text


def test_the_pyramid_is_the_original_one() -> None:
    pyramids = dict(FAMILIES["pyramid"](8))
    four = [(0, 2, 6), (1, 2, 5), (2, 3, 5), (3, 3, 4)]  # y, and the layer's ends: 4 wide from (8 - 4) // 2, 3 wide ...
    five = [(0, 1, 6), (1, 2, 6), (2, 2, 5), (3, 3, 5), (4, 3, 4)]
    for text, layers in (("pyramid 4", four), ("pyramid 5", five)):
        expected = {(x, y, z) for y, low, high in layers for x in range(low, high) for z in range(low, high)}
        assert cells(pyramids[text]) == expected
    assert len(pyramids["pyramid 4"]) == 30


def test_texts_say_the_size() -> None:
    sizes = {shape.text: np.ptp(shape.voxels, axis=0) + 1 for shape in library(16, "all")}
    assert sizes["wall 6x4"].tolist() == [6, 4, 1]
    assert sizes["wall 7x6 along z"].tolist() == [1, 6, 7]
    assert sizes["tower 6"][1] == 6
    assert sizes["a table 16 wide on legs 6 high"].tolist() == [16, 7, 11]
    assert sizes["a crane 9 high"][1] == 9
    assert sizes["staircase of 7 steps"].tolist()[:2] == [7, 7]
    assert sum(shape.text == f"heap of {len(shape.voxels)} blocks" for shape in library(16, "all")) == 16


def test_heaps_are_the_same_compiled_and_in_plain_python() -> None:
    (compiled, plain), n = np.zeros((2, 16, 8, 16), np.bool_), 100
    for grow, solid in ((families._grow, compiled), (getattr(families._grow, "py_func", families._grow), plain)):
        grow(solid, n, streams(families.HEAP_SEED, n, 1)[0], np.zeros((n, 3), np.int16))
    assert np.count_nonzero(compiled) == n
    assert np.array_equal(compiled, plain)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"heap"}))
def test_sizes_are_in_proportion_to_the_grid(family: str) -> None:
    for i in (0, -1):  # the smallest and the largest
        small, large = (np.ptp(FAMILIES[family](grid)[i][1], axis=0).max() + 1 for grid in (8, 64))
        assert abs(large / 64 - small / 8) <= 1 / 8, (family, small, large)


@pytest.mark.parametrize("grid", [3, 257, 8.0, True, "8"])
def test_impossible_grids_are_refused(grid: int) -> None:
    with pytest.raises(ShapeError, match="from 4 to 256"):
        library(grid)


def test_one_family_alone() -> None:
    assert {shape.family for shape in library(8, "all", "castle")} == {"castle"}
    with pytest.raises(ShapeError, match="no family 'house boat': choose"):
        library(8, "all", "house boat")
    with pytest.raises(ShapeError, match="'train' has no bridge"):
        library(8, "train", "bridge")


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ShapeError, match="'test'"):
        library(8, "test")  # type: ignore[arg-type]


# -- scaling -----------------------------------------------------------------------------------------------------
@st.composite
def scalings(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    small, more = draw(st.integers(1, 12)), draw(st.integers(0, 20))
    coordinate = st.integers(0, small - 1)
    chosen = draw(st.sets(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=30))
    return np.array(sorted(chosen), np.int16), small, small + more


@given(scalings())
@settings(max_examples=150)
def test_up_then_down_is_the_identity(case: tuple[np.ndarray, int, int]) -> None:
    voxels, small, large = case
    up = scale_voxels(voxels, small, large)
    assert_in_order(up)
    boxes = [[range(-(-c * large // small), -(-(c + 1) * large // small)) for c in voxel] for voxel in voxels.tolist()]
    assert cells(up) == {(x, y, z) for xs, ys, zs in boxes for x in xs for y in ys for z in zs}
    assert cells(scale_voxels(up, large, small)) == cells(voxels)


@given(scalings())
def test_down_truncates_and_merges(case: tuple[np.ndarray, int, int]) -> None:
    voxels, small, large = case
    down = scale_voxels(voxels, large, small)
    assert_in_order(down)
    assert cells(down) == {tuple(c * small // large for c in voxel) for voxel in voxels.tolist()}


def test_ten_to_128_is_the_same_solid() -> None:
    slab = np.array([[x, y, z] for x in range(2, 7) for y in range(5) for z in range(10)])
    up = scale_voxels(slab, 10, 128)
    assert up.min(axis=0).tolist() == [26, 0, 0]  # 2 * 12.8 = 25.6
    assert up.max(axis=0).tolist() == [89, 63, 127]
    assert len(up) == 64 * 64 * 128  # no gaps


@pytest.mark.parametrize("size", [4, 7, 13, 50])
def test_a_scaled_shape_can_still_be_built(size: int) -> None:
    for shape in library(10, "all"):
        assert len(check_voxels(scale_voxels(shape.voxels, 10, size), size)) > 0


# -- checking ----------------------------------------------------------------------------------------------------
@given(st.sets(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=60))
def test_pieces_are_those_of_the_slow_twin(chosen: Cells) -> None:
    filled = np.zeros((5, 5, 5), np.bool_)
    filled[tuple(np.array(sorted(chosen)).T)] = True
    labels, sizes = sizes_of_pieces(filled)
    found = [{(x, y, z) for x, y, z in np.argwhere(labels == i + 1).tolist()} for i in range(len(sizes))]
    assert sorted(map(sorted, found)) == sorted(map(sorted, pieces(chosen)))
    assert sizes.tolist() == list(map(len, found))


@pytest.mark.parametrize(
    "voxels",
    [
        [[1, 0, 1], [1, 1, 1], [0, 0, 1]],
        [(1, 1, 1), (1, 0, 1), (0, 0, 1), (1, 0, 1)],
        [{"x": 1, "y": 1, "z": 1}, {"x": 0, "y": 0, "z": 1}, {"z": 1, "y": 0, "x": 1}],
        np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1]], np.uint8),
    ],
)
def test_good_voxels_come_back_in_order(voxels: list) -> None:
    checked = check_voxels(voxels, 4)
    assert checked.tolist() == [[0, 0, 1], [1, 0, 1], [1, 1, 1]]
    assert checked.dtype == np.int16


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        ([], "0 voxels where 1 to 64"),
        ([[0, 0, 0]] * 65, "65 voxels where 1 to 64"),
        ("[[0,0,0]]", "are str"),
        ({"x": 0}, "are dict"),
        (None, "are NoneType"),
        ([[0, 0]], "three whole numbers"),
        ([[0, 0, 0], [0, 0, 0, 0]], "three whole numbers"),
        ([[0, 0, 0.0]], "three whole numbers"),
        ([[0, 0, True]], "three whole numbers"),
        ([[0, 0, None]], "three whole numbers"),
        ([0, 0, 0], "three whole numbers"),
        (["000"], "three whole numbers"),
        ([{"x": 0, "y": 0}], "three whole numbers"),
        (np.zeros((1, 3)), "three whole numbers"),
        (np.zeros(3, int), "three whole numbers"),
        ([[0, 0, 10**30]], "far beyond"),
        ([[0, 0, -(2**63)]], "far beyond"),
        ([[0, 0, 0], [0, 0, 4]], r"1 of its voxels lie outside the grid of 4, the first at \[0, 0, 4\]"),
        ([[0, 0, 0], [-1, 0, 0]], "outside"),
        ([[0, 1, 0]], "lowest voxel is at y=1"),
        ([[0, 0, 0], [1, 1, 0]], "2 pieces"),  # an edge does not join
        ([[0, 0, 0], [2, 0, 0], [0, 0, 2]], "3 pieces"),
    ],
)
def test_bad_voxels_are_refused(voxels: list, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        check_voxels(voxels, 4)


def test_a_full_grid_is_a_shape() -> None:
    assert len(check_voxels(np.argwhere(np.ones((100, 100, 100), np.bool_)), 100)) == 1_000_000


# -- files -------------------------------------------------------------------------------------------------------
COLUMN = Shape("a column", "", 4, np.array([[1, 0, 1], [1, 1, 1]], np.int16))
STUMP = Shape("ein Stück", "", 4, np.array([[2, 0, 2]], np.int16))


def test_shapes_come_back_from_a_file(tmp_path: Path) -> None:
    assert save_shapes(tmp_path / "new" / "shapes.jsonl", [COLUMN, STUMP]) == 2
    loaded = load_shapes(tmp_path / "new" / "shapes.jsonl", 4)
    assert [(s.text, s.grid, s.voxels.tolist()) for s in loaded] == [
        ("a column", 4, [[1, 0, 1], [1, 1, 1]]),
        ("ein Stück", 4, [[2, 0, 2]]),
    ]
    first = json.loads((tmp_path / "new" / "shapes.jsonl").read_text("utf-8").split("\n")[0])
    assert first == {"text": "a column", "grid": 4, "voxels": [[1, 0, 1], [1, 1, 1]], "voxel_count": 2}


def test_loading_rescales(tmp_path: Path) -> None:
    save_shapes(tmp_path / "shapes.jsonl", [COLUMN])
    (loaded,) = load_shapes(tmp_path / "shapes.jsonl", 8)
    assert loaded.grid == 8
    assert cells(loaded.voxels) == {(x, y, z) for x in (2, 3) for y in range(4) for z in (2, 3)}


def test_the_list_of_pairs_of_the_original_is_read(tmp_path: Path) -> None:
    voxels = [{"x": 15, "y": 0, "z": 3}, {"x": 15, "y": 1, "z": 3}]
    path = tmp_path / "training_pairs.json"
    path.write_text(json.dumps([{"text": "tower 2", "voxels": voxels, "voxel_count": 2}], indent=2))
    (shape,) = load_shapes(path, 16)
    assert cells(shape.voxels) == {(15, 0, 3), (15, 1, 3)}
    with pytest.raises(ShapeError, match="list"):
        save_shapes(path, [COLUMN], append=True)


def test_appending_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "shapes.jsonl"
    path.write_text('{"text": "by hand", "grid": 4, "voxels": [[0, 0, 0]]}')  # and no end of line
    assert save_shapes(path, [COLUMN], append=True) == 1
    assert save_shapes(path, [COLUMN, STUMP], append=True) == 1
    assert [shape.text for shape in load_shapes(path, 4)] == ["by hand", "a column", "ein Stück"]
    assert save_shapes(path, [STUMP]) == 1
    assert [shape.text for shape in load_shapes(path, 4)] == ["ein Stück"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    save_shapes(tmp_path / "real.jsonl", [COLUMN])
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    save_shapes(tmp_path / "link.jsonl", [STUMP], append=True)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(load_shapes(tmp_path / "real.jsonl", 4)) == 2


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch, failing: str) -> None:
    path = tmp_path / "shapes.jsonl"
    save_shapes(path, [COLUMN])
    before = path.read_bytes()

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(ShapeError, match="No space left"):
        save_shapes(path, [STUMP], append=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["shapes.jsonl"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x", "grid": 4, "voxels": [[0, 0', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("17", "an object with"),
        ('{"text": "x", "grid": 4}', "an object with"),
        ('{"grid": 4, "voxels": [[0, 0, 0]]}', "text"),
        ('{"text": " ", "grid": 4, "voxels": [[0, 0, 0]]}', "text"),
        ('{"text": "a\\nb", "grid": 4, "voxels": [[0, 0, 0]]}', "text"),
        ('{"text": "x", "grid": 400, "voxels": [[0, 0, 0]]}', "grid is 400"),
        ('{"text": "x", "grid": "4", "voxels": [[0, 0, 0]]}', "grid is '4'"),
        ('{"text": "x", "grid": 4, "voxels": [[0, 0, 9]]}', "outside"),
        ('{"text": "x", "grid": 4, "voxels": [[0, 0, NaN]]}', "three whole numbers"),
        ('{"text": "x", "grid": 4, "voxels": 5}', "are int"),
        ('{"text": "x", "grid": 4, "voxels": [[0, 0, 0]], "voxel_count": 2}', "voxel_count says 2"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "shapes.jsonl"
    save_shapes(path, [COLUMN])
    path.write_text(path.read_text() + "\n" + line + "\n")
    with pytest.raises(ShapeError, match=message) as error:
        load_shapes(path, 8)
    assert f"{path}, line 3: " in str(error.value)
    assert "correct or delete it" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no shape"),
        (b"\xff\xfe", "UTF-8"),
        (b"[1]", "entry 1: "),
        (b"[", "no JSON"),
        (None, "check the path"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "shapes.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShapeError, match=message) as error:
        load_shapes(path, 8)
    assert str(path) in str(error.value)
