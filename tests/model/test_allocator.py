"""The C library keeps what is freed, in a process of its own so that other tests keep theirs as it was."""

from __future__ import annotations

import subprocess
import sys

LARGE = 256 * 2**20
SCRIPT = f"""
import resource
import numpy as np
from medsr.model.allocator import keep_freed_memory

is_kept = keep_freed_memory()
np.ones({LARGE}, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones({LARGE}, np.uint8)
print(is_kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_large_block_is_reused_without_new_pages():
    is_kept, faults = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout.split()
    n_pages = LARGE // 4096
    assert is_kept in ("True", "False")
    if is_kept == "True":
        assert int(faults) < n_pages / 10
