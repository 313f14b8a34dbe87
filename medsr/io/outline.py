"""What the header of a NIfTI file says of its grid, without its voxels: for plans over thousands of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medsr.affine import spacing_mm
from medsr.io import files
from medsr.io.nifti import grid_of


@dataclass(frozen=True)
class Outline:
    """A grid of which nothing is known but its header.

    Attributes:
        shape: voxels per axis.
        affine: (4, 4) to RAS mm.
        n_volumes: time points.
        thickness_mm: of the slices, None where not known.
        slice_axis: axis along which slices were acquired, None where not known.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    n_volumes: int = 1
    thickness_mm: float | None = None
    slice_axis: int | None = None

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Spacing (3,) in mm."""
        return spacing_mm(self.affine)

    @property
    def n_voxels(self) -> int:
        """Of all volumes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.n_volumes


def outline(path: Path) -> Outline:
    """The grid of a NIfTI file.

    Raises:
        InputError: missing, no NIfTI file, damaged header, or fewer bytes than the header declares.
        GeometryError: the affine is not that of a regular grid.
    """
    with files.naming(path):
        files.sniff(path)
        shape, affine = grid_of(path)
    i, j, k = shape[:3]
    return Outline((i, j, k), affine, shape[3] if len(shape) > 3 else 1)


__all__ = ["Outline", "outline"]
