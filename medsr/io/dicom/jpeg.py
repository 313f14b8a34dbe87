"""The structure of a frame in lossless JPEG, checked before GDCM sees it: some that are damaged end the whole process.

Markers and their segments are those of ITU-T T.81, annex B: frame (B.2.2), scan (B.2.3), Huffman tables (B.2.4.2) and
restart interval (B.2.4.4). What is coded between them is left to GDCM, which survives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

START, END, SCAN, FRAME, TABLES, RESTART = 0xD8, 0xD9, 0xDA, 0xC3, 0xC4, 0xDD
NO_MEANING = (*range(0xE0, 0xF0), 0xFE)  # application data and comments
MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
MAX_CATEGORY = 16  # of a difference of 16 bits (T.81, table H.2)


class NotSoundError(Exception):
    """A frame that GDCM must not see."""


def is_sound(frame: bytes, rows: int, columns: int, bits: int) -> bool:
    """Whether a frame is a single scan with all that decodes it in place.

    Args:
        frame: From its first marker on.
        rows: Lines that the DICOM header tells.
        columns: Samples a line.
        bits: Bits that a sample is stored in (BitsAllocated); GDCM ends at any but 8 and 16.
    """
    try:
        _check(frame, rows, columns, bits)
    except (NotSoundError, IndexError):
        return False
    return True


def _check(frame: bytes, rows: int, columns: int, bits: int) -> None:
    _hold(bits in (8, 16))
    sizes: tuple[int, ...] = ()
    component, precision, tables = -1, 0, set[int]()
    for marker, segment in _segments(frame):
        if marker == FRAME:
            _hold(not sizes and len(segment) == 9 and segment[5] == 1)
            sizes, component = (int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])), segment[6]
            _hold(sizes == (rows, columns) and 2 <= segment[0] <= bits)
            precision = segment[0]
        elif marker == TABLES:
            tables |= set(_tables(segment))
        elif marker == SCAN:
            _hold(bool(sizes) and len(segment) == 6 and segment[0] == 1 and segment[1] == component)
            _hold(segment[2] >> 4 in tables and 1 <= segment[3] <= 7 and segment[4] == 0 and segment[5] < precision)
            return
        else:
            _hold(marker in NO_MEANING or (marker == RESTART and len(segment) == 2))
    raise NotSoundError


def _segments(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its segment, up to the scan, behind which the coded values must reach the end of the image."""
    _hold(frame[:2] == bytes((0xFF, START)))
    at = 2
    while True:
        found = MARKER.match(frame, at)
        if found is None:
            raise NotSoundError
        marker, at = found[1][0], found.end()
        n = int.from_bytes(frame[at : at + 2])
        _hold(n >= 2 and at + n <= len(frame))
        segment, at = frame[at + 2 : at + n], at + n
        if marker == SCAN:
            inside = [mark[0] for mark in MARKER.findall(frame, at)]
            _hold(END in inside and all(0xD0 <= mark < 0xD8 for mark in inside[: inside.index(END)]))
        yield marker, segment


def _tables(segment: bytes) -> Iterator[int]:
    """The number of each Huffman table, whose codes must be possible and whose values categories of differences."""
    at = 0
    while at < len(segment):
        number, counts = segment[at], segment[at + 1 : at + 17]
        values = segment[at + 17 : at + 17 + sum(counts)]
        _hold(number < 4 and len(counts) == 16 and len(values) == sum(counts) > 0 and max(values) <= MAX_CATEGORY)
        _hold(sum(n << 16 - length for length, n in enumerate(counts, 1)) <= 1 << 16)
        yield number
        at += 17 + len(values)


def _hold(holds: bool) -> None:
    if not holds:
        raise NotSoundError
