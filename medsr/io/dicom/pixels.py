"""Pixels of a stack: decoded, rescaled slice by slice, padding taken out, slices put on an even grid."""

from __future__ import annotations

from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from medsr.errors import InputError, ResourceError
from medsr.io.dicom.frames import Frame
from medsr.io.dicom.headers import parsing, read_file
from medsr.io.dicom.jpeg import is_sound
from medsr.io.dicom.stack import Stack
from medsr.io.padding import FAR_OUTSIDE, padding_said

# GDCM ends the whole process on some damaged files, so that it only gets what nothing else decodes, lossless JPEG.
JPEG_2000 = (*JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
SIZ, SIZ_BYTES = b"\xff\x4f\xff\x51", 24  # start of a codestream and its first segment, up to the place of the image
DECODERS = {
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit), "pillow"),
    **dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls"),
    **dict.fromkeys(JPEG_2000, "pylibjpeg"),
    RLELossless: "pydicom",
}
JPEG_END = b"\xff\xd9"


def voxels(stack: Stack) -> tuple[NDArray[np.float32], str, tuple[str, ...]]:
    """Rescaled voxels (column, row, slice), the name of their stored type, and what was done to them, as warnings.

    Padding (PS3.3, C.7.5.1.1.2) marks where nothing was measured, such as the corners of a CT reconstruction at -2000.
    Where it lies far outside the measured values it gets the lowest of them, so that no edge stands where there is
    none; padding that looks like background, such as 0 in MR, stays as it is. Slices that no source slice gave are
    interpolated from their neighbours (`_on_grid`).

    Raises:
        InputError: truncated, damaged, or in a transfer syntax that no plugin decodes.
        ResourceError: not enough memory.
    """
    shape = (*stack.shape[:2], len(stack.frames))
    try:
        data = np.empty(shape, np.float32, order="F")
        padded = np.zeros(shape, bool, order="F") if any(frame.padding for frame in stack.frames) else None
    except MemoryError as error:
        raise ResourceError(f"not enough memory for {stack.shape} voxels; close other programs first") from error
    by_file: dict[Path, list[tuple[Frame, int]]] = {}
    for k, frame in enumerate(stack.frames):
        by_file.setdefault(frame.path, []).append((frame, k))
    types, n_cut = set(), 0
    for path, members in by_file.items():
        stored, n_cut_here = stored_frames(path)
        n_cut += n_cut_here
        for frame, k in members:
            if frame.index >= len(stored) or stored[frame.index].shape != frame.shape:
                raise InputError(f"{path.name}: pixel data don't match the header; send the file again")
            picture = stored[frame.index].T
            with np.errstate(over="ignore"):  # what overflows becomes infinite, which Volume refuses
                data[:, :, k] = picture.astype(np.float64) * frame.slope + frame.intercept
            if padded is not None and frame.padding is not None:
                padded[:, :, k] = (picture >= frame.padding[0]) & (picture <= frame.padding[1])
            types.add(picture.dtype.name)
    n_padded = 0 if padded is None else _without_padding(data, padded)
    if stack.filled:
        data = _on_grid(data, stack)
    said = [padding_said(n_padded)] if n_padded else []
    if n_cut:
        said.append(
            f"bits above the stored ones ignored in {n_cut} compressed pixels: an overlay, or a header that is wrong"
        )
    return data, _dtype(stack, data, types), tuple(said)


def _without_padding(data: NDArray[np.float32], padded: NDArray[np.bool_]) -> int:
    """Put the lowest measured value where padding lies far outside the measured ones, and count these voxels."""
    slices = range(data.shape[2])
    measured = [data[:, :, k][~padded[:, :, k]] for k in slices]
    measured = [values for values in measured if values.size]
    if not measured:
        return 0
    low, high = min(float(values.min()) for values in measured), max(float(values.max()) for values in measured)
    margin, n_replaced = FAR_OUTSIDE * (high - low), 0
    for k in slices:
        picture = data[:, :, k]
        far = padded[:, :, k] & ((picture < low - margin) | (picture > high + margin))
        picture[far] = low
        n_replaced += int(np.count_nonzero(far))
    return n_replaced


def _on_grid(data: NDArray[np.float32], stack: Stack) -> NDArray[np.float32]:
    """Source slices on the grid of the stack: those that lie on it as they are, the others interpolated.

    By monotone cubics (Fritsch and Butland 1984), which don't overshoot; beyond the last slice its values stay.
    """
    from scipy.interpolate import PchipInterpolator  # here, as only uneven slices need it

    grid = np.arange(stack.shape[2])
    inside = np.clip(grid, stack.places[0], stack.places[-1])
    found = np.empty(stack.shape, np.float32, order="F")
    for column, values in enumerate(data):  # a column at a time, since the interpolation takes many times its memory
        found[column] = PchipInterpolator(stack.places, values, axis=1)(inside)
    for k, place in enumerate(stack.places):
        if place == round(place):
            found[:, :, round(place)] = data[:, :, k]
    return found


