"""The `.state` container: a round trip for everything allowed, a clear refusal for everything else."""

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from puffer_envs.contract import state_file
from puffer_envs.contract.state_file import StateFileError, pack, unpack

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="<"),
    npst.unsigned_integer_dtypes(endianness="<"),
    npst.floating_dtypes(endianness="<"),
    npst.complex_number_dtypes(endianness="<", sizes=(64, 128)),
)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
BUNDLES = st.dictionaries(st.text(max_size=20), ARRAYS, max_size=4)

SMALL = pack("game/world", {"grid": np.arange(12, dtype=np.int16).reshape(3, 4), "alive": np.array([True, False])})


@given(st.text(max_size=20), BUNDLES)
def test_round_trip(kind: str, arrays: dict[str, np.ndarray]) -> None:
    result = unpack(kind, pack(kind, arrays))
    assert list(result) == list(arrays)
    for name, array in arrays.items():
        assert result[name].dtype == array.dtype
        assert result[name].shape == array.shape
        assert result[name].tobytes() == array.tobytes()
        assert result[name].flags.writeable
        assert result[name].flags.aligned


def test_big_endian_and_strided_arrays_keep_their_values() -> None:
    arrays = {"big": np.arange(3, dtype=">i4"), "strided": np.arange(12).reshape(3, 4)[::2, ::-1]}
    result = unpack("k", pack("k", arrays))
    assert result["big"].tolist() == [0, 1, 2]
    assert result["strided"].tolist() == arrays["strided"].tolist()


def test_same_arrays_same_bytes() -> None:
    assert pack("k", {"a": np.arange(5)}) == pack("k", {"a": np.arange(5)})


def test_every_flipped_bit_is_refused() -> None:
    for i in range(8 * len(SMALL)):
        damaged = bytearray(SMALL)
        damaged[i // 8] ^= 1 << i % 8
        with pytest.raises(StateFileError):
            unpack("game/world", bytes(damaged))


def test_every_truncation_is_refused() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(StateFileError):
            unpack("game/world", SMALL[:size])


@given(BUNDLES, st.data())
@settings(max_examples=50)
def test_damage_is_refused(arrays: dict[str, np.ndarray], data: st.DataObject) -> None:
    whole = pack("k", arrays)
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda x: x != whole[at]))
    for damaged in (whole[:at], whole[:at] + bytes([byte]) + whole[at + 1 :], whole + bytes([byte])):
        with pytest.raises(StateFileError):
            unpack("k", damaged)


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(StateFileError):
        unpack("k", garbage)


def test_another_kind_is_refused_by_name() -> None:
    with pytest.raises(StateFileError, match="'game/world', not of 'other/world'"):
        unpack("other/world", SMALL)


@pytest.mark.parametrize(
    "array", [np.array([{}, 1], object), np.array(["text"]), np.zeros(2, "i4,f4"), np.zeros(1, "M8[s]")]
)
def test_only_numbers_can_be_packed(array: np.ndarray) -> None:
    with pytest.raises(StateFileError, match="only booleans and numbers"):
        pack("k", {"a": array})


def _forge(manifest: object, raw: bytes = b"", size: int | None = None, version: int = state_file.VERSION) -> bytes:
    """A container with a right checksum around whatever is given: damage that no checksum finds."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    body = struct.pack("<I", len(text)) + text + raw
    packed = zlib.compress(body)
    size = len(body) if size is None else size
    head = state_file._HEAD.pack(state_file.MAGIC, version, 0, size)
    return state_file._HEAD.pack(state_file.MAGIC, version, state_file._checksum(head, packed), size) + packed


def _entries(*entries: object) -> dict:
    return {"kind": "k", "arrays": list(entries)}


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        (_forge(_entries(["a", "|O", [1]]), b"\0" * 8), "only booleans and numbers"),
        (_forge(_entries(["a", "|V8", [1]]), b"\0" * 8), "only booleans and numbers"),
        (_forge(_entries(["a", "i4,f4", [1]]), b"\0" * 8), "only booleans and numbers"),
        (_forge(_entries(["a", 8, [1]]), b"\0" * 8), "only booleans and numbers"),
        (_forge(_entries(["a", "<i3", [1]]), b"\0" * 8), "no sense"),
        (_forge(_entries(["a", "<i8", [1 << 60]])), "claims"),
        (_forge(_entries(["a", "<i8", [1 << 40, 1 << 40]])), "claims"),
        (_forge(_entries(["a", "<i8", [-1]])), "impossible shape"),
        (_forge(_entries(["a", "<i8", [1.5]])), "impossible shape"),
        (_forge(_entries(["a", "<i8", [1] * 40]), b"\0" * 8), "impossible shape"),
        (_forge(_entries(["a", "<i8", [0, 1 << 62]])), "no sense"),
        (_forge(_entries(["a", "<i8", [1]]), b"\0" * 9), "belong to no array"),
        (_forge(_entries(["a", "<i8", [0]], ["a", "<i8", [0]])), "twice"),
        (_forge(_entries(["a", "<i8"])), "no sense"),
        (_forge({"kind": "k"}), "no sense"),
        (_forge([1, 2]), "no sense"),
        (_forge(b"\xff{"), "no sense"),
        (_forge(_entries(), size=1 << 40), "more than the limit"),
        (_forge(_entries(), size=7), "not the one that it claims"),
        (_forge(_entries(), version=2), "version 2"),
    ],
)
def test_a_right_checksum_does_not_help(forged: bytes, message: str) -> None:
    with pytest.raises(StateFileError, match=message):
        unpack("k", forged)


def test_a_bomb_is_not_decompressed() -> None:
    bomb = zlib.compress(b"\0" * (1 << 24), 9)
    head = state_file._HEAD.pack(state_file.MAGIC, state_file.VERSION, 0, 100)
    whole = state_file._HEAD.pack(state_file.MAGIC, state_file.VERSION, state_file._checksum(head, bomb), 100) + bomb
    with pytest.raises(StateFileError, match="not the one that it claims"):
        unpack("k", whole)


def test_too_much_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "MAX_BODY_BYTES", 1000)
    with pytest.raises(StateFileError, match="larger than the limit"):
        pack("k", {"a": np.zeros(1000)})
