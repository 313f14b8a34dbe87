"""The bytes of an image file, inflated where it is gzip, and their damage in one line.

A header is read before any memory is asked for: a few hundred bytes may declare terabytes, and a small gzip file may
inflate without end.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from medsr.errors import InputError, ResourceError
from medsr.io import files

MAX_INFLATION = 1100  # deflate can't pack more than 1032 bytes into one
GZIP_LEVEL = 4  # files 2 % larger than at level 6, in a third of the time


@contextmanager
def inflated_stream(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading, gzip or not."""
    with files.opened(path) as file:
        zipped = file.read(2) == files.GZIP_MAGIC
        file.seek(0)
        yield cast(BinaryIO, io.BufferedReader(files.Inflated(file), files.PACKED)) if zipped else file


@contextmanager
def damage_reported() -> Iterator[None]:
    """Turn what goes wrong while bytes are read into one line.

    Raises:
        InputError: truncated or damaged bytes.
        ResourceError: not enough memory.
    """
    try:
        yield
    except EOFError as error:
        raise InputError("the gzip file is truncated; copy or download it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"the file is damaged ({files.reason(error)}); copy or download it again") from error
    except MemoryError as error:
        raise ResourceError("not enough memory to read the scan; close other programs or crop it first") from error


def check_holds(path: Path, offset: int, n_bytes: int) -> None:
    """Refuse a file that can't hold the voxels that its header declares.

    Args:
        path: The file.
        offset: Bytes before the first voxel.
        n_bytes: Bytes of voxels.

    Raises:
        InputError: it is too short.
    """
    available = path.stat().st_size
    with path.open("rb") as file:
        zipped = file.read(2) == files.GZIP_MAGIC
    if offset + n_bytes > available * (MAX_INFLATION if zipped else 1):
        raise InputError(
            f"header declares {n_bytes} bytes of voxels, but the file has {available} bytes"
            f"{' of gzip' if zipped else ''}; it is truncated or its header is damaged"
        )


def read_voxels(stream: BinaryIO, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Stored values in Fortran order; never reads more than is declared, and leaves the stream behind them.

    Args:
        stream: File at its beginning.
        offset: Bytes before the first voxel.
        shape: Voxels per axis.
        dtype: Stored type, with its byte order.

    Raises:
        InputError: the file ends too early.
    """
    left = offset
    while left and (skipped := len(stream.read(min(left, files.CHUNK)))):
        left -= skipped
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    stored = np.empty(n_bytes, np.uint8)
    buffer, n_read = stored.data, 0
    while n_read < n_bytes:
        n = stream.readinto(buffer[n_read : n_read + (1 << 24)])  # type: ignore[attr-defined]
        if not n:
            raise InputError(f"the file is truncated: {n_read} of {n_bytes} bytes of voxels")
        n_read += n
    return stored.view(dtype).reshape(shape, order="F")


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file that appears when all is written, as gzip where its name ends in .gz or .mgz; equal bytes each time.

    Raises:
        OutputError: the file can't be written.
    """
    with files.atomic(path) as file:
        if path.name.lower().endswith((".gz", ".mgz")):
            with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=file, mtime=0) as zipped:
                yield cast(BinaryIO, zipped)
        else:
            yield file
