"""Keep freed memory in the process, so that large tensors don't fault in fresh pages at every layer."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of the GNU C library
TOP_PAD_BYTES = 64 * 2**20
KEEPING = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD_BYTES))
RETURNING = ((M_MMAP_MAX, 65536), (M_TRIM_THRESHOLD, 128 * 2**10), (M_TOP_PAD, 0))  # as the library begins

_is_keeping = False


def keep_freed_memory() -> bool:
    """Have the C library reuse large blocks instead of returning them; False where it offers no such setting.

    Measured on two cores in bfloat16: 1.4 to 1.7 times faster inference with 64 to 96 channels.
    """
    global _is_keeping
    _is_keeping = _set(KEEPING)
    return _is_keeping


@contextmanager
def returning_freed_memory() -> Iterator[None]:
    """Inside, freed blocks go back to the system: slower, but blocks of ever-changing sizes don't pile up."""
    global _is_keeping
    was_keeping, _is_keeping = _is_keeping, False
    if was_keeping:
        _set(RETURNING)
        ctypes.CDLL(None).malloc_trim(0)
    try:
        yield
    finally:
        if was_keeping:
            keep_freed_memory()


def _set(settings: tuple[tuple[int, int], ...]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(name, value) == 1 for name, value in settings)