def stored_frames(path: Path) -> tuple[list[NDArray[Any]], int]:
    """Stored values (rows, columns) of every frame of a file, and how many compressed ones lost unused bits.

    Native pixels may hold an overlay there (PS3.5, 8.1.1). A codestream states its own precision, so that there the
    header may as well be wrong.

    Args:
        path: DICOM file.

    Raises:
        InputError: truncated, damaged, or in a transfer syntax that no plugin decodes.
    """
    dataset = read_file(path)
    with parsing(path):
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise InputError(f"{path.name}: no transfer syntax in the file meta header; rewrite it as DICOM Part 10")
        _check_complete(dataset, path.name)
        if syntax == RLELossless:
            _check_rle(dataset, path.name)
        if syntax in JPEGLSTransferSyntaxes:
            _check_jpegls(dataset, path.name)
        if syntax in JPEG_2000:
            _check_jpeg_2000(dataset, path.name)
        if syntax in (JPEGLossless, JPEGLosslessSV1):
            _check_jpeg(dataset, path.name)
    try:
        with parsing(path):
            frames = list(iter_pixels(dataset, raw=True, decoding_plugin=DECODERS.get(syntax, "")))
    except InputError as error:
        name = syntax.name if syntax.name != syntax else "an unknown transfer syntax"
        raise InputError(
            f"{path.name}: pixel data ({name}) can't be decoded: truncated, damaged, or no codec for it"
        ) from error
    used = [_without_unused_bits(frame, dataset.BitsStored) for frame in frames]
    n_cut = sum(int(np.count_nonzero(a != b)) for a, b in zip(frames, used, strict=True))
    return used, n_cut if syntax.is_encapsulated else 0


def _check_complete(dataset: Dataset, name: str) -> None:
    n_found = len(dataset.get("PixelData") or b"")
    if not n_found:
        raise InputError(f"{name}: no pixel data; the file is truncated or holds only a header")
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        n_frames = int(dataset.get("NumberOfFrames") or 1)
        n_expected = dataset.Rows * dataset.Columns * n_frames * dataset.BitsAllocated // 8
        if n_found < n_expected:
            raise InputError(f"{name}: pixel data are truncated ({n_found} of {n_expected} bytes); send the file again")
        line = min(dataset.Rows, dataset.Columns) * dataset.BitsAllocated // 8
        if n_found - n_expected >= line:  # a wrong matrix would be read sheared, without a word
            raise InputError(
                f"{name}: {n_found} bytes of pixel data; the matrix in the header, which is wrong, needs {n_expected}"
            )


def _check_rle(dataset: Dataset, name: str) -> None:
    """Refuse frames with more values than the matrix holds: a decoder cuts them off, which shears the picture.

    Less than a line too much is padding that some writers leave behind.

    Raises:
        InputError: at least a line too much.
    """
    n_pixels = dataset.Rows * dataset.Columns
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=n_frames):
        n_segments, *offsets = unpack_from("<16L", frame)
        ends = [*offsets[1:n_segments], len(frame)]
        longest = max((_unpacked(frame[a:b]) for a, b in zip(offsets, ends, strict=False)), default=0)
        if longest - n_pixels >= min(dataset.Rows, dataset.Columns):
            raise InputError(
                f"{name}: {longest} values in a frame; the matrix in the header, which is wrong, holds {n_pixels}"
            )


def _check_jpegls(dataset: Dataset, name: str) -> None:
    """Refuse frames without the marker of their end, as CharLS does in the end, which may take it many seconds.

    Raises:
        InputError: a frame without it.
    """
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=n_frames):
        if JPEG_END not in frame:
            raise InputError(f"{name}: pixel data end within a frame of JPEG-LS: truncated; send the file again")


def _check_jpeg_2000(dataset: Dataset, name: str) -> None:
    """Refuse frames of another size than the header's, before OpenJPEG asks for the memory that they declare.

    The size is that of the image area in the SIZ marker segment (ITU-T T.800, A.5.1).

    Raises:
        InputError: another size.
    """
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=n_frames):
        start = frame.find(SIZ)
        if start < 0 or len(frame) < start + SIZ_BYTES:
            raise InputError(f"{name}: a frame of JPEG 2000 is damaged or truncated; send the file again")
        right, bottom, left, top = unpack_from(">4L", frame, start + len(SIZ) + 4)
        if (right - left, bottom - top) != (dataset.Columns, dataset.Rows):
            raise InputError(f"{name}: pixel data don't match the header; send the file again")


def _check_jpeg(dataset: Dataset, name: str) -> None:
    """Refuse frames of lossless JPEG that GDCM might not survive.

    Raises:
        InputError: a frame whose markers are damaged, or that holds another matrix than the header says.
    """
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=n_frames):
        if not is_sound(frame, dataset.Rows, dataset.Columns, dataset.BitsAllocated):
            raise InputError(
                f"{name}: a frame of lossless JPEG is damaged, truncated or no match to the header; send the file again"
            )


def _unpacked(segment: bytes) -> int:
    """Bytes that an RLE segment decodes to (PS3.5, G.3.2)."""
    n, at = 0, 0
    while at < len(segment):
        head = segment[at]
        if head < 128:  # that many bytes, and one, as they stand
            n += min(head + 1, len(segment) - at - 1)
            at += head + 2
        else:  # 128 does nothing; above it, one byte again and again
            n += 257 - head if head > 128 else 0
            at += 2 if head > 128 else 1
    return n


def _without_unused_bits(frame: NDArray[Any], bits_stored: int) -> NDArray[Any]:
    """Stored values whose bits above BitsStored, which may hold an overlay, are replaced by the sign or by zero."""
    unused = frame.dtype.itemsize * 8 - bits_stored
    return (frame << unused) >> unused if unused else frame


def _dtype(stack: Stack, data: NDArray[np.float32], types: set[str]) -> str:
    scales = {(frame.slope, frame.intercept) for frame in stack.frames}
    if scales == {(1.0, 0.0)} and len(types) == 1:
        return types.pop()
    if not all(slope.is_integer() and intercept.is_integer() for slope, intercept in scales):
        return "float32"
    return "int16" if data.min() >= -32768 and data.max() <= 32767 else "int32"
