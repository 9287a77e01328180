"""ObsLayout: what is packed comes back, and mistakes are named."""

import numpy as np
import pytest

from puffer_envs.contract.layout import ObsLayout


@pytest.fixture
def layout() -> ObsLayout:
    return ObsLayout(
        np.uint8,
        ("screen", (2, 8), 2),
        ("flags", (11,), 1),
        ("nibbles", (3,), 4),
        ("level", (6,), 8, 0.01),
        ("x", (1,)),
    )


def test_fields_fill_the_row_without_gaps(layout: ObsLayout) -> None:
    assert [(f.name, f.offset, f.size) for f in layout] == [
        ("screen", 0, 4),  # 16 values of 2 bits
        ("flags", 4, 2),  # 11 bits and 5 of padding
        ("nibbles", 6, 2),
        ("level", 8, 6),
        ("x", 14, 1),
    ]
    assert layout.size == layout.nbytes == 15
    assert layout["level"].scale == 0.01
    assert "flags" in layout
    assert "y" not in layout


@pytest.mark.parametrize("lead", [(), (5,), (2, 3)])
def test_unpack_is_the_inverse_of_packing_by_hand(layout: ObsLayout, lead: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (*lead, layout.size), dtype=np.uint8)
    for field in layout:
        raw = layout.raw(rows, field.name)
        values = layout.unpack(rows, field.name)
        assert values.shape == (*lead, *field.shape)
        for index in np.ndindex(*lead):
            bits = int.from_bytes(raw[index].tobytes(), "little")  # lowest bit first
            mask = (1 << field.bits) - 1
            expected = [bits >> (field.bits * i) & mask for i in range(int(np.prod(field.shape)))]
            assert values[index].ravel().tolist() == expected


def test_raw_and_whole_bytes_are_views(layout: ObsLayout) -> None:
    rows = np.zeros((2, layout.size), np.uint8)
    layout.unpack(rows, "x")[:] = 7
    layout.raw(rows, "flags")[:] = 1
    assert rows[:, 14].tolist() == [7, 7]
    assert layout.unpack(rows, "flags").sum() == 4


def test_float_rows() -> None:
    layout = ObsLayout(np.float32, ("position", (3,)), ("grid", (2, 2)))
    rows = np.arange(14, dtype=np.float32).reshape(2, 7)
    assert layout.nbytes == 28
    assert layout.unpack(rows, "grid").tolist() == [[[3, 4], [5, 6]], [[10, 11], [12, 13]]]


@pytest.mark.parametrize(
    ("dtype", "fields", "message"),
    [
        (np.uint8, [("a", (1,)), ("a", (1,))], "twice"),
        (np.uint8, [("a", (1,), 3)], "3 bits"),
        (np.float32, [("a", (1,), 8)], "8 bits"),
        (np.uint8, [("a", (4, 3), 2)], "multiple of 4"),
    ],
)
def test_mistakes_are_named(dtype: type, fields: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObsLayout(dtype, *fields)
