"""How much memory a process of a batch may use."""

from __future__ import annotations

import os
from pathlib import Path

from medsr.batch.recipe import BatchRecipe

SHARE = 0.8  # of the machine: the rest is for its other work
CGROUP = Path("/sys/fs/cgroup/memory.max")
FALLBACK_BYTES = 8 * 2**30


def machine_memory() -> int:
    """Bytes of memory of this machine, or of this process's control group where that is less."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        physical = FALLBACK_BYTES
    try:
        return min(physical, int(CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return physical


def process_memory(recipe: BatchRecipe, n_processes: int) -> int:
    """Bytes for each of `n_processes`: what the recipe says, else a fair share of the machine's.

    It follows from the machine and not from what is free at the moment, so that a run and its repetition cut a scan
    in the same way and give the same bytes.
    """
    if recipe.memory_gib is not None:
        return int(recipe.memory_gib * 2**30)
    return int(SHARE * machine_memory() / n_processes)
