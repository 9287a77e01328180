"""Named slices of a packed observation row.

A row is one flat array of bytes (or float32) per agent, so that a step writes, a host-to-device copy moves and a
replay stores a single contiguous block. The layout says what lies where; networks unpack it on the device.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np


class Field(NamedTuple):
    """One named slice of a row."""

    name: str
    shape: tuple[int, ...]  # logical shape, after unpacking
    offset: int  # first element in the row
    size: int  # elements of the row that it takes (bytes for uint8 rows)
    bits: int  # bits a value: 1, 2, 4 or 8 in uint8 rows (LSB first), 32 in float32 rows
    scale: float  # multiply the stored value by this to get about [0, 1]

    @property
    def span(self) -> slice:
        """The slice of the row's last axis that holds this field."""
        return slice(self.offset, self.offset + self.size)


class ObsLayout:
    """An ordered set of fields that together fill one row.

    Args:
        dtype: ``numpy.uint8`` or ``numpy.float32``, the one dtype of the whole row.
        fields: ``(name, shape)``, ``(name, shape, bits)`` or ``(name, shape, bits, scale)`` in row order.

    Raises:
        ValueError: for a repeated name, bits that the dtype cannot hold, or a sub-byte field whose last axis does
            not fill whole bytes unless the field is one-dimensional (which is padded with zero bits).
    """

    def __init__(self, dtype: type, *fields: tuple) -> None:
        self.dtype = np.dtype(dtype)
        self.fields: dict[str, Field] = {}
        offset = 0
        for entry in fields:
            field = _field(self.dtype, offset, *entry)
            if field.name in self.fields:
                raise ValueError(f"observation field '{field.name}' is named twice")
            self.fields[field.name] = field
            offset += field.size
        self.size = offset

    @property
    def nbytes(self) -> int:
        """Bytes of one row."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, name: str) -> Field:
        return self.fields[name]

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def raw(self, rows: np.ndarray, name: str) -> np.ndarray:
        """View of the packed elements of one field, ``[..., size]``."""
        return rows[..., self.fields[name].span]

    def unpack(self, rows: np.ndarray, name: str) -> np.ndarray:
        """Values of one field, ``[..., *shape]``, in the row's dtype and unscaled (a copy for sub-byte fields)."""
        field = self.fields[name]
        values = rows[..., field.span]
        if field.bits < 8:
            shifts = np.arange(0, 8, field.bits, dtype=np.uint8)
            values = (values[..., None] >> shifts) & np.uint8((1 << field.bits) - 1)
            values = values.reshape(*rows.shape[:-1], -1)[..., : prod(field.shape)]
        return values.reshape(*rows.shape[:-1], *field.shape)


def _field(dtype: np.dtype, offset: int, name: str, shape: tuple[int, ...], bits: int = 0, scale: float = 1.0) -> Field:
    bits = bits or 8 * dtype.itemsize
    allowed = (1, 2, 4, 8) if dtype == np.uint8 else (8 * dtype.itemsize,)
    if bits not in allowed:
        raise ValueError(f"observation field '{name}': {bits} bits do not fit {dtype} rows, use one of {allowed}")
    per_element = 8 * dtype.itemsize // bits
    if len(shape) > 1 and shape[-1] % per_element:
        raise ValueError(f"observation field '{name}': its last axis {shape[-1]} is no multiple of {per_element}")
    return Field(name, tuple(shape), offset, -(-prod(shape) // per_element), bits, scale)
