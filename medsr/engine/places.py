"""The places of computing processes on this machine: a device, and the memory that each process may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medsr.model.weights import choose_device

SHARE = 0.8  # of the machine: the rest is for its other work
CGROUP = Path("/sys/fs/cgroup/memory.max")
FALLBACK_BYTES = 8 * 2**30


def places(device: str, workers: int, memory_gib: float | None = None) -> list[dict[str, Any]]:
    """`device` and `memory_bytes` of each computing process: one for each worker of each device.

    Args:
        device: Name of a device, "auto", or several names separated by commas.
        workers: Number of processes for each device.
        memory_gib: Memory for each process; None for a fair share of the machine's. It follows from the machine and
            not from what is free at the moment, so that a run and its repetition cut a scan in the same way and give
            the same bytes.

    Raises:
        ResourceError: no such device.
    """
    found = [name for name in devices(device) for _ in range(workers)]
    share = SHARE * machine_memory() / len(found) if memory_gib is None else memory_gib * 2**30
    return [{"device": name, "memory_bytes": int(share)} for name in found]


def devices(name: str) -> list[str]:
    """The devices of a name: each CUDA device for "auto" and "cuda", or what stands between commas.

    Raises:
        ResourceError: no such device.
    """
    if name not in ("auto", "cuda"):
        return [str(choose_device(part.strip())) for part in name.split(",")]
    first = choose_device(name)
    if first.type != "cuda":
        return [first.type]
    from torch.cuda import device_count

    return [f"cuda:{number}" for number in range(device_count())]


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
