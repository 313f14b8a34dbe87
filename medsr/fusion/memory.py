"""The memory that fusing takes."""

from __future__ import annotations

from medsr.enhancement.memory import usable_memory
from medsr.errors import ResourceError

BYTES_PER_VOXEL = 400  # of the target grid: measured with two stacks of 0.9 and 4.1 million voxels, network included


def check_memory(n_voxels: float, memory_bytes: int | None) -> None:
    """Refuse a grid that would not fit.

    Args:
        n_voxels: Voxels of the target grid.
        memory_bytes: Memory that may be used; None: most of what is free.

    Raises:
        ResourceError: more is needed than may be used.
    """
    limit = usable_memory("cpu") if memory_bytes is None else memory_bytes
    needed = n_voxels * BYTES_PER_VOXEL
    if limit is not None and needed > limit:
        raise ResourceError(
            f"fusing onto {n_voxels / 1e6:.0f} million voxels takes about {needed / 2**30:.1f} GiB; "
            f"{limit / 2**30:.1f} GiB may be used: fuse crops of the stacks, or ask for a coarser --spacing or --grid"
        )
