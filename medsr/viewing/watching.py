"""A sample that is watched: every step of it goes to the viewer, which keeps them all."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from pathlib import Path

from medsr.enhancement.estimate import Estimate
from medsr.enhancement.piece import OnState
from medsr.enhancement.walk import WalkStep
from medsr.errors import UsageError
from medsr.viewing.exchange import packed
from medsr.worker.child import Report

SCANS = tuple(field.name for field in fields(WalkStep))
VOXEL_BYTES = 4
MOST_BYTES = 2**31  # all scans of all steps together


def watching(report: Report, folder: Path, steps: int, needs: Estimate, shape: list[int]) -> OnState:
    """A callback that reports steps as "state": its number, how many there are, and its scans.

    Args:
        report: Report of the job.
        folder: Folder for the voxels.
        steps: Number of steps.
        needs: What the enhancement needs.
        shape: Voxels of the result.

    Raises:
        UsageError: it is computed in blocks, or its steps are more than a viewer should keep.
    """
    instead = "choose a region, or don't watch the refinement"
    if needs.n_blocks > 1:
        raise UsageError(f"the {needs.n_blocks} blocks of this scan have no steps in common; {instead}")
    n_bytes = VOXEL_BYTES * len(SCANS) * steps * prod(shape)
    if n_bytes > MOST_BYTES:
        raise UsageError(f"{steps} steps of this scan are {n_bytes / 2**30:.1f} GiB; {instead}")

    def on_state(number: int, step: WalkStep) -> None:
        scans = {name: packed(getattr(step, name), folder) for name in SCANS}
        report("state", {"number": number, "steps": steps, **scans})

    return on_state
