"""The header of a netCDF file in the classic format: its variables, with their attributes and where they lie.

NetCDF Users Guide, appendix B, "The NetCDF Classic Format Specification": version 1 and, with offsets of 64 bits,
version 2. Only the header is read, so that a file is judged before memory is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError

OFFSET_BYTES = {b"CDF\x01": 4, b"CDF\x02": 8}
TYPES = {1: ">i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"}
MAX_HEADER_BYTES = 4 << 20  # histories of long pipelines included; more is taken for damage
DIMENSIONS, VARIABLES, ATTRIBUTES = 10, 11, 12  # tags of the lists
DAMAGED = "the netCDF header is damaged or truncated; copy or download the file again"

T = TypeVar("T")
Attributes = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Variable:
    """One variable of a file.

    Attributes:
        axes: Names of its axes, the slowest first.
        shape: Values per axis; 0 for an axis that grows with each record.
        dtype: Stored type, with its byte order.
        offset: Bytes before its first value.
        attributes: Its attributes, as arrays of one axis.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    attributes: Attributes

    @property
    def n_bytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def text(self, name: str) -> str:
        """An attribute of letters; "" where it is missing or holds numbers."""
        found = self.attributes.get(name)
        return "" if found is None or found.dtype.kind != "S" else found.tobytes().decode(errors="replace").strip("\0 ")

    def numbers(self, name: str, n: int) -> tuple[float, ...] | None:
        """The `n` numbers of an attribute; None where it is missing, or holds letters or another count."""
        found = self.attributes.get(name)
        return None if found is None or found.dtype.kind == "S" or len(found) != n else tuple(map(float, found))


def read_variables(stream: BinaryIO) -> dict[str, Variable]:
    """Every variable of a file by name.

    Args:
        stream: File at its beginning.

    Raises:
        InputError: not netCDF in the classic format, damaged, or truncated.
    """
    header = _Header(stream)
    n_offset = OFFSET_BYTES.get(header.take(4))
    if n_offset is None:
        raise InputError(DAMAGED)
    header.take(4)  # how many records there are: a file that grows is refused where it is read
    axes = header.listed(DIMENSIONS, lambda: (header.name(), header.number()))
    header.attributes()
    return dict(header.listed(VARIABLES, lambda: header.variable(axes, n_offset)))


class _Header:
    """The header's words, one after the other, up to a limit."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, MAX_HEADER_BYTES

    def take(self, n: int) -> bytes:
        """The next bytes, without those that fill up four."""
        padded = n + -n % 4
        if padded > self._left:
            raise InputError(DAMAGED)
        self._left -= padded
        content = self._stream.read(padded)
        if len(content) < n:
            raise InputError(DAMAGED)
        return content[:n]

    def number(self) -> int:
        """The next count or size, which is never negative."""
        return int.from_bytes(self.take(4), "big")

    def name(self) -> str:
        return self.take(self.number()).decode(errors="replace")

    def listed(self, tag: int, one: Callable[[], T]) -> list[T]:
        """A list: its tag, its length and its elements; an absent one has 0 for both."""
        found, n = self.number(), self.number()
        if found != tag and (found, n) != (0, 0):
            raise InputError(DAMAGED)
        return [one() for _ in range(n)]

    def kind(self) -> np.dtype[Any]:
        code = self.number()
        if code not in TYPES:
            raise InputError(DAMAGED)
        return np.dtype(TYPES[code])

    def attributes(self) -> Attributes:
        def one() -> tuple[str, NDArray[Any]]:
            name, dtype, n = self.name(), self.kind(), self.number()
            return name, np.frombuffer(self.take(n * dtype.itemsize), dtype)

        return dict(self.listed(ATTRIBUTES, one))

    def variable(self, axes: list[tuple[str, int]], n_offset: int) -> tuple[str, Variable]:
        name = self.name()
        numbers = [self.number() for _ in range(self.number())]
        if any(i >= len(axes) for i in numbers):
            raise InputError(DAMAGED)
        attributes, dtype = self.attributes(), self.kind()
        self.take(4)  # its size in bytes, which its shape tells as well
        offset = int.from_bytes(self.take(n_offset), "big")
        names, shape = tuple(axes[i][0] for i in numbers), tuple(axes[i][1] for i in numbers)
        return name, Variable(names, shape, dtype, offset, attributes)
