"""Damaged NIfTI files: every field of both headers set to what it should never hold, broken gzip, odd sidecars."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import nibabel as nib
import numpy as np
from fuzz.bytes_damage import ANY_BYTES, flipped
from numpy.typing import NDArray
from phantoms import affine

BOMB_MIB = 3000  # what a small gzip file may unpack to
EXTREME_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-30, 1e30, 3e38, -3e38, np.inf, -np.inf, np.nan, 352.5, 1e9)
EXTREME_INTEGERS = (0, 1, -1, 2, 3, 4, 5, 7, 8, 127, 128, 255, 256, 512, 1024, 2048, 32767, -32768, 2**31 - 1, -(2**31))
WIDE_INTEGERS = (2**40, 2**62, 2**63 - 1, -(2**63))
SIDECARS = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"SliceThickness": "thick"}',
    b'{"SliceThickness": -1}',
    b'{"SliceThickness": 1e400}',
    b'{"SliceThickness": NaN}',
    b'{"SliceThickness": [4]}',
    b'{"SliceThickness": 1' + b"0" * 5000 + b"}",
    b"[" * 20000,
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b"\xff\xfe\x00" * 50,
)
NAMES = ("scan", "sub-01_T1w", "sub-01_ses-02_CT", "sub-01_task-rest_bold", "sub-01_dwi")


def damaged_nifti(seed: int, folder: Path) -> str:
    """Write the damaged file of that seed into `folder`; what was done to it, in words."""
    chance = Random(f"nifti {seed}")
    name, content = chance.choice(sound_files())
    kinds = [chance.choice(HEADER_KINDS) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    for kind in kinds:
        content = kind(content, chance)
    words = " + ".join(kind.__name__.strip("_") for kind in kinds)
    if chance.random() < 0.5:
        content = gzip.compress(content, 1, mtime=0)
        if chance.random() < 0.5:
            kind = chance.choice(GZIP_KINDS)
            content, words = kind(content, chance), f"{words} + {kind.__name__.strip('_')}"
        words += ", gzip"
    if chance.random() < 0.0025:
        content, words = _bomb(), "gzip that unpacks without end"
    stem = chance.choice(NAMES)
    (folder / f"{stem}.nii.gz").write_bytes(content)
    if chance.random() < 0.2:
        (folder / f"{stem}.json").write_bytes(chance.choice(SIDECARS))
        words += " + sidecar"
    return f"{name}: {words}"


@cache
def sound_files() -> tuple[tuple[str, bytes], ...]:
    """NIfTI-1 and NIfTI-2, little and big endian, 3D and 4D, several voxel types, with an extension."""
    voxels = np.frombuffer(Random("voxels").randbytes(2 * 12 * 10 * 8 * 2), np.int16).reshape(12, 10, 8, 2) >> 4
    made = []
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        types = (np.int16, np.uint8, np.float32, np.float64)
        made += [_made(kind, voxels[..., 0].astype(dtype), "<") for dtype in types]
        made += [_made(kind, voxels, "<"), _made(kind, voxels[..., 0], ">")]
    return tuple(made)


def _made(kind: Any, voxels: NDArray[Any], order: str) -> tuple[str, bytes]:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(voxels.dtype)
    header["scl_slope"], header["scl_inter"] = 2.0, 1.0
    image = kind(voxels, affine((1, 1, 4), turn_deg=(10, 20, 30)), header)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a remark"))
    words = f"NIfTI-{2 if kind is nib.Nifti2Image else 1} {voxels.dtype.name} {voxels.ndim}D {order}"
    return words, image.to_bytes()


def _template(content: bytes) -> np.dtype[Any] | None:
    """The layout of a header, chosen by the size that it states first."""
    for header in (nib.Nifti1Header, nib.Nifti2Header):
        for order in ("<", ">"):
            dtype = header.template_dtype.newbyteorder(order)
            if len(content) >= dtype.itemsize and content[:4] == struct.pack(f"{order}i", dtype.itemsize):
                return dtype
    return None


def _field(content: bytes, chance: Random) -> bytes:
    """One number of the header is extreme."""
    dtype = _template(content)
    if dtype is None:
        return content
    header = np.frombuffer(content[: dtype.itemsize], dtype).copy()
    name = chance.choice(dtype.names or ())
    values = header[name].reshape(-1)
    if values.dtype.kind == "S":
        values[:] = chance.randbytes(values.dtype.itemsize)
    elif values.dtype.kind == "f":
        values[chance.randrange(len(values))] = chance.choice(EXTREME_FLOATS)
    else:
        limits = np.iinfo(values.dtype)
        wanted = chance.choice(EXTREME_INTEGERS + (WIDE_INTEGERS if values.dtype.itemsize == 8 else ()))
        values[chance.randrange(len(values))] = min(max(wanted, int(limits.min)), int(limits.max))
    header[name] = values.reshape(header[name].shape)
    return header.tobytes() + content[dtype.itemsize :]


def _several_fields(content: bytes, chance: Random) -> bytes:
    """Several numbers of the header are extreme."""
    for _ in range(chance.randrange(2, 12)):
        content = _field(content, chance)
    return content


def _shape(content: bytes, chance: Random) -> bytes:
    """The header declares another shape, such as one of terabytes."""
    dtype = _template(content)
    if dtype is None:
        return content
    header = np.frombuffer(content[: dtype.itemsize], dtype).copy()
    n = int(np.iinfo(header["dim"].dtype).max)
    sides = [chance.choice((0, 1, 2, 8, 12, 100, 2000, 30000, n, -1)) for _ in range(7)]
    header["dim"] = [chance.choice((3, 3, 4, 4, 5, 7, 0, 8, -1)), *sides]
    return header.tobytes() + content[dtype.itemsize :]


def _extension(content: bytes, chance: Random) -> bytes:
    """The extension has an impossible size."""
    dtype = _template(content)
    if dtype is None:
        return content
    at = dtype.itemsize + 4
    return content[:at] + struct.pack("<i", chance.choice(EXTREME_INTEGERS)) + content[at + 4 :]


def _bytes(content: bytes, chance: Random) -> bytes:
    damage: Callable[[bytes, Random], bytes] = chance.choice(ANY_BYTES)
    return damage(content, chance)


def _tail_missing(content: bytes, chance: Random) -> bytes:
    """The gzip file ends early."""
    return content[: len(content) - chance.randrange(1, min(len(content), 40))]


def _wrong_sum(content: bytes, chance: Random) -> bytes:
    """The gzip file's check sum or length is wrong."""
    return content[:-8] + flipped(content[-8:], chance)


def _two_members(content: bytes, chance: Random) -> bytes:
    """Another gzip member follows, sound or not."""
    return content + chance.choice(
        (gzip.compress(b"more", mtime=0), content[: len(content) // 2], b"\x1f\x8b", bytes(9))
    )


@cache
def _bomb() -> bytes:
    _, sound = sound_files()[0]
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    blocks = [packer.compress(sound), *(packer.compress(bytes(1 << 20)) for _ in range(BOMB_MIB))]
    return b"".join(blocks) + packer.flush()


HEADER_KINDS = (_field, _field, _field, _several_fields, _shape, _extension, _bytes)
GZIP_KINDS = (_bytes, _bytes, _tail_missing, _wrong_sum, _two_members)
